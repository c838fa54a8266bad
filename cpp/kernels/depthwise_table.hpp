// SPDX-License-Identifier: BSD-3-Clause
// The kernels of depthwise convolution and their arguments. Plain data only, as table.hpp.
#pragma once
#include <cstdint>

#include "kernels/output.hpp"

namespace npconv {

constexpr int depthwise_pixels = 7;   // pixels of a register tile: usual maps have 7, 14, 28, 56 or 112 pixels to a row
constexpr int depthwise_taps = 7;     // most neighbouring taps that share loads of the input
constexpr int depthwise_strides = 2;  // strides at which they share loads: 1 and 2

// Neighbouring taps of a kernel row, and the input row that they meet for a row of outputs. Places are input pixels, `pixel` elements
// apart. Place 0 is where the first tap meets the first output.
struct TapRun {
    std::int64_t x;           // element offset of place 0; it is not read if it is in a border
    std::int64_t begin, end;  // places that are inside the input; the others are zeros
    std::int64_t w;           // the number of the first tap
    std::int64_t taps;        // 1 to depthwise_taps
};

// A row of outputs.
struct OutputRow {
    std::int64_t first, last;  // the row has the runs of taps first, ..., last - 1
    std::int64_t begin, end;   // places that are inside the input for all these runs
    std::int64_t index;        // the number of its first pixel in y
};

// lane = channel: a vector of channels of a few pixels of a row is summed in registers over all taps.
template <class T>
struct DepthwiseChannels {
    const T* x;
    std::int64_t pixel;   // elements between places
    std::int64_t vector;  //   and between vectors of channels
    const T* w;           // [vector of channels][channel of a group][tap][lanes]
    std::int64_t group;   // input channels, and output channels, of a group: 1, or a power of two up to lanes
    std::int64_t taps;    // of the kernel
    const TapRun* tap;
    const OutputRow* row;
    std::int64_t rows;
    std::int64_t pixels;  // pixels of each row
    bool every_tap;       // zeros of the border are multiplied, too, because a weight is not finite
    Output<T> output;
};

// The input rows that three rows of taps meet for a few rows of outputs, in one plane of taps.
struct TapPlane {
    std::int64_t x;           // element offset of the place at which the first tap meets the first output of the first row
    std::int64_t begin, end;  // rows inside the input, counted from the row of that place; the others are left out
    std::int64_t w;           // the number of the first tap
};

// Neighbouring rows of outputs.
struct RowTile {
    std::int64_t first, last;  // the tile has the planes of taps first, ..., last - 1
    std::int64_t rows;         // 1 to depthwise_rows
    std::int64_t index;        // the number of its first pixel in y
};

constexpr int depthwise_rows = 3;

// lane = channel, 3x3 taps, stride and dilation 1: rows of outputs share loads of the input. Weights must be finite.
template <class T>
struct DepthwiseRowTiles {
    const T* x;
    std::int64_t pixel, row, vector;  // elements between places, between rows, and between vectors of channels
    const T* w;                       // [vector of channels][channel of a group][tap][lanes]
    std::int64_t group;               // as above
    std::int64_t taps;                // of the kernel
    std::int64_t begin, end;  // places inside the input, counted from where the first tap meets the first output; the others are left out
    const TapPlane* plane;
    const RowTile* tile;
    std::int64_t tiles;
    std::int64_t pixels;  // of a row of outputs
    Output<T> output;
};

// Depthwise convolution of planes, channels first, k x k taps (3, 5, 7), both strides the same (1, 2):
//   y[c][i][j] = epilogue(start[c][i][j] + sum over t, s < k of w[c][t][s] * x[c][first_row + stride * i + t][first_column + stride * j +
//   s])
// start is zero unless the kernel continues sums.
// Rows outside 0 .. input_rows - 1 are zeros that are not read. Columns outside 0 .. input_columns - 1 are, too, except in the kernels of
// padded planes. These read the columns that whole vectors of output meet, and stride - 1 more. A sum runs in the order of the taps. y must
// not overlap x; it may be the residual. The strides of y and of the residual in `output` are between channels.
template <class T>
struct DepthwisePlanes {
    const T* x;  // row 0, column 0 of channel 0
    std::int64_t x_channel, x_row;
    const T* w;  // [k][k] for each channel, finite
    std::int64_t w_channel;
    std::int64_t input_rows, input_columns;
    std::int64_t first_row, first_column;  // where the first tap meets the first output; negative with padding
    std::int64_t rows, columns;            // of the output
    std::int64_t y_row, residual_row;
    const T* start;  // initial values of continued sums; it may be y
    std::int64_t start_channel, start_row;
    Output<T> output;
};

template <class T>
struct DepthwisePlaneKernels {
    void (*first)(const DepthwisePlanes<T>&);
    void (*continued)(const DepthwisePlanes<T>&);  // null unless k is 3: volumes with longer kernels are rare
};

// Transposed depthwise convolution of planes with stride 2, k x k taps (2 to 5): rows begin ... end - 1 of
//   y[c][i][j] = epilogue(sum over t, s of w[c][t][s] * x[c][(i + top - t) / 2][(j + left - s) / 2], where both divisions are exact)
// Elements outside x are zeros that are not read. The weights must be finite.
template <class T>
struct TransposedPlanes {
    const T* x;  // row input_begin, column 0 of channel 0
    std::int64_t x_channel, x_row;
    std::int64_t input_begin, input_end;  // the rows of x that y meets and that exist
    std::int64_t input_columns;
    const T* w;  // the taps of each channel in reverse order, as for phases
    std::int64_t w_channel;
    std::int64_t begin, end, columns;  // of y; rows are dense
    std::int64_t top, left;
    Output<T> output;  // y: row `begin` of channel 0; y_stride is between channels; no residual
};

constexpr int least_transposed_taps = 2, transposed_sizes = 4;  // along one side: 2, 3, 4, 5

// The gradient of weights, lane = channel, of one vector of channels:
//   sums[r][t][i] += sum over rows and columns of g[row][column] * channel i of each group of x[row][column] at tap t of tap row r
template <class T>
struct TapProducts {
    const T* g;
    std::int64_t g_pixel, g_row;  // elements between columns and between rows
    const T* x;                   // whole vectors may be read
    std::int64_t x_pixel, x_row;
    std::int64_t rows, columns;
    const std::int64_t* offset;  // element offset in x of the first tap of each tap row
    std::int64_t tap_rows;
    std::int64_t tap;       //   elements between neighbouring taps of a row,
    int taps;               //   taps of a row: 1 to tap_products_taps
    std::int64_t group;     // channels of a group: 1, or a power of two up to lanes
    int channels;           // channels of g that exist, at most lanes
    T* sums;                // [tap row][tap][channel of a group][lanes]
    std::int64_t sum_step;  //   elements between taps
};

constexpr int plane_taps = 3;

// The gradient of 3x3 weights of one channel, lane = pixel, over several planes:
//   sums[t][s][j % lanes] += sum over r and j of g[r][j] * x[stride * r + t - top][stride * j + s - left]
// over the rows and columns that exist. If a tap row meets a row of x but no row of g, that row of x is multiplied by zeros: a value in it
// that is not finite makes the sums NaN.
template <class T>
struct PlaneProducts {
    const T* x;
    std::int64_t x_row, x_rows, x_columns;
    const T* g;
    std::int64_t g_row, g_rows, g_columns;
    std::int64_t planes, x_plane, g_plane;
    std::int64_t top, left;
    T* sums;  // [3][3][lanes]
};

constexpr int sliding_taps = 3;       // neighbouring taps that share loads of x
constexpr int tap_products_taps = 7;  // most taps of a tap row; a longer kernel row is split into several tap rows

constexpr int depthwise_sizes = 3;  // number of kernel sizes: 3, 5, 7

template <class T>
struct DepthwiseKernels {
    // [stride - 1][number of taps in every run, or 0: TapRun::taps of each run]; null: no such kernel, use 0
    void (*channels[depthwise_strides][depthwise_taps + 1])(const DepthwiseChannels<T>&);
    void (*groups[depthwise_strides])(const DepthwiseChannels<T>&);  // [stride - 1]: groups of several channels
    void (*row_tiles)(const DepthwiseRowTiles<T>&);                  // null if the set lacks registers or Vec::accumulate
    void (*grouped_row_tiles)(const DepthwiseRowTiles<T>&);          // the same for groups of several channels
    void (*tap_products)(const TapProducts<T>&);
    void (*sum_lanes)(const T* vectors, std::int64_t n, T* to);               // to[i]: the sum of the lanes of vector i
    void (*plane_products[depthwise_strides])(const PlaneProducts<T>&);       // [stride - 1]; null without masks
    void (*transposed_planes[transposed_sizes])(const TransposedPlanes<T>&);  // [k - least_transposed_taps]
    // [k / 2 - 1][stride - 1]: kernels with masks (null if the set has none), and kernels of padded planes
    DepthwisePlaneKernels<T> planes[depthwise_sizes][depthwise_strides];
    DepthwisePlaneKernels<T> padded_planes[depthwise_sizes][depthwise_strides];
};

struct DepthwiseTable {
    DepthwiseKernels<float> f32;
    DepthwiseKernels<double> f64;
};

extern const DepthwiseTable depthwise_kernels_baseline, depthwise_kernels_avx2, depthwise_kernels_avx512, depthwise_kernels_neon;

}  // namespace npconv

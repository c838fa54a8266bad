// SPDX-License-Identifier: BSD-3-Clause
// The kernels of depthwise convolution and how they are called. Plain data only, as table.hpp.
#pragma once
#include <cstdint>

#include "kernels/output.hpp"

namespace npconv {

constexpr int depthwise_pixels = 7;   // of a register tile: 7, 14, 28, 56 and 112 are the usual sizes of maps
constexpr int depthwise_taps = 7;     // neighbouring ones that share what is loaded of the input
constexpr int depthwise_strides = 2;  // of pixels, 1 and 2, beside which they do

// Neighbouring taps of a row of the kernel, and the row of the input that they meet for a row of outputs. Places are counted in input
// pixels from the one that the first tap meets for the first output, with steps of `pixel` elements.
struct TapRun {
    std::int64_t x;           // element of that pixel: what it is, if it is in a border, is not read
    std::int64_t begin, end;  // places that are inside the input; the others hold zeros
    std::int64_t w;           // the number of the first tap
    std::int64_t taps;        // 1 to depthwise_taps
};

// A row of outputs.
struct OutputRow {
    std::int64_t first, last;  // its runs of taps are first, ..., last - 1
    std::int64_t begin, end;   // places that are inside for all of them
    std::int64_t index;        // the number of its first pixel in y
};

// lane = channel: a vector of channels of a few pixels of a row at a time, in registers over all taps.
template <class T>
struct DepthwiseChannels {
    const T* x;
    std::int64_t pixel;   // elements between places,
    std::int64_t vector;  //   and between vectors of channels
    const T* w;           // [vector of channels][channel of a group][tap][lanes]
    std::int64_t group;   // channels in and out of a group: 1, or a power of two up to lanes
    std::int64_t taps;    // of the kernel
    const TapRun* tap;
    const OutputRow* row;
    std::int64_t rows;
    std::int64_t pixels;  // of each row
    bool every_tap;       // multiply zeros of the border, too: a weight is not finite
    Output<T> output;
};

// The rows of the input that three rows of taps meet for a few rows of outputs, in one plane of taps.
struct TapPlane {
    std::int64_t x;           // element of the place that the first tap meets for the first output of the first row
    std::int64_t begin, end;  // rows, counted from that one, that are inside the input; the others are left out
    std::int64_t w;           // the number of the first tap
};

// Neighbouring rows of outputs.
struct RowTile {
    std::int64_t first, last;  // its planes of taps are first, ..., last - 1
    std::int64_t rows;         // 1 to depthwise_rows
    std::int64_t index;        // the number of its first pixel in y
};

constexpr int depthwise_rows = 3;

// lane = channel, 3x3 taps with steps of 1: rows of outputs share what is loaded of the input. Weights are finite.
template <class T>
struct DepthwiseRowTiles {
    const T* x;
    std::int64_t pixel, row, vector;  // elements between places, between rows, and between vectors of channels
    const T* w;                       // [vector of channels][channel of a group][tap][lanes]
    std::int64_t group;               // as above
    std::int64_t taps;                // of the kernel
    std::int64_t begin, end;          // places, counted from the first output's first tap, that are inside; the others are left out
    const TapPlane* plane;
    const RowTile* tile;
    std::int64_t tiles;
    std::int64_t pixels;  // of a row of outputs
    Output<T> output;
};

// Depthwise convolution of planes, channels first, k x k taps (3, 5, 7), both strides the same (1, 2):
//   y[c][i][j] = epilogue(start[c][i][j] + sum over t, s < k of w[c][t][s] * x[c][first_row + stride * i + t][first_column + stride * j +
//   s])
// with zeros for start, unless the kernel is of continued sums.
// Rows outside 0 .. input_rows - 1 are zeros that are not read. So are columns outside 0 .. input_columns - 1, but not for the kernels of
// padded planes: these read what stands there, as far as whole vectors of output reach and stride - 1 more. The sum is one in the order of
// the taps. y must not overlap x; it may be the residual. Of the output, the stride of y and of the residual are between channels.
template <class T>
struct DepthwisePlanes {
    const T* x;  // row 0, column 0 of channel 0
    std::int64_t x_channel, x_row;
    const T* w;  // [k][k] of each channel, finite
    std::int64_t w_channel;
    std::int64_t input_rows, input_columns;
    std::int64_t first_row, first_column;  // of the first tap; negative by the padding
    std::int64_t rows, columns;            // of the output
    std::int64_t y_row, residual_row;
    const T* start;  // what continued sums begin with; it may be y
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
// What is outside x counts as zeros and is not read. The weights are finite.
template <class T>
struct TransposedPlanes {
    const T* x;  // row input_begin, column 0 of channel 0
    std::int64_t x_channel, x_row;
    std::int64_t input_begin, input_end;  // rows that are there: all that y meets, or as many as there are
    std::int64_t input_columns;
    const T* w;  // the taps of each channel in reverse order, as those of phases are
    std::int64_t w_channel;
    std::int64_t begin, end, columns;  // of y; rows are dense
    std::int64_t top, left;
    Output<T> output;  // y: row `begin` of channel 0, with the stride between channels; without residual
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
    const std::int64_t* offset;  // of the first tap of each row of taps, in x;
    std::int64_t tap_rows;
    std::int64_t tap;       //   elements between neighbouring taps of a row,
    int taps;               //   of which it has so many: 1 to tap_products_taps
    std::int64_t group;     // channels of it: 1, or a power of two up to lanes
    int channels;           // of g that are there, at most lanes
    T* sums;                // [tap row][tap][channel of a group][lanes],
    std::int64_t sum_step;  //   elements between taps
};

constexpr int plane_taps = 3;

// The gradient of 3x3 weights of one channel, lane = pixel: row r and tap row t meet row r + t - top of x, columns likewise; of several
// planes.
//   sums[t][s][j % lanes] += sum over r and j of g[r][j] * x[stride * r + t - top][stride * j + s - left], of rows and columns that there
//   are
// Where g has no row, zeros meet x: a value of it that is not finite makes NaN of all.
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

constexpr int sliding_taps = 3;       // neighbouring ones that share what is loaded of x
constexpr int tap_products_taps = 7;  // of longer rows so many at a time, as rows of their own

constexpr int depthwise_sizes = 3;  // of the taps: 3, 5, 7

template <class T>
struct DepthwiseKernels {
    // [stride - 1][taps of every run of taps, or 0: each says how many]; null where it has no kernel of its own
    void (*channels[depthwise_strides][depthwise_taps + 1])(const DepthwiseChannels<T>&);
    void (*groups[depthwise_strides])(const DepthwiseChannels<T>&);  // [stride - 1]: of several channels
    void (*row_tiles)(const DepthwiseRowTiles<T>&);                  // null where a set lacks registers or Vec::accumulate,
    void (*grouped_row_tiles)(const DepthwiseRowTiles<T>&);          //   as is that of groups of several channels
    void (*tap_products)(const TapProducts<T>&);
    void (*sum_lanes)(const T* vectors, std::int64_t n, T* to);               // of each of n vectors
    void (*plane_products[depthwise_strides])(const PlaneProducts<T>&);       // [stride - 1]; null without masks
    void (*transposed_planes[transposed_sizes])(const TransposedPlanes<T>&);  // [k - least_transposed_taps]
    // [k / 2 - 1][stride - 1], with masks (null if the set has none), and of padded planes
    DepthwisePlaneKernels<T> planes[depthwise_sizes][depthwise_strides];
    DepthwisePlaneKernels<T> padded_planes[depthwise_sizes][depthwise_strides];
};

struct DepthwiseTable {
    DepthwiseKernels<float> f32;
    DepthwiseKernels<double> f64;
};

extern const DepthwiseTable depthwise_kernels_baseline, depthwise_kernels_avx2, depthwise_kernels_avx512, depthwise_kernels_neon;

}  // namespace npconv

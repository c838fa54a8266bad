// SPDX-License-Identifier: BSD-3-Clause
// What a kernel set tells about itself and how it is called. Plain data only: this header is seen by translation units that are compiled
// for different instruction sets, so it must not define a function (the linker would keep one copy, perhaps the AVX-512 one).
#pragma once
#include <cstdint>

#include "kernels/pool_table.hpp"
#include "kernels/winograd_table.hpp"

namespace npconv {

enum class Activation : int { none, clip, leaky_relu, sigmoid, tanh, silu, hardswish, gelu, gelu_tanh };

// A run of `length` consecutive values of k (input channels of one tap): the input of the first stands `offset` elements after the
// pixel's own place, each next one k_stride further; their weights begin with row `k` of the packed panel.
struct Segment {
    std::int64_t offset;
    std::int64_t k;
    std::int64_t length;
};

// Where finished sums go: y = activation(sum + bias + residual). The residual is laid out as y, with strides of its own.
template <class T>
struct Output {
    T* y;
    std::int64_t y_stride;  // channels last: between pixels; channels first: between channels. The other stride is 1
    const T* bias;          // [channels], or null
    const T* residual;      // or null
    std::int64_t residual_stride;
    std::int64_t channels;  // that count; the vectors of a tile may hold more
    Activation activation;
    T a, b;  // clip: limits; leaky_relu: a is the slope
};

// Register tiles of the GEMM, summed over the segments in order. The order of the sum is that of k, whatever the tile and the lanes:
// results do not depend on them.
//   lane = channel: mr pixels x nv vectors of channels   at, index: [mr], of pixels        w [k][nv * lanes]   sums [index][nv * lanes]
//   lane = pixel:   mr channels x nv vectors of pixels   at, index, count, slot: [nv]      w [k][mr]           sums [slot][mr][lanes]
template <class T>
struct GemmTile {
    const T* x;
    const std::int64_t* at;     // element offsets of the tile's pixels, or of the first pixels of its vectors
    const std::int64_t* index;  // which pixels they are: their number in y
    const std::int64_t* count;  // lane = pixel: pixels of each vector that count; the others are read, too, and not stored
    const std::int64_t* slot;   // lane = pixel: numbers of the vectors in `sums`
    const Segment* segment;
    std::int64_t segments;
    std::int64_t k_stride;
    const T* w;
    std::int64_t tiles = 1;  // lane = channel: so many register tiles, one after the other in `at` and `index`
    const T* next_w;         //   weights of later ones, from which so many vectors are fetched with each step of k:
    int next_lines;          //   0, 1, 2 or 4,
    int lines_left;          //   until these are fetched for all steps
    T* sums;
    bool accumulate;          // add to `sums`: a long sum is one of blocks, each of which begins at zero, so that its error stays small
    const Output<T>* output;  // null: the sums go back to `sums`
};

// Sums [pixels][stride] of neighbouring pixels -> output.
template <class T>
struct PixelSums {
    const T* sums;
    std::int64_t stride;
    std::int64_t pixels;
    Output<T> output;
};

// to[place[k] * to_stride + r] = from[r * from_stride + k] for r < width <= lanes and k < columns; rows beyond `rows` are zero.
template <class T>
struct PackedRows {
    const T* from;
    std::int64_t from_stride;
    std::int64_t rows;
    std::int64_t width;
    std::int64_t columns;
    const std::int64_t* place;
    T* to;
    std::int64_t to_stride;
};

// Depthwise convolution of planes, channels first, k x k taps (3, 5, 7), both strides the same (1, 2):
//   y[c][i][j] = epilogue(sum over t, s < k of w[c][t][s] * x[c][first_row + stride * i + t][first_column + stride * j + s])
// Rows outside 0 .. input_rows - 1 are zeros that are not read. So are columns outside 0 .. input_columns - 1, but not for the kernels of
// padded rows: these read what stands there, as far as whole vectors of output reach and stride - 1 more. The sum is one in the order of
// the taps. y must not overlap x; it may be the residual. Of the output, the stride of y and of the residual are between channels.
template <class T>
struct DepthwiseRows {
    const T* x;  // row 0, column 0 of channel 0
    std::int64_t x_channel, x_row;
    const T* w;  // [channels][k][k], finite
    std::int64_t input_rows, input_columns;
    std::int64_t first_row, first_column;  // of the first tap; negative by the padding
    std::int64_t rows, columns;            // of the output
    std::int64_t y_row, residual_row;
    Output<T> output;
};

constexpr int depthwise_sizes = 3;  // of the taps: 3, 5, 7

constexpr int max_mr = 8;
constexpr int max_nv = 4;

template <class T>
struct Kernels {
    int lanes;                                                 // elements of a vector
    int nv;                                                    // lane = channel: vectors of the widest register tile,
    int mr[max_nv];                                            //   and pixels of that of each width
    int pixel_mr, pixel_nv;                                    // lane = pixel: channels and vectors of the largest register tile
    void (*channel_tile[max_nv][max_mr])(const GemmTile<T>&);  // [vectors - 1][pixels - 1]
    void (*pixel_tile[max_nv][max_mr])(const GemmTile<T>&);    // [vectors - 1][channels - 1]
    void (*transpose_sums)(const PixelSums<T>&);               // to channels first
    void (*finish_sums)(const PixelSums<T>&);                  // to channels last
    T (*pack_vectors)(const PackedRows<T>&);                   // the largest magnitude, NaN if a value is
    void (*copy_every)(const T* from, std::int64_t step, std::int64_t n, T* to);  // to[i] = from[i * step], i < n
    // [k / 2 - 1][stride - 1], with masks (null if the set has none) and of padded rows
    void (*depthwise_rows[depthwise_sizes][2])(const DepthwiseRows<T>&);
    void (*depthwise_padded_rows[depthwise_sizes][2])(const DepthwiseRows<T>&);
};

struct KernelTable {
    const char* isa;          // the name that NPCONV_ISA takes
    const char* description;  // the features it needs
    int vector_bytes;
    Kernels<float> f32;
    Kernels<double> f64;
    WinogradKernels<float> winograd_f32;
    WinogradKernels<double> winograd_f64;
    PoolKernels<float> pool_f32;
    PoolKernels<double> pool_f64;
    PoolKernels<std::int8_t> pool_i8;
    PoolKernels<std::uint8_t> pool_u8;
    PoolKernels<std::int16_t> pool_i16;
    PoolKernels<std::int32_t> pool_i32;
    PoolKernels<std::int64_t> pool_i64;
};

extern const KernelTable kernels_baseline, kernels_avx2, kernels_avx512, kernels_neon;

}  // namespace npconv

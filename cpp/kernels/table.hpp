// SPDX-License-Identifier: BSD-3-Clause
// What a kernel set tells about itself and how it is called. Plain data only: this header is seen by translation units that are compiled
// for different instruction sets, so it must not define a function (the linker would keep one copy, perhaps the AVX-512 one).
#pragma once
#include <cstdint>

namespace npconv {

enum class Activation : int { none, clip, leaky_relu, sigmoid, tanh, silu, hardswish, gelu, gelu_tanh };

// A run of `length` consecutive values of k (input channels of one tap): the input of the first stands `offset` elements after the
// pixel's own place, each next one k_stride further.
struct Segment {
    std::int64_t offset;
    std::int64_t length;
};

// One register tile of the GEMM: mr pixels x (nv vectors of output channels), summed over the segments in order.
//     acc[i][j] (+)= sum over k of x[pixel[i] + offset(k)] * w[k][j]
// The order of the sum is that of k, whatever the tile: results do not depend on the tiling.
template <class T>
struct GemmTile {
    const T* x;
    const std::int64_t* pixel;  // [mr] element offsets of the tile's pixels
    const Segment* segment;
    std::int64_t segments;
    std::int64_t k_stride;
    const T* w;  // [k][nv * lanes]
    T* acc;      // [mr][nv * lanes]
    bool accumulate;
};

// y = activation(acc + bias + residual) for a panel of accumulators: [pixels][stride], of which `channels` columns count.
// Channels last: a pixel's channels are contiguous, pixels y_stride apart. Channels first: a channel's pixels are contiguous, channels
// y_stride apart.
template <class T>
struct FinishPanel {
    const T* acc;
    std::int64_t acc_stride;
    std::int64_t pixels;
    std::int64_t channels;
    T* y;
    std::int64_t y_stride;
    const T* bias;      // [channels], or null
    const T* residual;  // laid out as y, or null
    std::int64_t residual_stride;
    Activation activation;
    T a, b;  // clip: limits; leaky_relu: a is the slope
};

constexpr int max_mr = 8;
constexpr int max_nv = 4;

template <class T>
struct Kernels {
    int lanes;                                         // elements of a vector
    int mr;                                            // pixels of the largest register tile
    int nv;                                            // vectors of output channels of the largest register tile
    void (*gemm[max_mr][max_nv])(const GemmTile<T>&);  // [pixels - 1][vectors - 1]
    void (*finish_channels_last)(const FinishPanel<T>&);
    void (*finish_channels_first)(const FinishPanel<T>&);
};

struct KernelTable {
    const char* isa;          // the name that NPCONV_ISA takes
    const char* description;  // the features it needs
    int vector_bytes;
    Kernels<float> f32;
    Kernels<double> f64;
};

extern const KernelTable kernels_baseline, kernels_avx2, kernels_avx512, kernels_neon;

}  // namespace npconv

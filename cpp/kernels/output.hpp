// SPDX-License-Identifier: BSD-3-Clause
// The end of every kernel of a convolution: where sums go, and what becomes of them. Plain data only, as table.hpp.
#pragma once
#include <cstdint>

namespace npconv {

enum class Activation : int { none, clip, leaky_relu, sigmoid, tanh, silu, hardswish, gelu, gelu_tanh };

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

// Sums [pixels][stride] of neighbouring pixels -> output.
template <class T>
struct PixelSums {
    const T* sums;
    std::int64_t stride;
    std::int64_t pixels;
    Output<T> output;
};

}  // namespace npconv

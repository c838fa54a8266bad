// SPDX-License-Identifier: BSD-3-Clause
// The epilogue arguments of every convolution kernel. Plain data only, as table.hpp.
#pragma once
#include <cstdint>

namespace npconv {

enum class Activation : int { none, clip, leaky_relu, sigmoid, tanh, silu, hardswish, gelu, gelu_tanh };

// The destination of finished sums: y = activation(sum + bias + residual). The residual has the layout of y, with its own stride.
template <class T>
struct Output {
    T* y;
    std::int64_t y_stride;  // channels last: between pixels; channels first: between channels. The other stride is 1
    const T* bias;          // [channels], or null
    const T* residual;      // or null
    std::int64_t residual_stride;
    std::int64_t channels;  // channels to store; the vectors of a tile may hold more
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

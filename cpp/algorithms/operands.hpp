// SPDX-License-Identifier: BSD-3-Clause
// The arrays that a run of any algorithm reads and writes.
#pragma once
#include "core/types.hpp"

namespace npconv {

template <class T>
struct OperandsOf {
    TensorView<const T> x;
    const T* w = nullptr;                  // packed
    const AnyView* raw_weights = nullptr;  // or not packed: see run_gemm
    bool finite_weights = false;           // known to be finite; raw weights: assumed. Zeros of a border are then left out
    double largest_weight = 0.0;           // magnitude, of packed weights
    const T* bias = nullptr;               // contiguous, or null
    TensorView<const T> residual;          // data == nullptr: none
    TensorView<const T> grad;              // gradient in the weights: the gradient of the convolution's result
    T* y = nullptr;                        // dense in the problem's layout within an image
    std::int64_t y_batch = 0;              // elements between images
    std::int64_t y_channels = 0;           // channels of a pixel of y, if y has more than the problem; else 0

    std::int64_t channels_of_y(std::int64_t of_problem) const { return y_channels > 0 ? y_channels : of_problem; }
};

// Operands at interfaces. The problem tells the types of x, w and y.
using Operands = OperandsOf<void>;

template <class T>
OperandsOf<T> typed(const Operands& io) {
    OperandsOf<T> of;
    of.x = typed<T>(io.x);
    of.w = static_cast<const T*>(io.w);
    of.raw_weights = io.raw_weights;
    of.finite_weights = io.finite_weights;
    of.largest_weight = io.largest_weight;
    of.bias = static_cast<const T*>(io.bias);
    of.residual = typed<T>(io.residual);
    of.grad = typed<T>(io.grad);
    of.y = static_cast<T*>(io.y);
    of.y_batch = io.y_batch;
    of.y_channels = io.y_channels;
    return of;
}

// The destination of a block of a result that other code processes: [pixel][channel] or [channel][pixel], depending on the lane.
struct ResultBlock {
    void* values = nullptr;   // null: to the output
    std::int64_t stride = 0;  // elements between pixels, or between channels
};

}  // namespace npconv

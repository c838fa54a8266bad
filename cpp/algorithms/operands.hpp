// SPDX-License-Identifier: BSD-3-Clause
// What a run reads and writes, whatever the algorithm.
#pragma once
#include "core/types.hpp"

namespace npconv {

template <class T>
struct Operands {
    TensorView<const T> x;
    const T* w = nullptr;                              // packed
    const TensorView<const T>* raw_weights = nullptr;  // or not: see run_gemm
    bool finite_weights = false;                       // known to be, or of raw ones taken to be: zeros of a border are left out
    double largest_weight = 0.0;                       // magnitude, of packed ones
    const T* bias = nullptr;                           // contiguous, or null
    TensorView<const T> residual;                      // data null: none
    T* y = nullptr;                                    // dense in the problem's layout within an image
    std::int64_t y_batch = 0;                          // elements between images
    std::int64_t y_channels = 0;                       // of a pixel of y, if they are more than the problem's

    std::int64_t channels_of_y(std::int64_t of_problem) const { return y_channels > 0 ? y_channels : of_problem; }
};

}  // namespace npconv

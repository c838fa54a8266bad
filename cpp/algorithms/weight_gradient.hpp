// SPDX-License-Identifier: BSD-3-Clause
// The gradient of a convolution in its weights.
#pragma once
#include <cstdint>

#include "core/types.hpp"
#include "plan/executions.hpp"

namespace npconv {

template <class T>
struct WeightGradientOperands {
    TensorView<const T> x;     // the input of the convolution
    TensorView<const T> grad;  // of the shape of its output
    T* out = nullptr;          // [output channel][input channel of a group][tap], dense
};

// Of a problem that is the convolution; its activation counts for nothing.
template <class T>
void run_weight_gradient(const WeightGradientExecution& execution, const WeightGradientOperands<T>& operands, int threads);

// Everything that it allocates; for a free batch the most that this one may.
std::int64_t weight_gradient_workspace_bytes(const WeightGradientExecution& execution, int threads);

}  // namespace npconv

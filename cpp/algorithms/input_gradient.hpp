// SPDX-License-Identifier: BSD-3-Clause
// The gradient of a convolution in its input: the transposed convolution with the same weights. If the border repeats elements of the
// input, its gradient is added to these elements: strips of the border are computed as results of their own and added one after the other.
#pragma once
#include <string>

#include "algorithms/plan.hpp"

namespace npconv {

// forward: the convolution; its activation is ignored. x of the operands is the gradient of the result, y that of the input. The weights
// are copied.
Planned<PlannedOperation> planned_input_gradient(const Problem& forward, const Context& on, const std::string& algorithm,
                                                 const WeightsView& weights, int threads);

// A plain call: decides, packs and runs. Sets w of the operands. If a border repeats elements, all weights are packed at once, else as in
// transpose_once.
void input_gradient_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights,
                         const Operands& operands, int threads);

}  // namespace npconv

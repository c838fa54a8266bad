// SPDX-License-Identifier: BSD-3-Clause
// The gradient of a convolution in its input: the transposed convolution with the same weights. Where the border is not of zeros, what it
// would get goes back to the elements that it repeats: strips of the border are computed as results of their own and added, one after the
// other.
#pragma once
#include <string>

#include "algorithms/plan.hpp"

namespace npconv {

// The convolution whose gradient it is; its activation counts for nothing. x of the operands is the gradient of the result, y that of the
// input. The weights are copied.
Planned<PlannedOperation> planned_input_gradient(const Problem& forward, const Context& on, const std::string& algorithm,
                                                 const WeightsView& weights, int threads);

// A plain call: decides, packs and runs. w of the operands is filled in. All weights are packed at once where a border repeats elements,
// else as transpose_once does it.
void input_gradient_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights,
                         const Operands& operands, int threads);

}  // namespace npconv

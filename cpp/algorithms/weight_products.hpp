// SPDX-License-Identifier: BSD-3-Clause
// The gradient of weights as a matrix product of the input and the gradient of the result.
#pragma once
#include "algorithms/operands.hpp"
#include "plan/executions.hpp"

namespace npconv {

// turned: x and grad of the operands have changed places, and so have input and output channels of the result.
void run_weight_products(const Execution<WeightGradientTiling>& execution, const Operands& operands, bool turned, int threads);
std::int64_t weight_products_workspace_bytes(const Execution<WeightGradientTiling>& execution, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradient of depthwise weights, and of weights of groups of a few channels.
#pragma once
#include "algorithms/operands.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Operands: see weight_gradient.hpp.
void run_depthwise_gradient(const Execution<DepthwiseGradientTiling>& execution, const Operands& operands, int threads);
std::int64_t depthwise_gradient_workspace_bytes(const Execution<DepthwiseGradientTiling>& execution, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradient of depthwise weights, and of those of groups of a few channels.
#pragma once
#include "algorithms/weight_gradient.hpp"

namespace npconv {

template <class T>
void run_depthwise_gradient(const Execution<DepthwiseGradientTiling>& execution, const WeightGradientOperands<T>& operands, int threads);
std::int64_t depthwise_gradient_workspace_bytes(const Execution<DepthwiseGradientTiling>& execution, int threads);

}  // namespace npconv

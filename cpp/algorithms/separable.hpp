// SPDX-License-Identifier: BSD-3-Clause
// A depthwise convolution and a 1x1 convolution of its result, block by block: the intermediate result never leaves the caches. The final
// result is that of "depthwise" followed by "gemm", bit by bit.
#pragma once
#include <array>

#include "algorithms/plan.hpp"
#include "plan/separable_tiling.hpp"

namespace npconv {

// Weights of the depthwise and of the pointwise half. Plan::for_shapes takes shapes in the same order.
using SeparableWeights = std::array<WeightsView, 2>;

// The weights are copied. Throws std::invalid_argument if the problem cannot be served. The context must outlive the plan.
Planned<PlannedOperation> planned_separable(const SeparableProblem& problem, const Context& on, const SeparableWeights& weights,
                                            int threads);

// A plain call: packs and runs. With one image it runs in sections of the pointwise output channels (plan/sections.hpp).
void separable_once(const SeparableProblem& problem, const Context& on, const SeparableWeights& weights, const Operands& operands,
                    int threads);

}  // namespace npconv

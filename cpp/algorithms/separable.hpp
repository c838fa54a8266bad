// SPDX-License-Identifier: BSD-3-Clause
// A depthwise convolution and a 1x1 convolution of its result, block by block: the result in between never leaves the caches. It is what
// "depthwise" and then "gemm" give, bit by bit.
#pragma once
#include <array>

#include "algorithms/plan.hpp"
#include "plan/separable_tiling.hpp"

namespace npconv {

// Of the depthwise and the pointwise half, as are the shapes of Plan::for_shapes.
using SeparableWeights = std::array<WeightsView, 2>;

// The weights are copied. std::invalid_argument where the problem cannot be served. The context outlives the plan.
Planned<PlannedOperation> planned_separable(const SeparableProblem& problem, const Context& on, const SeparableWeights& weights,
                                            int threads);

// A plain call: packs and runs, of one image in sections of the pointwise output channels (plan/sections.hpp).
void separable_once(const SeparableProblem& problem, const Context& on, const SeparableWeights& weights, const Operands& operands,
                    int threads);

}  // namespace npconv

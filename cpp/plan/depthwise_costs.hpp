// SPDX-License-Identifier: BSD-3-Clause
// Estimated work of depthwise convolution.
#pragma once
#include "plan/context.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/work.hpp"

namespace npconv {

WorkCounts depthwise_work(const Problem& problem, const Context& on, const DepthwiseTiling& tiling);
WorkCounts depthwise_packing_work(const Problem& problem, const Context& on, const DepthwiseTiling& tiling);

double depthwise_cycles(const Problem& problem, const Context& on, const DepthwiseTiling& tiling);

}  // namespace npconv

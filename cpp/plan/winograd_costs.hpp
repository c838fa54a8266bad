// SPDX-License-Identifier: BSD-3-Clause
// Estimated work of Winograd's convolution: products and transforms, with those of weights that are not prepared; and the work of preparing
// weights.
#pragma once
#include "plan/context.hpp"
#include "plan/winograd_tiling.hpp"
#include "plan/work.hpp"

namespace npconv {

WorkCounts winograd_work(const Problem& problem, const Context& on, const WinogradTiling& tiling);
// A lower bound for a plain call with any tiling.
WorkCounts least_winograd_work(const Problem& problem, const Context& on);
WorkCounts winograd_packing_work(const Problem& problem, const Context& on, const WinogradTiling& tiling);

}  // namespace npconv

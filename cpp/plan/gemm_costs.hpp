// SPDX-License-Identifier: BSD-3-Clause
// Estimated work of a tiling of the GEMM path.
#pragma once
#include <cstdint>

#include "plan/context.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/problem.hpp"
#include "plan/work.hpp"

namespace npconv {

// Cycles of a register tile with lane = channel for one step of k: at least the latency of a product, which binds if sums are few.
double cycles_of_step(double rows, double vectors, double per_cycle);

// Work for all images.
WorkCounts gemm_work(const Problem& problem, const Context& on, const GemmTiling& tiling);
double gemm_cycles(const Problem& problem, const Context& on, const GemmTiling& tiling);

// Values of the copy for a block of pixels and a block of k, with the border that neighbouring blocks copy as well.
double copied_values(const ConvShape& shape, const GemmTiling& tiling);

// Channels first: are the channels of a pixel on more pages than a core translates without a look-up?
bool channels_far_apart(const ConvShape& shape, std::int64_t element_bytes);

// Channels first: do the channels of a pixel fall into too few sets of the first-level cache to stay in it?
bool channels_alias(const ConvShape& shape, std::int64_t channels, std::int64_t element_bytes);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What a tiling of the GEMM path has to do.
#pragma once
#include <cstdint>

#include "plan/context.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/problem.hpp"
#include "plan/work.hpp"

namespace npconv {

// Of a register tile with lane = channel, for one step of k: sums that are few wait for themselves.
double cycles_of_step(double rows, double vectors, double per_cycle);

// For all images.
WorkCounts gemm_work(const Problem& problem, const Context& on, const GemmTiling& tiling);
double gemm_cycles(const Problem& problem, const Context& on, const GemmTiling& tiling);

// Values of a block of k and of pixels, if it is copied: with the border that its neighbours copy, too.
double copied_values(const ConvShape& shape, const GemmTiling& tiling);

// Channels first: do the channels of a pixel stand on more pages of memory than a core keeps at hand?
bool channels_far_apart(const ConvShape& shape, std::int64_t element_bytes);

// Channels first: do the channels of a pixel share fewer sets of the first-level cache than hold them?
bool channels_alias(const ConvShape& shape, std::int64_t channels, std::int64_t element_bytes);

}  // namespace npconv

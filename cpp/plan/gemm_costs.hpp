// SPDX-License-Identifier: BSD-3-Clause
// What a tiling of the GEMM path is estimated to cost.
#pragma once
#include <cstdint>

#include "plan/gemm_tiling.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Estimated cycles of one core for one image: its multiplications, and what the way of the lanes costs beside them.
double gemm_cycles(const Problem& problem, const GemmTiling& tiling);

// Values of a block of k and of pixels, if it is copied: with the border that its neighbours copy, too.
double copied_values(const ConvShape& shape, const GemmTiling& tiling);

// Channels first: do the channels of a pixel stand on more pages of memory than a core keeps at hand?
bool channels_far_apart(const ConvShape& shape, std::int64_t element_bytes);

// Channels first: do the channels of a pixel share fewer sets of the first-level cache than hold them?
bool channels_alias(const ConvShape& shape, std::int64_t channels, std::int64_t element_bytes);

}  // namespace npconv

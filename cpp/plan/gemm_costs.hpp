// SPDX-License-Identifier: BSD-3-Clause
// What the GEMM path is estimated to cost with either meaning of a lane.
#pragma once
#include <cstdint>

#include "plan/problem.hpp"

namespace npconv {

// Estimated cycles of one core for one image: its multiplications, and what the way of the lanes costs beside them.
double gemm_cycles(const Problem& problem, Lane lane);

// Channels first: do the channels of a pixel stand on more pages of memory than a core keeps at hand?
bool channels_far_apart(const ConvShape& shape, std::int64_t element_bytes);

}  // namespace npconv

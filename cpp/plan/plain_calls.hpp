// SPDX-License-Identifier: BSD-3-Clause
// Plain calls decide anew each time, and those of a network come again and again: what was decided for the last few dozen is kept.
#pragma once
#include <string>

#include "plan/planner.hpp"

namespace npconv {

struct PlainChoice {
    Algorithm algorithm = Algorithm::gemm;
    Lane lane = Lane::automatic;            // the problem's, or the one that the GEMM path takes where that leaves it open
    Lane depthwise_lane = Lane::automatic;  // and of depthwise convolution, if it was chosen
};

// As decide() has it, remembered or not. wanted: "auto" or a name; errors are decide()'s.
PlainChoice choose_for_call(const Problem& problem, const std::string& wanted);

// How often a choice was found again, since the start.
std::int64_t choices_found_again();

}  // namespace npconv

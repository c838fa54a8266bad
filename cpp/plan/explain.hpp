// SPDX-License-Identifier: BSD-3-Clause
// A decision in words: what plan.explain() returns.
#pragma once
#include <cstdint>
#include <string>

#include "plan/planner.hpp"
#include "plan/separable_tiling.hpp"

namespace npconv {

struct Footprint {
    int threads;
    std::int64_t workspace_bytes;
    std::int64_t packed_bytes;
};

std::string explain(const Problem& problem, const Decision& decision, const Footprint& footprint);

// The same of a separable convolution, which has one algorithm.
std::string explain_separable(const SeparableProblem& problem, const Footprint& footprint);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// A decision in words: what plan.explain() returns.
#pragma once
#include <cstdint>
#include <string>

#include "plan/planner.hpp"

namespace npconv {

struct Footprint {
    int threads;
    std::int64_t workspace_bytes;
    std::int64_t packed_bytes;
};

std::string explain(const Problem& problem, const Decision& decision, const Footprint& footprint);

}  // namespace npconv

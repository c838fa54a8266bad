// SPDX-License-Identifier: BSD-3-Clause
// A decision in words: what plan.explain() returns.
#pragma once
#include <cstdint>
#include <string>

#include "plan/describe.hpp"
#include "plan/planner.hpp"
#include "plan/separable_tiling.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

std::string explain(const Problem& problem, const Decision& decision, const Footprint& footprint);

// The same of a transposed convolution: of several phases, which are computed in some way, or of one, that has a plan of its own.
struct TransposedDecision {
    const Problem& forward;
    const Phases& phases;
    std::string algorithm, wanted;
    const std::vector<Candidate>& candidates;
};
std::string explain_phases(const TransposedDecision& decision, const TransposedTiling& tiling, const Footprint& footprint);
std::string explain_one_phase(const Problem& forward, const Problem& phase, const Decision& decision, const Footprint& footprint);
std::string explain_transposed_definition(const Problem& forward, const std::string& reason, const Footprint& footprint);

// The same of a separable convolution, which has one algorithm.
std::string explain_separable(const SeparableProblem& problem, const Footprint& footprint);

// The same of the gradient of a convolution in its weights. A free batch is taken as of one image.
std::string explain_weight_gradient(const Problem& problem, const Footprint& footprint);

}  // namespace npconv

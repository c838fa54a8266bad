// SPDX-License-Identifier: BSD-3-Clause
// A decision in words: what plan.explain() returns.
#pragma once
#include <cstdint>
#include <string>

#include "plan/describe.hpp"
#include "plan/executions.hpp"

namespace npconv {

std::string explain(const ConvExecution& execution, const Decision& decision, const Footprint& footprint);

// The same of a transposed convolution: of several phases, which are computed in some way, or of one, that has a plan of its own.
struct TransposedDecision {
    const Problem& forward;
    std::string algorithm, wanted;
    const std::vector<Candidate>& candidates;
};
std::string explain_phases(const TransposedDecision& decision, const PhasesExecution& execution, const Footprint& footprint);
std::string explain_one_phase(const Problem& forward, const ConvExecution& phase, const Decision& decision, const Footprint& footprint);
std::string explain_transposed_definition(const Problem& forward, const std::string& reason, const Footprint& footprint);

// The same of a separable convolution, which has one algorithm.
std::string explain_separable(const SeparableProblem& problem, const SeparableExecution& execution, const Footprint& footprint);

// The same of the gradient of a convolution in its weights. A free batch is taken as of one image.
std::string explain_weight_gradient(const WeightGradientExecution& execution, const Footprint& footprint);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// A decision in words, for plan.explain().
#pragma once
#include <cstdint>
#include <string>

#include "plan/describe.hpp"
#include "plan/executions.hpp"

namespace npconv {

std::string explain(const ConvExecution& execution, const Decision& decision, const Footprint& footprint);

// The same for a transposed convolution: with several phases, or with one phase that has its own plan.
struct TransposedDecision {
    const Problem& forward;
    std::string algorithm, wanted;
    const std::vector<Candidate>& candidates;
};
std::string explain_phases(const TransposedDecision& decision, const PhasesExecution& execution, const Footprint& footprint);
std::string explain_one_phase(const Problem& forward, const ConvExecution& phase, const Decision& decision, const Footprint& footprint);
std::string explain_transposed_definition(const Problem& forward, const std::string& reason, const Footprint& footprint);

// The same for a separable convolution, which has one algorithm.
std::string explain_separable(const SeparableProblem& problem, const SeparableExecution& execution, const Footprint& footprint);

// The same for the gradient of a convolution in its weights. A free batch counts as one image.
std::string explain_weight_gradient(const WeightGradientExecution& execution, const Footprint& footprint);

}  // namespace npconv

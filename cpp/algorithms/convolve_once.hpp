// SPDX-License-Identifier: BSD-3-Clause
// Convolution without a plan: weights are packed for the call alone, as a whole, in sections (plan/sections.hpp) or panel by panel.
#pragma once
#include <optional>
#include <string>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Packs the weights and runs. Sets w of the operands. largest: magnitude of all weights, if w is a section of them.
void pack_and_run(const ConvExecution& execution, const AnyView& w, const Operands& operands, int threads,
                  std::optional<double> largest = {});

// Plans, packs and runs. Sets w and bias of the operands.
void convolve_once(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView& weights,
                   const Operands& operands, int threads);

}  // namespace npconv

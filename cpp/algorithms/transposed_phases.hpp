// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution by phases (plan/transposed_tiling.hpp): each output is computed once, where it stands. Nothing is added to y in
// memory, and no array of the output times the taps is needed.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/plan.hpp"
#include "plan/executions.hpp"

namespace npconv {

// forward: the execution's problem, of all images. parameters: a part for each phase, and the bias of parts.
void run_phases(const PhasesExecution& execution, const Problem& forward, const Parameters& parameters, const Operands& operands,
                int threads);
std::int64_t bytes_of_phases(const PhasesExecution& execution);  // of a thread

}  // namespace npconv

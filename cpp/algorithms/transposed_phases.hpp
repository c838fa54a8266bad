// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution by phases (plan/transposed_tiling.hpp): each output is computed and written once. Nothing is added to y in memory,
// and no array of outputs times taps is needed.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/plan.hpp"
#include "plan/executions.hpp"

namespace npconv {

// forward: the problem of the execution, with all images. parameters: a part for each phase, and the bias of parts.
void run_phases(const PhasesExecution& execution, const Problem& forward, const Parameters& parameters, const Operands& operands,
                int threads);
std::int64_t bytes_of_phases(const PhasesExecution& execution);  // of a thread

}  // namespace npconv

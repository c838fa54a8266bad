// SPDX-License-Identifier: BSD-3-Clause
// A planned convolution by any algorithm. Each algorithm overloads these functions for its execution in a file of its own.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// w of the operands must be packed for the execution.
void convolve(const ConvExecution& execution, const Operands& operands, int threads);

// Bytes that a call allocates, for weights of magnitude largest_weight; for a free batch, at most.
std::int64_t workspace_bytes(const ConvExecution& execution, double largest_weight, int threads);

PackedWeights pack(const ConvExecution& execution, const AnyView& w, int threads);
PackedFormat format_of(const ConvExecution& execution);

}  // namespace npconv

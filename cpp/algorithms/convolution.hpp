// SPDX-License-Identifier: BSD-3-Clause
// A convolution as it was planned, by whichever algorithm: each has the overloads for its execution in a file of its own.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// w of the operands: packed for the execution.
void convolve(const ConvExecution& execution, const Operands& operands, int threads);

// Everything that it allocates, for weights of this magnitude; for a free batch the most that this execution may.
std::int64_t workspace_bytes(const ConvExecution& execution, double largest_weight, int threads);

PackedWeights pack(const ConvExecution& execution, const AnyView& w, int threads);
PackedFormat format_of(const ConvExecution& execution);

}  // namespace npconv

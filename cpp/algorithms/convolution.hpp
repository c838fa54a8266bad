// SPDX-License-Identifier: BSD-3-Clause
// A convolution as it was planned, by whichever algorithm.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "plan/executions.hpp"

namespace npconv {

// w of the operands: packed for the execution. Weights that Winograd's convolution cannot transform are convolved by the GEMM path.
template <class T>
void run_convolution(const ConvExecution& execution, const Operands<T>& operands, int threads);

// Everything that it allocates, for weights of this magnitude; for a free batch the most that this execution may.
std::int64_t convolution_workspace_bytes(const ConvExecution& execution, double largest_weight, int threads);

// Can weights of this magnitude be transformed, where the execution would? The others are packed for the same panels.
bool transforms_weights(const ConvExecution& execution, double largest_weight);

}  // namespace npconv

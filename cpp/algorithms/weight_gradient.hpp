// SPDX-License-Identifier: BSD-3-Clause
// The gradient of a convolution in its weights. Of the operands: x, grad, and y, which is [output channel][input channel of a group][tap].
#pragma once
#include "algorithms/plan.hpp"

namespace npconv {

// Of a problem that is the convolution; its activation counts for nothing. Nothing is packed.
Planned<PlannedOperation> planned_weight_gradient(const Problem& problem, const Context& on);

// Everything that a run allocates; for a free batch the most that this execution may.
std::int64_t workspace_bytes(const WeightGradientExecution& execution, int threads);

// A plain call.
void weight_gradient_once(const Problem& problem, const Context& on, const Operands& operands, int threads);

}  // namespace npconv

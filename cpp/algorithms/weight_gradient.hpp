// SPDX-License-Identifier: BSD-3-Clause
// The gradient of a convolution in its weights. It uses x, grad and y of the operands. y is [output channel][input channel of a
// group][tap].
#pragma once
#include "algorithms/plan.hpp"

namespace npconv {

// problem: the convolution; its activation is ignored. Nothing is packed.
Planned<PlannedOperation> planned_weight_gradient(const Problem& problem, const Context& on);

// Bytes that a run allocates; for a free batch, at most.
std::int64_t workspace_bytes(const WeightGradientExecution& execution, int threads);

// A plain call.
void weight_gradient_once(const Problem& problem, const Context& on, const Operands& operands, int threads);

}  // namespace npconv

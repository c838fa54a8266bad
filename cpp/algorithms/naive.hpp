// SPDX-License-Identifier: BSD-3-Clause
// The definition, in double precision: slow, and the reference for the other algorithms.
#pragma once
#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// The functions that convolution.hpp requires of each algorithm.
void convolve(const NaiveExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const NaiveExecution& execution, double largest_weight, int threads);
PackedWeights pack(const NaiveExecution& execution, const AnyView& w, int threads);
void set_format(const NaiveExecution& execution, PackedFormat& format);

// The transposed convolution. `forward` is the convolution whose adjoint it is: operands.x is the output of that convolution, operands.y
// its input. There is no border around x. Weights as given, [x channel][y channel of a group][tap].
void run_naive_transposed(const Problem& forward, const Context& on, const Operands& operands, int threads);

// The gradient of a convolution in its input, with any border: operands.x is the gradient of its result, operands.y that of its input.
// Weights as in run_naive_transposed.
void run_naive_input_gradient(const Problem& problem, const Context& on, const Operands& operands, int threads);

// The gradient of a convolution in its weights: operands.y is [output channel][input channel of a group][tap].
void run_naive_weight_gradient(const Problem& problem, const Context& on, const Operands& operands, int threads);

}  // namespace npconv

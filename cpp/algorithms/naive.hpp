// SPDX-License-Identifier: BSD-3-Clause
// The definition, in double precision: slow, and what the other algorithms are compared with.
#pragma once
#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// As convolution.hpp asks each algorithm.
void convolve(const NaiveExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const NaiveExecution& execution, double largest_weight, int threads);
PackedWeights pack(const NaiveExecution& execution, const AnyView& w, int threads);
void set_format(const NaiveExecution& execution, PackedFormat& format);

// The transposed convolution whose adjoint the problem describes: operands.x is its output, operands.y its input. Of each output the sum of
// the products that there are: nothing stands beside x. Weights as given, [x channel][y channel of a group][tap].
void run_naive_transposed(const Problem& forward, const Context& on, const Operands& operands, int threads);

// The gradient of a convolution in its input, whatever the border: operands.x is the gradient of its result, operands.y that of its input.
// Weights as run_naive_transposed has them.
void run_naive_input_gradient(const Problem& problem, const Context& on, const Operands& operands, int threads);

// The gradient of a convolution in its weights, operands.y, which are [output channel][input channel of a group][tap].
void run_naive_weight_gradient(const Problem& problem, const Context& on, const Operands& operands, int threads);

}  // namespace npconv

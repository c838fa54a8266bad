// SPDX-License-Identifier: BSD-3-Clause
// The definition, in double precision: slow, and what the other algorithms are compared with.
#pragma once
#include "algorithms/operands.hpp"
#include "algorithms/weight_gradient.hpp"
#include "plan/context.hpp"
#include "plan/problem.hpp"

namespace npconv {

template <class T>
void run_naive(const Problem& problem, const Context& on, const Operands<T>& operands, int threads);

// The transposed convolution whose adjoint the problem describes: operands.x is its output, operands.y its input. Of each output the sum of
// the products that there are: nothing stands beside x. Weights as given, [x channel][y channel of a group][tap].
template <class T>
void run_naive_transposed(const Problem& forward, const Context& on, const Operands<T>& operands, int threads);

// The gradient of a convolution in its input, whatever the border: operands.x is the gradient of its result, operands.y that of its input.
// Weights as run_naive_transposed has them.
template <class T>
void run_naive_input_gradient(const Problem& problem, const Context& on, const Operands<T>& operands, int threads);

// The gradient of a convolution in its weights, which are [output channel][input channel of a group][tap].
template <class T>
void run_naive_weight_gradient(const Problem& problem, const Context& on, const WeightGradientOperands<T>& operands, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The definition, one output at a time in double precision: what the other algorithms are compared with.
#pragma once
#include "algorithms/operands.hpp"
#include "plan/problem.hpp"

namespace npconv {

template <class T>
void run_naive(const Problem& problem, const Operands<T>& operands, int threads);

}  // namespace npconv

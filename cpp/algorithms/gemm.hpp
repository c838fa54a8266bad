// SPDX-License-Identifier: BSD-3-Clause
// Convolution as a matrix product whose left operand is never materialised: read in place, or a block's part of it copied.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Everything that run_gemm allocates; for a free batch the most that it may.
std::int64_t gemm_workspace_bytes(const Problem& problem, int threads);

template <class T>
void run_gemm(const Problem& problem, const Operands<T>& operands, int threads);

}  // namespace npconv

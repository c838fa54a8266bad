// SPDX-License-Identifier: BSD-3-Clause
// Convolution as a matrix product whose left operand is never materialised: read in place, or a block's part of it copied.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Everything that run_gemm allocates; for a free batch the most that it may.
std::int64_t gemm_workspace_bytes(const Problem& problem, int threads);

// May weights be given that are not packed? Each panel is packed where it is used then.
bool gemm_packs_panels(const Problem& problem);

// Returns whether raw weights are all finite. They are taken to be: if they are not, what stands beside a border of zeros is wrong.
template <class T>
bool run_gemm(const Problem& problem, const Operands<T>& operands, int threads);

}  // namespace npconv

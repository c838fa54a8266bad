// SPDX-License-Identifier: BSD-3-Clause
// Winograd's convolution F(m x m, r x r), fused block by block: the input's transform, one matrix product for each point, and the output's
// transform with the epilogue. Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016.
//
// Tiles whose input would spoil their outputs are left to the GEMM path (winograd_judge.hpp).
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "plan/executions.hpp"

namespace npconv {

std::int64_t winograd_workspace_bytes(const WinogradExecution& execution, int threads);

// io.w: packed taps and, if the tiling says so, transformed weights behind them (packed_weights.hpp). All finite.
template <class T>
void run_winograd(const WinogradExecution& execution, const Operands<T>& operands, int threads);

// For tests: tiles that were left to the GEMM path so far, each once for each chunk of output channels; and the checks switched off, to
// measure what they cost.
std::int64_t winograd_fallback_tiles();
void set_winograd_checks(bool on);

}  // namespace npconv

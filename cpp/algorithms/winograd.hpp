// SPDX-License-Identifier: BSD-3-Clause
// Winograd's convolution F(m x m, 3 x 3), fused block by block: the input's transform, one matrix product for each point, and the output's
// transform with the epilogue. Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016.
//
// A tile whose input is not finite, might overflow or underflow, or is so uneven that its largest values would drown its smallest is left
// to the GEMM path. That depends on the tile's input alone, and is known before the products are made.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "plan/problem.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

std::int64_t winograd_workspace_bytes(const Problem& problem, int whole, int threads);

// io.w: packed taps and, if the tiling says so, transformed weights behind them (packed_weights.hpp). All finite.
template <class T>
void run_winograd(const Problem& problem, int whole, const Operands<T>& operands, int threads);

// For tests: tiles that were left to the GEMM path so far, each once for each chunk of output channels; and the checks switched off, to
// measure what they cost.
std::int64_t winograd_fallback_tiles();
void set_winograd_checks(bool on);

}  // namespace npconv

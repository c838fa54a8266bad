// SPDX-License-Identifier: BSD-3-Clause
// Winograd's convolution F(m x m, r x r), fused block by block: the input's transform, one matrix product for each point, and the output's
// transform with the epilogue. Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016.
//
// Tiles whose input would spoil their outputs are left to the GEMM path (winograd_judge.hpp).
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// As convolution.hpp asks each algorithm. Weights that cannot be transformed are convolved by the GEMM path.
void convolve(const WinogradExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const WinogradExecution& execution, double largest_weight, int threads);
PackedWeights pack(const WinogradExecution& execution, const AnyView& w, int threads);
void set_format(const WinogradExecution& execution, PackedFormat& format);

// Weights that are not finite would reach too far through a transform, very large ones overflow in it, and very small ones underflow.
bool transforms_weights(const WinogradExecution& execution, double largest_weight);

// For tests: tiles that were left to the GEMM path so far, each once for each chunk of output channels; and the checks switched off, to
// measure what they cost.
std::int64_t winograd_fallback_tiles();
void set_winograd_checks(bool on);

}  // namespace npconv

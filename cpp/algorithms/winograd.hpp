// SPDX-License-Identifier: BSD-3-Clause
// Winograd's convolution F(m x m, r x r), fused block by block: the input's transform, one matrix product for each point, and the output's
// transform with the epilogue. Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016.
//
// Tiles whose input would make their outputs inaccurate are left to the GEMM path (winograd_judge.hpp).
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// The functions that convolution.hpp requires. If the weights cannot be transformed, the GEMM path computes everything.
void convolve(const WinogradExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const WinogradExecution& execution, double largest_weight, int threads);
PackedWeights pack(const WinogradExecution& execution, const AnyView& w, int threads);
void set_format(const WinogradExecution& execution, PackedFormat& format);

// Can weights of this magnitude be transformed? A transform would spread weights that are not finite to other outputs, overflow with very
// large weights and underflow with very small ones.
bool transforms_weights(const WinogradExecution& execution, double largest_weight);

// For tests: the number of tiles left to the GEMM path so far, counted once for each chunk of output channels; and a switch of the checks,
// to measure their cost.
std::int64_t winograd_fallback_tiles();
void set_winograd_checks(bool on);

}  // namespace npconv

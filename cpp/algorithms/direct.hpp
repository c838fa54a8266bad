// SPDX-License-Identifier: BSD-3-Clause
// Direct convolution, lane = pixel, for groups with few output channels: plan/direct_tiling.hpp, kernels/direct.inl.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// The functions that convolution.hpp requires of each algorithm.
void convolve(const DirectExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const DirectExecution& execution, double largest_weight, int threads);
PackedWeights pack(const DirectExecution& execution, const AnyView& w, int threads);
void set_format(const DirectExecution& execution, PackedFormat& format);

}  // namespace npconv

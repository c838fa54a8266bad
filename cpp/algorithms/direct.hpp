// SPDX-License-Identifier: BSD-3-Clause
// Convolution with a lane a pixel, for few output channels of a group: plan/direct_tiling.hpp, kernels/direct.inl.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "core/buffer.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Everything that run_direct allocates; for a free batch the most that this one may.
std::int64_t direct_workspace_bytes(const DirectExecution& execution, int threads);

template <class T>
void run_direct(const DirectExecution& execution, const Operands<T>& operands, int threads);

// [group][input channel][tap of the depth][tap row, by phase][tap column][output channel]
std::int64_t direct_packed_elements(const ConvShape& shape);
// Returns the largest magnitude of a weight, NaN if one is.
template <class T>
T pack_direct_weights(const Problem& problem, const TensorView<const T>& w, T* to);

}  // namespace npconv

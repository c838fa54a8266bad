// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution of planes, channels first, lane = pixel.
#pragma once
#include "algorithms/depthwise.hpp"

namespace npconv {

// slots: threads that can have a task at the same time.
void run_depthwise_planes(const DepthwiseExecution& execution, const Operands& operands, int threads, int slots);
std::unique_ptr<const DepthwiseBlocks> depthwise_plane_blocks(const DepthwiseExecution& execution, const Operands& operands, int threads);
std::int64_t bytes_of_depthwise_planes(const DepthwiseExecution& execution);  // of a thread

}  // namespace npconv

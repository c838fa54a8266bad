// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution, and convolution with groups of a few channels.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// The functions that convolution.hpp requires of each algorithm.
void convolve(const DepthwiseExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const DepthwiseExecution& execution, double largest_weight, int threads);
PackedWeights pack(const DepthwiseExecution& execution, const AnyView& w, int threads);
void set_format(const DepthwiseExecution& execution, PackedFormat& format);

// Computes a result block by block, with all channels, for code that processes each block: [pixel][channel] with lane = channel,
// [channel][pixel] with lane = pixel. The execution must be one of blocks, and must outlive the object.
class DepthwiseBlocks {
  public:
    virtual ~DepthwiseBlocks() = default;
    virtual void compute(const Box& pixels, std::int64_t image, const ResultBlock& to, int thread) const = 0;
};
std::unique_ptr<const DepthwiseBlocks> depthwise_blocks(const DepthwiseExecution& execution, const Operands& operands, int threads);
std::int64_t bytes_of_depthwise_blocks(const DepthwiseExecution& execution);  // of a thread

}  // namespace npconv

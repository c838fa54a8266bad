// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution, and that of groups of a few channels.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/block_of.hpp"
#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Everything that run_depthwise allocates; for a free batch the most that this one may.
std::int64_t depthwise_workspace_bytes(const DepthwiseExecution& execution, int threads);

template <class T>
void run_depthwise(const DepthwiseExecution& execution, const Operands<T>& operands, int threads);

// A block of pixels of a result at a time, with all channels, for what goes on with it. The execution, one of blocks, outlives this.
template <class T>
class DepthwiseBlocks {
  public:
    DepthwiseBlocks(const DepthwiseExecution& execution, const Operands<T>& operands, int threads);
    ~DepthwiseBlocks();
    void compute(const Box& pixels, std::int64_t image, const BlockOf<T>& to, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};
std::int64_t depthwise_blocks_bytes(const DepthwiseExecution& execution);  // of a thread

// As packed_weights.hpp has it.
template <class T>
PackedWeights pack_depthwise(const DepthwiseExecution& execution, const TensorView<const T>& w);

}  // namespace npconv

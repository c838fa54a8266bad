// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution, and that of groups of a few channels.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/block_of.hpp"
#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Everything that run_depthwise allocates; for a free batch the most that it may.
std::int64_t depthwise_workspace_bytes(const Problem& problem, int threads);

template <class T>
void run_depthwise(const Problem& problem, const Operands<T>& operands, int threads);

// A block of pixels of a result at a time, with all channels, for what goes on with it. The tiling is one of tile_depthwise_blocks.
template <class T>
class DepthwiseBlocks {
  public:
    DepthwiseBlocks(const Problem& problem, const Operands<T>& operands, const DepthwiseTiling& tiling, int threads);
    ~DepthwiseBlocks();
    void compute(const Box& pixels, std::int64_t image, const BlockOf<T>& to, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};
std::int64_t depthwise_blocks_bytes(const Problem& problem, const DepthwiseTiling& tiling);  // of a thread

// As packed_weights.hpp has it.
template <class T>
PackedWeights pack_depthwise(const Problem& problem, const TensorView<const T>& w);

}  // namespace npconv

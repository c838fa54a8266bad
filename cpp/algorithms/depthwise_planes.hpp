// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution with lane = pixel: of planes, channels first.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/block_of.hpp"
#include "algorithms/operands.hpp"
#include "plan/executions.hpp"

namespace npconv {

std::int64_t depthwise_planes_bytes(const DepthwiseExecution& execution);  // of a thread

// slots: threads that can have a task at the same time.
template <class T>
void run_depthwise_planes(const DepthwiseExecution& execution, const Operands<T>& operands, int threads, int slots);

// As DepthwiseBlocks.
template <class T>
class DepthwisePlaneBlocks {
  public:
    DepthwisePlaneBlocks(const DepthwiseExecution& execution, const Operands<T>& operands, int threads);
    ~DepthwisePlaneBlocks();
    void compute(const Box& pixels, std::int64_t image, const BlockOf<T>& to, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// A pooling with all that is decided of it, for many calls: nothing is tiled when it runs. Immutable, so that it may be run from several
// threads at once.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "algorithms/pooling.hpp"

namespace npconv {

class PoolPlan {
  public:
    // A free batch is 1 in the shape, and any in a call.
    PoolPlan(const PoolShape& shape, bool free_batch, const PoolRule& rule, DType dtype, Layout layout, const KernelTable& kernels);

    // Of the plan's element type. batch: the plan's, or that of this call. The places are asked for as the rule says.
    template <class X>
    void run(std::int64_t batch, const PoolOperands<X>& operands, int threads) const;

    // Comparisons, additions or powers of the definition: one for each tap of each window. At most 2^63 - 1 are told.
    std::int64_t operations() const;
    std::string algorithm() const;
    // All that a call allocates beside its results; for a free batch the most that it may.
    std::int64_t workspace_bytes(int threads) const;
    std::string explain(int threads) const;

  private:
    const PoolDecision& usual() const { return decisions_[1]; }
    bool empty() const { return shape_.empty(); }

    PoolShape shape_;
    bool free_batch_;
    PoolRule rule_;
    DType dtype_;
    Layout layout_;
    const KernelTable* kernels_;
    std::array<PoolDecision, 2> decisions_;  // of an x without neighbours side by side, and with them
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Limits of the tiling for a scope, and random small ones: small problems are cut as large ones are.
#pragma once
#include "compare.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv::test {

class LimitsScope {
  public:
    explicit LimitsScope(const TilingLimits& wanted) : before_(tiling_limits()) { set_tiling_limits(wanted); }
    ~LimitsScope() { set_tiling_limits(before_); }
    LimitsScope(const LimitsScope&) = delete;
    LimitsScope& operator=(const LimitsScope&) = delete;

  private:
    TilingLimits before_;
};

// Only the order of the sum stays what it is, so that results must stay the same bit by bit.
inline TilingLimits other_tiles(Random& random) {
    TilingLimits limits = tiling_limits();
    limits.pixels_of_block = random.integer(1, 40);
    limits.pixel_lanes_of_block = random.integer(1, 100);
    limits.larger_block = random.integer(1, 4);
    limits.widest_tile = random.integer(1, max_nv);
    limits.channels_of_chunk = random.integer(1, 80);
    limits.enough_tasks = random.integer(1, 40);
    limits.products_of_copy = random.integer(0, 200);
    limits.often_used = limits.used_from_afar = limits.used_aliased = random.integer(0, 40);
    limits.larger_copy = random.integer(1, 8);
    limits.bytes_of_copy = random.integer(0, 100'000);
    limits.bytes_of_weights = random.integer(1, 20'000);
    limits.macs_of_region = 0;
    return limits;
}

inline TilingLimits small_limits(Random& random) {
    TilingLimits limits = other_tiles(random);
    limits.k_of_block = random.integer(1, 60);
    limits.taps_of_block = random.integer(1, 30);
    return limits;
}

}  // namespace npconv::test

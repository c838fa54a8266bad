// SPDX-License-Identifier: BSD-3-Clause
// What the blocks of a tiling are cut to keep in the caches of a core while they are used again and again. What is not counted streams.
#pragma once
#include <cstdint>

namespace npconv {

struct CacheUse {
    std::int64_t l1 = 0, l2 = 0;  // bytes, at most
};

}  // namespace npconv

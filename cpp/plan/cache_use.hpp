// SPDX-License-Identifier: BSD-3-Clause
// The data of a block that a tiling keeps in the caches of a core for reuse. Data that is not counted streams through them.
#pragma once
#include <cstdint>

namespace npconv {

struct CacheUse {
    std::int64_t l1 = 0, l2 = 0;  // bytes, at most
};

}  // namespace npconv

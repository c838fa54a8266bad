// SPDX-License-Identifier: BSD-3-Clause
// Where a block of a depthwise result goes that other code goes on with: [pixel][channel] with lane = channel, [channel][pixel] with lane =
// pixel.
#pragma once
#include <cstdint>

namespace npconv {

template <class T>
struct BlockOf {
    T* values = nullptr;      // null: to the output
    std::int64_t stride = 0;  // between pixels, or between channels
};

}  // namespace npconv

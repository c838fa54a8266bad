// SPDX-License-Identifier: BSD-3-Clause
// Runs of pixels for kernels that want them side by side: where they stand, if they do, else a copy. Results do not depend on which.
#pragma once
#include <array>
#include <cstdint>

#include "core/pool_shape.hpp"

namespace npconv {

// The pixels of an image in order, of `channels` channels each that are `channel` apart.
template <class X>
struct Pixels {
    const X* x;
    std::array<std::int64_t, 3> step;
    std::int64_t channel;
    std::int64_t height, width;

    Pixels(const PoolShape& s, const X* data, const std::array<std::int64_t, 3>& strides, std::int64_t channel_step)
        : x(data), step(strides), channel(channel_step), height(s.axis[1].input), width(s.axis[2].input) {}

    const X* at(std::int64_t p) const { return x + p / width / height * step[0] + p / width % height * step[1] + p % width * step[2]; }

    // to[i * channels + c] = channel c of pixel begin + i
    void copy(std::int64_t begin, std::int64_t n, std::int64_t channels, X* to) const {
        for (std::int64_t i = 0; i < n; ++i) {
            const X* from = at(begin + i);
            for (std::int64_t c = 0; c < channels; ++c) to[i * channels + c] = from[c * channel];
        }
    }
};

}  // namespace npconv

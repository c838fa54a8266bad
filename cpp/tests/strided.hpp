// SPDX-License-Identifier: BSD-3-Clause
// A tensor whose strides have any order and sign, with gaps between its elements and a guard page beside it.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "compare.hpp"
#include "core/types.hpp"
#include "guarded.hpp"

namespace npconv::test {

enum class Repeats { none, some };  // some: axes of stride 0

template <class T>
struct Strided {
    // extent: batch, channels, depth, height, width
    Strided(const std::array<std::int64_t, 5>& extent, Random& random, GuardPages side, Repeats repeats = Repeats::none) : memory(0, side) {
        std::array<std::size_t, 5> order{0, 1, 2, 3, 4};
        for (std::size_t i = 4; i > 0; --i)
            std::swap(order[i], order[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)))]);
        std::array<std::int64_t, 5> stride{};
        std::int64_t step = random.integer(1, 2), first = 0, last = 0;
        for (const std::size_t a : order) {
            if (repeats == Repeats::some && random.integer(0, 2) == 0) continue;
            stride[a] = random.integer(0, 2) ? step : -step;
            (stride[a] < 0 ? first : last) += (extent[a] - 1) * stride[a];
            step *= extent[a];
        }
        memory = Guarded<T>(last - first + 1, side);
        view = {memory.data() - first, stride[0], stride[1], {stride[2], stride[3], stride[4]}};
    }

    Guarded<T> memory;
    TensorView<const T> view;
};

// The strides of a dense tensor.
template <class T>
TensorView<const T> dense(const T* data, std::int64_t channels, const std::array<std::int64_t, 3>& extent, Layout layout) {
    const bool last = layout == Layout::channels_last;
    const std::int64_t pixel = last ? channels : 1, row = pixel * extent[2], plane = row * extent[1];
    return {data, channels * extent[0] * extent[1] * extent[2], last ? 1 : plane * extent[0], {plane, row, pixel}};
}

}  // namespace npconv::test

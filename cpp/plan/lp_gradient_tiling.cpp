// SPDX-License-Identifier: BSD-3-Clause
#include "plan/lp_gradient_tiling.hpp"

#include <algorithm>

#include "core/window_axes.hpp"
#include "plan/pool_execution.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size memory_bytes = 4 << 20;      // of a block and its results
constexpr Size promised_bytes = 6'000'000;  // with the memory of the kernels
constexpr Size most_repeats = 16;           // times that tiles may read what neighbours read, too

bool fits(const LpBlock& block, const Context& on) {
    const auto bytes = bytes_of_norms_and_gradients(block.shape, on);
    const Size one = block.numbers() * 8;
    return bytes && *bytes + std::max(one, std::min(memory_bytes, block.shape.channels * one)) <= promised_bytes;
}

// Tiles of a plane that is too large for the memory of a block; none where windows are too large for that.
bool cut(const LpBlock& whole, const Context& on, std::array<EvenSplit, 3>& tiles) {
    const PoolShape& s = whole.shape;
    std::array<Size, 3> length{s.axis[0].input, s.axis[1].input, s.axis[2].input};
    // The most that a tile sees: windows that begin before it and end behind it, and the window before where there are gaps.
    const auto numbers_of = [&](const std::array<Size, 3>& n) {
        Size inputs = 1, outputs = 1;
        for (std::size_t i = 0; i < 3; ++i) {
            const Axis& a = s.axis[i];
            const Size span = (a.kernel - 1) * a.dilation + 1, before = std::max(span, a.stride);
            inputs *= std::min(a.input, n[i] + before + span);
            outputs *= std::min(a.output, (n[i] + before) / a.stride + 2);
        }
        return inputs + outputs;
    };
    while (numbers_of(length) > memory_bytes / 8) {
        std::size_t best = 3;
        Size least = numbers_of(length);
        for (std::size_t i = 0; i < 3; ++i) {
            std::array<Size, 3> next = length;
            next[i] = ceil_div(next[i], 2);
            const Size numbers = numbers_of(next);
            if (length[i] > 1 && numbers < least) {
                best = i;
                least = numbers;
            }
        }
        if (best == 3) return false;
        length[best] = ceil_div(length[best], 2);
    }
    std::array<Part, 3> middle;
    Size goal = 1;
    for (std::size_t i = 0; i < 3; ++i) {
        const Size begin = (s.axis[i].input - length[i]) / 2;
        middle[i] = {begin, begin + length[i]};
        goal *= length[i];
        tiles[i] = split_by(s.axis[i].input, length[i]);
    }
    return numbers_of(length) <= most_repeats * 2 * goal && fits(whole.part(middle), on);
}

}  // namespace

LpBlock::LpBlock(const PoolShape& whole) : shape(whole) {
    shape.batch = 1;
    for (std::size_t i = 0; i < 3; ++i) inputs[i] = goal[i] = {0, whole.axis[i].input};
}

LpBlock LpBlock::part(const std::array<Part, 3>& goal_of_part) const {
    LpBlock b = *this;
    b.goal = goal_of_part;
    const WindowAxes windows(shape);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto [begin, end] = goal_of_part[i];
        const Axis& whole = shape.axis[i];
        Axis& a = b.shape.axis[i];
        Size first, last, unused;
        windows.outputs_of(i, begin, first, unused);
        windows.outputs_of(i, end - 1, unused, last);
        b.unseen |= last <= first;
        // Not after the first input, which some window may leave out.
        first = std::clamp<Size>(std::min(first, (begin + whole.pad_before) / whole.stride), 0, whole.output - 1);
        last = std::max(last, first + 1);
        const Size start = whole.at(first, 0), stop = whole.at(last - 1, whole.kernel - 1) + 1;
        const Size low = std::clamp<Size>(std::min(start, begin), 0, begin), high = std::clamp<Size>(std::max(stop, end), end, whole.input);
        a.input = high - low;
        a.output = last - first;
        a.pad_before = low - start;
        b.inputs[i] = {low, high};
        b.outputs[i] = first;
    }
    return b;
}

LpGradientExecution plan_lp_gradient(const PoolShape& s, Layout layout, const Context& on) {
    LpGradientExecution e{LpBlock(s), EvenSplit(s.channels, s.channels), {}, memory_bytes, {}};
    const Size plane = e.whole.numbers() * 8;
    if (plane <= memory_bytes && fits(e.whole, on)) {
        e.channels = split_by(s.channels, std::clamp<Size>(memory_bytes / plane, 1, s.channels));
        e.bytes = e.channels.longest() * plane;
        return e;
    }
    std::array<EvenSplit, 3>& tiles = e.tiles.emplace();
    if (!cut(e.whole, on, tiles)) {
        const LongTiling tiling = tile_long_pool(s, layout, LongKind::norm_gradient, 8);
        if (tiling.fits()) e.sliding = tiling;
        for (std::size_t i = 0; i < 3; ++i) tiles[i] = EvenSplit(s.axis[i].input, 1);
    }
    if (tiles[0].parts * tiles[1].parts * tiles[2].parts == 1) e.bytes = plane;
    return e;
}

}  // namespace npconv

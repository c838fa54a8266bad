// SPDX-License-Identifier: BSD-3-Clause
// The order of a sum over k, and its blocks. They depend on channels and kernel alone, so that every register tile, lane and map size gives
// the same bits, and packed weights serve every map.
//
//   for each box of taps (one, unless there are more than a thousand)
//     for each block of input channels          together a block of k: its slice of a panel of weights and its part of x fit L2
//       for each tap of the box, row-major
//         for each channel of the block
#pragma once
#include <array>
#include <cstdint>

#include "core/shape.hpp"
#include "core/split.hpp"

namespace npconv {

struct KBlock {
    std::array<std::int64_t, 3> tap_begin{}, tap_end{};
    std::int64_t channel_begin = 0, channel_end = 0;
    std::int64_t begin = 0;  // in k

    std::int64_t channels() const { return channel_end - channel_begin; }
    std::int64_t taps(std::size_t a) const { return tap_end[a] - tap_begin[a]; }
    std::int64_t taps() const { return taps(0) * taps(1) * taps(2); }
    std::int64_t k() const { return taps() * channels(); }
    // The index in the block of tap (d, h, w) and the block's first channel. d, h, w: kernel coordinates.
    std::int64_t k_of(std::int64_t d, std::int64_t h, std::int64_t w) const {
        return (((d - tap_begin[0]) * taps(1) + h - tap_begin[1]) * taps(2) + w - tap_begin[2]) * channels();
    }
};

struct KOrder {
    std::array<EvenSplit, 3> taps;  // taps of each axis of the kernel -> blocks
    EvenSplit channels;             // input channels of a group -> blocks

    std::int64_t blocks() const { return taps[0].parts * taps[1].parts * taps[2].parts * channels.parts; }
    std::int64_t most_taps() const { return taps[0].longest() * taps[1].longest() * taps[2].longest(); }
    std::int64_t longest() const { return most_taps() * channels.longest(); }
    KBlock block(std::int64_t i) const {
        KBlock b;
        b.channel_begin = channels.begin(i % channels.parts);
        b.channel_end = b.channel_begin + channels.length(i % channels.parts);
        i /= channels.parts;
        for (std::size_t a = 3; a-- > 0;) {
            b.tap_begin[a] = taps[a].begin(i % taps[a].parts);
            b.tap_end[a] = b.tap_begin[a] + taps[a].length(i % taps[a].parts);
            i /= taps[a].parts;
        }
        const std::int64_t taps_before =
            (b.tap_begin[0] * taps[1].n + b.taps(0) * b.tap_begin[1]) * taps[2].n + b.taps(0) * b.taps(1) * b.tap_begin[2];
        b.begin = taps_before * channels.n + b.taps() * b.channel_begin;
        return b;
    }
    bool operator==(const KOrder&) const = default;
};

// Blocks of at most taps_of_block taps and, where a channel has no more taps than that, about k_of_block values.
inline KOrder order_k(const ConvShape& s, std::int64_t taps_of_block, std::int64_t k_of_block) {
    KOrder order;
    if (s.in_channels == 0) return order;  // no channels, no sum: the taps, which may be many, are not cut either
    std::int64_t room = taps_of_block;
    for (std::size_t a = 3; a-- > 0;) {
        order.taps[a] = split_by(s.axis[a].kernel, room > 0 ? room : 1);
        room /= order.taps[a].longest();
    }
    const std::int64_t channels = k_of_block / order.most_taps();
    order.channels = split_by(s.in_channels, channels > 0 ? channels : 1);
    return order;
}

}  // namespace npconv

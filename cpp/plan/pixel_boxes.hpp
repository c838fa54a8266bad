// SPDX-License-Identifier: BSD-3-Clause
// Which taps count where: a block of output pixels cut into boxes whose pixels all find the same taps inside the input. With zero padding
// the other taps add nothing, so they are left out: a 3x3 kernel on a 7x7 map saves 18% of its work, one of dilation 12 on 33x33 43%, and
// no padded copy is needed. (The zeros of the border do count where a weight is infinite or NaN: then nothing is cut.)
#pragma once
#include <array>
#include <cstdint>

#include "core/shape.hpp"
#include "plan/k_order.hpp"

namespace npconv {

struct Box {
    std::array<std::int64_t, 3> begin{}, end{};

    std::int64_t length(std::size_t a) const { return end[a] - begin[a]; }
    std::int64_t pixels() const { return length(0) * length(1) * length(2); }
};

// Runs of pixels along one axis, with the taps that each finds inside.
struct AxisRuns {
    static constexpr int most = 16;
    int count = 0;
    std::array<std::int64_t, most + 1> begin;  // begin[count]: the end; entries beyond are not set
    std::array<std::int64_t, most> tap_begin, tap_end;
    bool outside = false;  // does a tap of a run leave the input?
};

struct PixelBox {
    Box pixels;
    std::array<std::int64_t, 3> tap_begin{}, tap_end{};

    std::int64_t taps() const { return (tap_end[0] - tap_begin[0]) * (tap_end[1] - tap_begin[1]) * (tap_end[2] - tap_begin[2]); }
};

struct PixelBoxes {
    static constexpr int most = 64;
    static constexpr std::int64_t most_segments = 4096;  // of taps, in all boxes
    std::array<AxisRuns, 3> runs;
    bool outside = false;  // does a pixel of a box have a tap in the border?

    int count() const { return runs[0].count * runs[1].count * runs[2].count; }
    PixelBox box(int i) const;
};

// A block in one piece, with one tap: of a flat map.
PixelBoxes uncut(const Box& pixels);

// The pixels of a register tile, lane = channel. One of fewer than `least` costs as much as that: it waits for the weights.
struct TileRows {
    std::int64_t most = 1, least = 1;
};

// may_cut: the axes that may be cut; which are is decided by the work that is left.
PixelBoxes cut_by_taps(const ConvShape& shape, const Box& pixels, const KBlock& k, std::array<bool, 3> may_cut, const TileRows& rows);

}  // namespace npconv

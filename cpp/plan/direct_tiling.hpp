// SPDX-License-Identifier: BSD-3-Clause
// How the direct convolution cuts a problem up, for few output channels of a group. A pure function of shape, layout, dtype and kernel set.
//
//   LOOP 1  tasks: image, group, block of pixels        the parallel dimension; blocks that touch no border are read in place
//   LOOP 2    chunk of input channels                   few at a time, as streams; sums wait in the first-level cache meanwhile
//   LOOP 3      register tile                           all output channels x rows x vectors of pixels (kernels/direct.inl)
//
// A tile's rows are rows of the output whose taps meet: with a stride, every so-many-th tap row meets the next row's input; with a
// dilation, rows so far apart do. With a long filter along a row they are vectors of one row. Where neither gains, a tile has one row.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "core/split.hpp"
#include "plan/cache_use.hpp"
#include "plan/context.hpp"
#include "plan/copy_form.hpp"
#include "plan/k_order.hpp"
#include "plan/pixel_boxes.hpp"
#include "plan/problem.hpp"
#include "plan/work.hpp"

namespace npconv {

enum class DirectRows { single, rows, vectors };  // a tile's rows: one, rows of the output, vectors of a row

struct DirectTiling {
    DirectRows kind = DirectRows::single;
    int lanes = 1;
    std::int64_t channels = 1;           // output channels of a group, which are those of a tile
    std::int64_t rows = 1, vectors = 1;  // of the largest tile
    bool flat = false;
    bool one_channel = false;           // the output has no other: both layouts are the same
    std::array<std::int64_t, 3> map{};  // pixels of the output, as they are cut
    std::int64_t tap_step = 1;          // tap rows so far apart meet the same input,
    std::int64_t row_step = 1;          //   of rows of the output so far apart
    std::int64_t columns = 1;           // taps of a tap row,
    std::int64_t last_columns = 1;      //   of the last one,
    std::int64_t tap_rows = 1;          //   and how many there are of an input channel, depth and phase, at most
    std::array<SpreadSplit, 2> blocks;  // depth and height of the map
    std::int64_t begin = 0, end = 0;    // pixels of a row that touch no border, whole vectors; those before and after
    bool masked = false;                //   are read in place, too, with masks; else they are blocks of their own, which are copied
    SpreadSplit pieces;                 // of the vectors from begin to end, or of all
    EvenSplit chunks;                   // of input channels
    std::int64_t tasks = 0;

    std::int64_t blocks_of_row() const { return masked ? pieces.parts : (begin > 0 ? 1 : 0) + pieces.parts + (end < map[2] ? 1 : 0); }
    std::int64_t blocks_of_map() const { return blocks[0].parts * blocks[1].parts * blocks_of_row(); }
    Box block(std::int64_t i) const;
    CopyForm copy_form() const { return {Layout::channels_first, true, flat, lanes}; }
    std::array<std::int64_t, 3> longest_block() const;  // lengths that no block exceeds
    std::int64_t most_vectors() const;                  // of pixels of a row, that the sums of a block take
    std::int64_t sums_of_block() const;                 // vectors
    std::int64_t sums_of_tile() const { return channels * rows * vectors; }
    std::int64_t most_passes(const ConvShape& shape) const;
    KBlock chunk(const ConvShape& shape, std::int64_t i) const;
    bool operator==(const DirectTiling&) const = default;
};

// Why it cannot serve; empty if it can, and then `tiling` is set if it is given.
std::string direct_refusal(const Problem& problem, const Context& on, DirectTiling* tiling = nullptr);

DirectTiling tile_direct(const Problem& problem, const Context& on);  // of a problem that it can serve
CacheUse cache_use(const Problem& problem, const DirectTiling& tiling);

WorkCounts direct_work(const Problem& problem, const Context& on, const DirectTiling& tiling);

// The order of the packed taps: tap rows by phase, so that those which meet are neighbours. f(tap row)
template <class F>
void for_each_tap_row(std::int64_t kernel, std::int64_t tap_step, const F& f) {
    for (std::int64_t phase = 0; phase < tap_step && phase < kernel; ++phase) {
        for (std::int64_t t = phase;; t += tap_step) {
            f(t);
            if (kernel - t <= tap_step) break;  // before it overflows
        }
    }
}
std::int64_t direct_tap_step(const ConvShape& shape);

}  // namespace npconv

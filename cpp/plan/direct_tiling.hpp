// SPDX-License-Identifier: BSD-3-Clause
// Tiling of the direct convolution, which serves groups with few output channels. A pure function of shape, layout, dtype and kernel set.
//
//   LOOP 1  tasks: image, group, block of pixels        the parallel dimension; blocks that touch no border are read in place
//   LOOP 2    chunk of input channels                   few at a time, as streams; sums stay in the first-level cache between chunks
//   LOOP 3      register tile                           all output channels x rows x vectors of pixels (kernels/direct.inl)
//
// The rows of a tile are output rows that share input rows. Tap row t + tap_step of output row i meets the same input row as tap row t of
// output row i + row_step. With a long filter along a row, the rows of a tile are vectors of one output row. Where neither gains, a tile
// has one row.
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

enum class DirectRows { single, rows, vectors };  // rows of a tile: one, output rows, vectors of one output row

struct DirectTiling {
    DirectRows kind = DirectRows::single;
    int lanes = 1;
    std::int64_t channels = 1;           // output channels of a group; a tile has all of them
    std::int64_t rows = 1, vectors = 1;  // of the largest tile
    bool flat = false;
    bool one_channel = false;           // the output has one channel: both layouts are the same
    std::array<std::int64_t, 3> map{};  // pixels of the output along the axes that are cut
    std::int64_t tap_step = 1;          // distance in tap rows
    std::int64_t row_step = 1;          //   and in output rows, at which the same input row is met
    std::int64_t columns = 1;           // taps of a tap row
    std::int64_t last_columns = 1;      //   and of the last tap row
    std::int64_t tap_rows = 1;          // most tap rows of an input channel, depth and phase
    std::array<SpreadSplit, 2> blocks;  // depth and height of the map
    std::int64_t begin = 0, end = 0;    // whole vectors of pixels of a row that touch no border. The other pixels
    bool masked = false;                //   are read in place, too, with masks; else they are blocks of their own, which are copied
    SpreadSplit pieces;                 // vectors from begin to end, or of the whole row -> pieces
    EvenSplit chunks;                   // input channels -> chunks
    std::int64_t tasks = 0;

    std::int64_t blocks_of_row() const { return masked ? pieces.parts : (begin > 0 ? 1 : 0) + pieces.parts + (end < map[2] ? 1 : 0); }
    std::int64_t blocks_of_map() const { return blocks[0].parts * blocks[1].parts * blocks_of_row(); }
    Box block(std::int64_t i) const;
    CopyForm copy_form() const { return {Layout::channels_first, true, flat, lanes}; }
    std::array<std::int64_t, 3> longest_block() const;  // lengths that no block exceeds
    std::int64_t most_vectors() const;                  // vectors of pixels of a row in the sums of a block
    std::int64_t sums_of_block() const;                 // vectors
    std::int64_t sums_of_tile() const { return channels * rows * vectors; }
    std::int64_t most_passes(const ConvShape& shape) const;
    KBlock chunk(const ConvShape& shape, std::int64_t i) const;
    bool operator==(const DirectTiling&) const = default;
};

// Why the direct convolution cannot serve the problem; empty if it can, and then `*tiling` is set unless `tiling` is null.
std::string direct_refusal(const Problem& problem, const Context& on, DirectTiling* tiling = nullptr);

DirectTiling tile_direct(const Problem& problem, const Context& on);  // of a problem that it can serve
CacheUse cache_use(const Problem& problem, const DirectTiling& tiling);

WorkCounts direct_work(const Problem& problem, const Context& on, const DirectTiling& tiling);

// Calls f(tap row) in the order of the packed taps: tap rows by phase, so that tap rows which share input rows are neighbours.
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

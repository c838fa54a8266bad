// SPDX-License-Identifier: BSD-3-Clause
// How the gradient of a convolution in its weights is cut up: a matrix product, summed over the pixels of all images.
//
//   dw[o][c][t] = sum over image, pixel p of g[o][p] * x[c][where tap t meets p]
//
// A lane is an output channel; the rows of a register tile are input channels, all at one tap, which are read where they stand: a tap is an
// offset. g is copied, a block of pixels and a panel of channels at a time, and used for all taps and channels.
//
//   LOOP 1  tasks: group, panel, chunk of input channels, chunk of taps, part of the sum      the parallel dimension
//   LOOP 2    block of pixels           copied from g, stays in the first-level cache
//   LOOP 3      tile of channels      their part of x stays in the first-level cache
//   LOOP 4        tap                 the microkernel of the GEMM path; sums stay in the second-level cache
//
// Of few input channels the rows of a tile are all their taps: a block is of whole rows of outputs, and what it meets of x is copied, with
// the border.
//
// Which pixels of a block a tap meets in place is listed once for all images, channels and threads, unless the lists would be long.
//
// With one tap, x and g may change places: what is copied and has the lanes is better the one of fewer channels.
//
// Large weights make tasks enough. Of small ones the sum is cut into parts, whose number the shape fixes, and which are added in order: the
// result is the same for any number of threads.
#pragma once
#include <array>
#include <cstdint>

#include "core/split.hpp"
#include "plan/context.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct WeightGradientTiling {
    int lanes = 1;
    int mr = 1;                            // rows of a register tile
    EvenSplit panels;                      // vectors of output channels of a group
    EvenSplit channels;                    // input channels of a group, in chunks
    EvenSplit taps;                        // the same
    EvenSplit blocks;                      // pixels of an image; or, of few channels,
    bool windowed = false;                 //   they are
    EvenSplit rows;                        //   rows of outputs of a plane
    std::int64_t planes = 1, row = 0;      //   of an image, and pixels of one
    std::array<std::int64_t, 3> window{};  //   and a block meets so much of x
    SpreadSplit parts;                     // of the blocks of all images
    std::int64_t runs = 0;                 // of pixels that a block and a tap may have, at most
    bool listed_once = false;              // for all tasks
    std::int64_t tasks = 0;

    std::int64_t width() const { return panels.longest() * lanes; }
    std::int64_t blocks_of_image() const { return windowed ? planes * rows.parts : blocks.parts; }
    std::int64_t pixels_of_block() const { return windowed ? rows.longest() * row : blocks.longest(); }  // at most
    struct Pixels {
        std::int64_t first, count;
    };
    Pixels block(std::int64_t i) const {
        if (!windowed) return {blocks.begin(i), blocks.length(i)};
        return {(i / rows.parts * rows.n + rows.begin(i % rows.parts)) * row, rows.length(i % rows.parts) * row};
    }
    std::int64_t window_of_channel() const { return window[0] * window[1] * window[2]; }
    std::int64_t sums_of_task() const { return channels.longest() * taps.longest() * width(); }
};
WeightGradientTiling tile_weight_gradient(const Problem& problem, const Context& on);

// Do x and g, and with them channels in and out, change places? The result is transposed then.
bool weight_gradient_turned(const Problem& problem, const Context& on);
Problem turned_problem(Problem problem);

}  // namespace npconv

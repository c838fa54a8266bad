// SPDX-License-Identifier: BSD-3-Clause
// Tiling of the gradient of a convolution in its weights: a matrix product, summed over the pixels of all images.
//
//   dw[o][c][t] = sum over image, pixel p of g[o][p] * x[c][where tap t meets p]
//
// A lane is an output channel. The rows of a register tile are input channels at one tap. They are read in place: a tap is an offset into
// x. g is copied, a block of pixels and a panel of channels at a time, and the copy is used for all taps and input channels.
//
//   LOOP 1  tasks: group, panel, chunk of input channels, chunk of taps, part of the sum      the parallel dimension
//   LOOP 2    block of pixels           its copy of g stays in the first-level cache
//   LOOP 3      tile of channels        their part of x stays in the first-level cache
//   LOOP 4        tap                   the microkernel of the GEMM path; sums stay in the second-level cache
//
// With few input channels, the rows of a tile are all taps of these channels. A block then consists of whole rows of outputs, and its part
// of x is copied, with the border.
//
// The pixels of a block that a tap meets inside x are listed once for all images, channels and threads, unless the lists would be long.
//
// With one tap, x and g may change places: it is better to copy the one with fewer channels and let the lanes be its channels.
//
// Large weights give enough tasks. With small weights the sum is cut into parts. The shape alone fixes the number of parts, and they are
// added in order, so that the result is the same for any number of threads.
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
    EvenSplit panels;                      // vectors of output channels of a group -> panels
    EvenSplit channels;                    // input channels of a group -> chunks
    EvenSplit taps;                        // taps -> chunks
    EvenSplit blocks;                      // pixels of an image -> blocks; if windowed,
    bool windowed = false;                 //   with few input channels, blocks are
    EvenSplit rows;                        //   rows of outputs of a plane
    std::int64_t planes = 1, row = 0;      //   planes of an image, pixels of a row
    std::array<std::int64_t, 3> window{};  //   size of the part of x that a block meets: planes, rows, columns
    SpreadSplit parts;                     // blocks of all images -> parts of the sum
    std::int64_t runs = 0;                 // most runs of pixels of a block and a tap
    bool listed_once = false;              // the runs are listed once for all tasks
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

// Do x and g, and with them input and output channels, change places? The result is then transposed.
bool weight_gradient_turned(const Problem& problem, const Context& on);
Problem turned_problem(Problem problem);

}  // namespace npconv

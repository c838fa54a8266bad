// SPDX-License-Identifier: BSD-3-Clause
// Tiling of the gradient of depthwise weights, or of weights of groups of a few channels.
//
// lane = channel
//   LOOP 1  tasks: vector of channels, part of the sum      the parallel dimension
//   LOOP 2    block of rows of outputs      its part of x is copied with the border, as vectors of channels; channels first, g is, too
//   LOOP 3      taps, a few at a time       the kernel (kernels/tap_products.inl)
//
// lane = pixel: depthwise, channels first, 3x3 taps, stride 1 or 2, a border of zeros, kernel sets with masks
//   LOOP 1  tasks: as many channels as a vector has lanes, part of the sum
//   LOOP 2    channel
//   LOOP 3      block of rows of outputs    in place; copied only if the pixels of a row are not adjacent in memory
//
// The shape alone fixes the number of parts. They are added in order.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "core/split.hpp"
#include "plan/context.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct DepthwiseGradientTiling {
    int lanes = 1;
    std::int64_t group = 1;        // channels of a group
    std::int64_t taps_of_run = 1;  // taps of a kernel row that are summed at once: at most tap_products_taps
    std::int64_t vectors = 0;      // vectors of channels
    std::int64_t rows = 1;         // most rows of outputs of a block, within one plane
    std::int64_t blocks = 0;       // blocks of an image
    SpreadSplit parts;             // blocks of all images -> parts of the sum
    std::int64_t tasks = 0;
    std::array<std::int64_t, 3> window{};  // size of the part of x that a block meets: planes, rows, columns
    bool planes = false;                   // lane = pixel; a copy of x is then [row][column]
    bool images_together = false;          //   a strip of columns is summed over all images before the next strip, not image by image

    std::int64_t window_elements() const { return window[0] * window[1] * window[2] * (planes ? 1 : lanes); }
    std::int64_t sums_of_task(const ConvShape& s) const { return s.taps() * group * lanes; }
};

// Why these kernels cannot serve the problem; empty if they can.
std::string depthwise_gradient_refusal(const Problem& problem, const Context& on);
DepthwiseGradientTiling tile_depthwise_gradient(const Problem& problem, const Context& on);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Tiling of depthwise convolution. A group has one input channel; with lane = channel it may also have 2, 4, ... up to `lanes` input
// channels and the same number of output channels. A pure function of shape, layout, dtype and kernel set.
//
// lane = channel
//   LOOP 1  tasks: image, chunk of vectors of channels, block of pixels      the parallel dimension
//   LOOP 2    vectors of channels     channels first: copied into vectors of channels, summed, and transposed on the way out
//   LOOP 3      row of outputs        a row of the kernel and of the input at a time (kernels/depthwise.inl); of 3x3 taps, on some
//                                     sets, up to three rows of outputs (kernels/depthwise_rows.inl)
//   LOOP 4        tile of pixels      channels last, in place, for all vectors of the chunk
//
// lane = pixel: channels first, kernels of 3, 5 and 7 along both height and width; of 3, if there are several along the depth
//   LOOP 1  tasks: image, chunk of channels, block of rows or planes
//   LOOP 2    channels                in place, many per call of the kernel; or one channel, copied with its border
//   LOOP 3      plane of outputs      planes of taps one after the other; each continues the sums of the one before
//   LOOP 4        strip of columns      walks down the rows (kernels/depthwise_planes.inl)
//
// With either lane, a sum runs in the order of the taps.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "core/split.hpp"
#include "kernels/depthwise_table.hpp"
#include "plan/cache_use.hpp"
#include "plan/context.hpp"
#include "plan/pixel_boxes.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct DepthwiseTiling {
    Lane lane = Lane::channel;
    int lanes = 1;
    std::int64_t group = 1;          // input channels of a group
    std::int64_t multiplier = 1;     // output channels per input channel
    bool copied = false;             // lane = channel: the input is always copied, even if its channels are adjacent
    bool keeps_sums = false;         //   the sums of a block are kept in memory, to be transposed
    bool by_tap = false;             //   each tap loads its own input: taps are dilated, or the stride is large
    bool shares_rows = false;        //   3x3 taps: rows of outputs share loads of the input
    std::int64_t step = 1;           // places between pixels in the kernels' input
    EvenSplit taps;                  // taps of a kernel row -> runs
    std::int64_t channels = 0;       // units of output channels: vectors; with lane = pixel single channels
    std::int64_t together = 1;       //   units that are copied for a tile; lane = pixel in 3-D: units that are summed plane by plane
    SpreadSplit chunks;              // units -> chunks
    std::array<SpreadSplit, 3> map;  // outputs -> blocks, whose pixels are adjacent in y
    std::int64_t tasks = 0;

    std::int64_t blocks() const { return map[0].parts * map[1].parts * map[2].parts; }
    Box block(std::int64_t i) const;
    std::array<std::int64_t, 3> longest_block() const { return {longest(0), longest(1), longest(2)}; }
    std::int64_t longest(std::size_t axis) const { return map[axis].longest(); }
    std::int64_t most_pixels() const { return longest(0) * longest(1) * longest(2); }
    std::int64_t most_rows() const { return longest(0) * longest(1); }
    std::int64_t most_row_tiles() const { return longest(0) * ceil_div(longest(1), depthwise_rows); }
    // Runs of taps that a row of outputs has, at most.
    std::int64_t most_tap_runs(const ConvShape& s) const { return s.axis[0].kernel * s.axis[1].kernel * taps.parts; }
    std::int64_t lanes_of_channel() const { return lane == Lane::channel ? lanes : 1; }
    bool operator==(const DepthwiseTiling&) const = default;
};

// Why depthwise kernels cannot serve the problem; empty if they can.
std::string depthwise_refusal(const Problem& problem, const Context& on);
DepthwiseTiling tile_depthwise(const Problem& problem, const Context& on);
CacheUse cache_use(const Problem& problem, const Context& on, const DepthwiseTiling& tiling);

// The same with blocks of at most most_pixels pixels, or of the smallest possible size if that is larger. No sums are kept.
DepthwiseTiling tile_depthwise_blocks(const Problem& problem, const Context& on, std::int64_t most_pixels);

// lane = channel: places of an axis that are copied for `outputs` neighbouring outputs. A border of zeros is not copied.
std::int64_t copied_places(const Problem& problem, std::size_t axis, std::int64_t outputs);
// Pixels of a copy for `outputs` outputs along each axis.
std::int64_t copied_pixels(const Problem& problem, const std::array<std::int64_t, 3>& outputs);

// lane = pixel: does the kernel set have masks? With them, planes with a border of zeros are read in place.
bool planes_in_place(const Problem& problem, const Context& on);
// lane = pixel: rows of the copy of a plane, and elements of such a row, for `outputs` outputs along the axis. The last vector of outputs
// is read whole.
std::int64_t padded_rows(const Problem& problem, std::int64_t outputs);
std::int64_t padded_columns(const Problem& problem, int lanes, std::int64_t outputs);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// How depthwise convolution is cut up: one input channel a group, or with lane = channel as many out as in, 2, 4, ... up to the lanes of a
// vector. A pure function of shape, layout, dtype and kernel set.
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
//   LOOP 2    channels                in place, many by one call of the kernel; or one, copied with its border
//   LOOP 3      plane of outputs      planes of taps one after the other, each of which goes on with the sums
//   LOOP 4        strip of columns      walks down the rows (kernels/depthwise_planes.inl)
//
// The order of a sum is that of the taps in both.
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
    std::int64_t multiplier = 1;     // output channels for each of them
    bool copied = false;             // lane = channel: the input, always, not only if its channels are not neighbours
    bool keeps_sums = false;         //   those of a block, to be transposed
    bool by_tap = false;             //   taps do not share what is loaded: they are dilated, or pixels far apart
    bool shares_rows = false;        //   3x3 taps, and rows of outputs share what is loaded
    std::int64_t step = 1;           // between pixels, as the kernels have it
    EvenSplit taps;                  // of a row of the kernel, in runs
    std::int64_t channels = 0;       // of the output: vectors of them, or with lane = pixel each for itself,
    std::int64_t together = 1;       //   of which so many are copied for a tile, or in three dimensions summed plane by plane
    SpreadSplit chunks;              // of them
    std::array<SpreadSplit, 3> map;  // outputs -> blocks, whose pixels are neighbours in y
    std::int64_t tasks = 0;

    std::int64_t blocks() const { return map[0].parts * map[1].parts * map[2].parts; }
    Box block(std::int64_t i) const;
    std::array<std::int64_t, 3> longest_block() const { return {longest(0), longest(1), longest(2)}; }
    std::int64_t longest(std::size_t axis) const { return map[axis].longest(); }
    std::int64_t most_pixels() const { return longest(0) * longest(1) * longest(2); }
    std::int64_t most_rows() const { return longest(0) * longest(1); }
    std::int64_t most_row_tiles() const { return longest(0) * ceil_div(longest(1), depthwise_rows); }
    // Of a row of outputs.
    std::int64_t most_tap_runs(const ConvShape& s) const { return s.axis[0].kernel * s.axis[1].kernel * taps.parts; }
    std::int64_t lanes_of_channel() const { return lane == Lane::channel ? lanes : 1; }
    bool operator==(const DepthwiseTiling&) const = default;
};

// Why depthwise kernels cannot serve; empty if they can.
std::string depthwise_refusal(const Problem& problem, const Context& on);
DepthwiseTiling tile_depthwise(const Problem& problem, const Context& on);
CacheUse cache_use(const Problem& problem, const Context& on, const DepthwiseTiling& tiling);

// The same in blocks of at most so many pixels, or of the least that a block may have, whose sums are not kept.
DepthwiseTiling tile_depthwise_blocks(const Problem& problem, const Context& on, std::int64_t most_pixels);

// lane = channel: places of an axis that n neighbouring outputs meet, as far as they are copied: a border of zeros is not.
std::int64_t copied_places(const Problem& problem, std::size_t axis, std::int64_t outputs);
// Of a copy for n outputs along each axis, and a vector of channels.
std::int64_t copied_pixels(const Problem& problem, const std::array<std::int64_t, 3>& outputs);

// lane = pixel: has the kernel set masks, with which planes in a border of zeros are read in place?
bool planes_in_place(const Problem& problem, const Context& on);
// Rows and elements of a row of the copy of a plane, for so many outputs: the last vector of outputs is read whole.
std::int64_t padded_rows(const Problem& problem, std::int64_t outputs);
std::int64_t padded_columns(const Problem& problem, int lanes, std::int64_t outputs);

}  // namespace npconv

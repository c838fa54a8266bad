// SPDX-License-Identifier: BSD-3-Clause
// The lists that the register tiles of a block read: pixels, or vectors of pixels, and the segments of k that they sum over.
#pragma once
#include <cstdint>

#include "algorithms/stage.hpp"
#include "kernels/table.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {

// Pixels, or vectors of pixels, that sum over the same taps.
struct TileGroup {
    std::int64_t begin, end;
    std::int64_t first_segment, segments;
};

// Arrays of one thread. An item is a pixel (lane = channel) or a vector of pixels (lane = pixel).
struct TileLists {
    std::int64_t* at;      // [items], offset in the input or its copy
    std::int64_t* number;  // [items], number in y, counted from the block's first pixel
    std::int64_t* count;   // lane = pixel: [items], pixels of each vector that count,
    std::int64_t* slot;    //   and number of the vector in the sums
    TileGroup* group;
    Segment* segment;

    static std::int64_t most_items(const GemmTiling& tiling);
    static std::int64_t most_groups();
    static std::int64_t most_segments(const GemmTiling& tiling);
};

// Lists a block box by box; first_pixel is the number of its first pixel in y. Returns the number of groups, one for each box.
int list_boxes(const TileLists& lists, const GemmTiling& tiling, const Box& pixels, std::int64_t first_pixel, const PixelBoxes& boxes,
               const KBlock& block, const Steps& steps);

// lane = channel: lists n pixels of a flat map, `step` elements apart.
void list_evenly(const TileLists& lists, std::int64_t n, std::int64_t step);

// lane = channel: lists n pixels of a flat map that is dense in y but not in x. strides: the spatial strides of x.
void list_places(const TileLists& lists, const ConvShape& shape, std::int64_t first_pixel, std::int64_t n,
                 const std::array<std::int64_t, 3>& strides);

}  // namespace npconv

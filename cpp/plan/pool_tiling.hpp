// SPDX-License-Identifier: BSD-3-Clause
// Tiling of pooling: how the windows of each axis are computed, the blocks of the result, and the memory of a block. It depends on shape,
// dtype, layout and instruction set, not on the number of threads.
#pragma once
#include <array>
#include <cstdint>

#include "core/pool_shape.hpp"
#include "core/split.hpp"
#include "core/types.hpp"
#include "kernels/entries.hpp"
#include "kernels/pool_table.hpp"

namespace npconv {

enum class PoolOp { maximum, maximum_and_place, sum, sum_of_powers };

// A pooling along three axes, as the kernels see it: the forward pass, or the gradient of an average.
struct KernelPool {
    PoolOp op = PoolOp::maximum;
    std::int64_t batch = 1, channels = 1;
    std::array<PoolAxis, 3> axis{};  // without `blocks` and `slots`
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    bool side_by_side = true;  // the elements of a vector are adjacent in x
    bool divided_before = false;
    bool flipped = false;              // minima: maxima of values whose order is reversed (PoolBefore::flip)
    std::array<bool, 3> counted{};     // divisors differ along this axis
    const PoolEntry* entry = nullptr;  // the kernels
};

struct PoolTiling {
    bool served = false;  // can the kernels serve? If not, windows are far larger than the input,
    bool large = false;   //   or need more memory than a thread has
    std::array<PoolAxis, 3> axis{};
    bool channels_last = false;  // one channel is channels first
    std::int64_t planes = 1;     // planes; channels last: images
    SpreadSplit channels, depth, height, width;
    bool whole_steps = false, few_taps = false, strips = false, dense = false;
    bool gathered = false;  // elements are not adjacent in x: rows of x are copied for each output row,
    bool by_pixel = false;  //   or, with a large dilation, the taps of one output pixel at a time
    std::int64_t slab_rows = 0, slot = 0;
    std::int64_t row_pitch = 0, line = 0, lead = 0;
    std::int64_t planes_of_task = 1;  // small planes that one task pools
    // Elements of each buffer, in the order of PoolBlock; bytes of a value, and of a place.
    static constexpr std::size_t buffers = 9;
    std::array<std::int64_t, buffers> elements{};
    std::int64_t element_bytes = 4, place_bytes = 0;

    std::int64_t blocks_of_plane() const { return channels.parts * depth.parts * height.parts * width.parts; }
    std::int64_t tasks() const { return ceil_div(planes, planes_of_task) * blocks_of_plane(); }
    // The same blocks for another number of images of `planes_of_image` planes (channels last: 1).
    void set_batch(std::int64_t batch, std::int64_t planes_of_image);
    // The length of the table of divisors along an axis whose divisors differ, for `outputs` outputs of a block. A block with more than
    // rows_at_once rows or slices is pooled in parts.
    static constexpr std::int64_t rows_at_once = 1 << 16;
    std::int64_t counts(std::size_t axis, std::int64_t outputs) const;
    std::int64_t bytes() const;  // of one thread, without tables of divisors
};

PoolTiling tile_pool(const KernelPool& problem);

}  // namespace npconv

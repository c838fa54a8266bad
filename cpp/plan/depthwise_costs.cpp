// SPDX-License-Identifier: BSD-3-Clause
#include "plan/depthwise_costs.hpp"

#include "kernels/table.hpp"
#include "plan/part_inside.hpp"

namespace npconv {

WorkCounts depthwise_work(const Problem& p, const DepthwiseTiling& t) {
    const ConvShape& s = p.shape;
    WorkCounts work;
    if (s.empty()) return work;
    const auto& axis = s.axis;
    const bool zeros = p.border == Border::zeros;
    const double images = as_double(s.batch), vectors = as_double(t.vectors), blocks = as_double(t.blocks());
    const double tiles = as_double(t.map[2].parts) * as_double(ceil_div(t.longest(2), depthwise_pixels));  // of a row
    const double rows = as_double(axis[0].output) * as_double(axis[1].output);
    const double part_of_rows = zeros ? part_inside(axis[0]) * part_inside(axis[1]) : 1.0, part = zeros ? part_inside(axis[2]) : 1.0;
    const double row_taps = images * vectors * rows * as_double(axis[0].kernel) * as_double(axis[1].kernel) * part_of_rows;
    const double pixels = images * vectors * as_double(s.pixels());

    work[Work::depthwise_call] = 1.0;
    work[Work::depthwise_task] = as_double(t.tasks);
    work[Work::depthwise_step] = row_taps * tiles * as_double(t.taps.parts);
    work[Work::depthwise_tile] = images * vectors * rows * tiles;
    work[Work::depthwise_product] =
        row_taps * tiles * depthwise_pixels * as_double(axis[2].kernel) * part / p.core.products_per_cycle(p.kernels->vector_bytes);
    const bool last = p.layout == Layout::channels_last;
    if (t.copied) {
        const double copied = images * vectors * blocks * as_double(copied_pixels(p, t.longest_block()));
        if (s.out_channels > 1) {
            work[Work::depthwise_picked] = copied * t.lanes;
        } else {
            work[last ? Work::depthwise_gathered : Work::depthwise_turned] = copied;
        }
    }
    work[last ? Work::depthwise_stored : Work::depthwise_transposed] = pixels;
    const double lines = lines_of_input(p);
    count_far(lines * line_bytes, lines, Work::depthwise_line, Work::depthwise_memory_line, work);
    return work;
}

WorkCounts depthwise_packing_work(const Problem& p, const DepthwiseTiling& t) {
    return packing_work(as_double(t.vectors) * as_double(t.lanes) * as_double(p.shape.taps()), 0.0, p);
}

}  // namespace npconv

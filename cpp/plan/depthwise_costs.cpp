// SPDX-License-Identifier: BSD-3-Clause
#include "plan/depthwise_costs.hpp"

#include <algorithm>

#include "kernels/table.hpp"
#include "plan/part_inside.hpp"

namespace npconv {
namespace {

// Of rows of taps, where their input and weights are loaded for several rows of outputs. (By hand, of 3x3 layers of 7 to 112 pixels.)
constexpr double shared_steps = 0.4;

WorkCounts work_with_channel_lanes(const Problem& p, const Context& on, const DepthwiseTiling& t) {
    const ConvShape& s = p.shape;
    const auto& axis = s.axis;
    const bool zeros = p.border == Border::zeros, last = p.layout == Layout::channels_last;
    const double vectors = as_double(s.batch) * as_double(t.channels);
    const double tiles = as_double(t.map[2].parts) * as_double(ceil_div(t.longest(2), depthwise_pixels));  // of a row
    const double rows = vectors * as_double(axis[0].output) * as_double(axis[1].output);
    const double part_of_rows = zeros ? part_inside(axis[0]) * part_inside(axis[1]) : 1.0, part = zeros ? part_inside(axis[2]) : 1.0;
    const double row_taps = as_double(t.group) * rows * as_double(axis[0].kernel) * as_double(axis[1].kernel) * part_of_rows;
    WorkCounts work;
    work[Work::depthwise_tile] = rows * tiles;
    work[Work::depthwise_step] = row_taps * tiles * as_double(t.taps.parts) * (t.shares_rows ? shared_steps : 1.0);
    work[Work::depthwise_product] = row_taps * tiles * depthwise_pixels * as_double(axis[2].kernel) * part / on.products_per_cycle();
    if (t.copied) {
        const double copied = vectors * as_double(t.blocks()) * as_double(copied_pixels(p, t.longest_block()));
        if (t.multiplier > 1) {
            work[Work::depthwise_picked] = copied * t.lanes;
        } else {
            work[last ? Work::depthwise_gathered : Work::depthwise_turned] = copied;
        }
    }
    work[last ? Work::depthwise_stored : Work::depthwise_transposed] = vectors * as_double(s.pixels());
    return work;
}

WorkCounts work_with_pixel_lanes(const Problem& p, const Context& on, const DepthwiseTiling& t) {
    constexpr double most_vectors = 3.5;  // of a strip, about
    const ConvShape& s = p.shape;
    const Axis &height = s.axis[1], &width = s.axis[2];
    const double planes = as_double(s.batch) * as_double(t.channels) * as_double(s.axis[0].output),
                 vectors = as_double(ceil_div(width.output, t.lanes));
    const double rows = planes * as_double(height.output) * vectors;  // of a vector
    const double depth = p.border == Border::zeros ? part_inside(s.axis[0]) : 1.0,
                 part = p.border == Border::zeros ? part_inside(height) : 1.0;
    const double of_planes = as_double(s.axis[0].kernel) * depth;
    const bool bordered = p.border != Border::zeros && s.padded();
    WorkCounts work;
    work[Work::depthwise_plane] = planes * of_planes * as_double(t.map[1].parts * t.map[2].parts);
    work[Work::depthwise_row] = rows * of_planes / std::min(vectors, most_vectors) * as_double(height.stride);
    work[Work::depthwise_row_product] = rows * as_double(s.taps()) * depth * part / on.products_per_cycle();
    work[Work::depthwise_row_stored] = rows * of_planes;
    if (bordered || !planes_in_place(p, on))
        work[Work::depthwise_copied] = planes * of_planes * as_double(height.input) * as_double(width.input);
    return work;
}

}  // namespace

WorkCounts depthwise_work(const Problem& p, const Context& on, const DepthwiseTiling& t) {
    if (p.shape.empty()) return {};
    WorkCounts work = t.lane == Lane::pixel ? work_with_pixel_lanes(p, on, t) : work_with_channel_lanes(p, on, t);
    work[Work::depthwise_call] = 1.0;
    work[Work::depthwise_task] = as_double(t.tasks);
    const double lines = lines_of_input(p);
    count_far(lines * line_bytes, lines, Work::depthwise_line, Work::depthwise_memory_line, work);
    return work;
}

WorkCounts depthwise_packing_work(const Problem& p, const Context& on, const DepthwiseTiling& t) {
    return packing_work(as_double(t.channels) * as_double(t.lanes_of_channel()) * as_double(p.shape.k()), 0.0, p, on);
}

double depthwise_cycles(const Problem& p, const Context& on, const DepthwiseTiling& t) {
    return cycles_of(depthwise_work(p, on, t), on.machine.core, on.vector_bytes());
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/winograd_costs.hpp"

#include <algorithm>
#include <cmath>

#include "core/border.hpp"
#include "kernels/table.hpp"
#include "plan/gemm_costs.hpp"
#include "plan/part_inside.hpp"

namespace npconv {
namespace {

// Of the runs of taps along the depth those that meet an input: the others are left out.
double part_of_planes(const Problem& p, const AxisTiles& depth) {
    constexpr std::int64_t countable = 1024;
    const Axis& a = p.shape.axis[0];
    if (p.border != Border::zeros || depth.runs == 1 || depth.runs > countable || a.output == 0) return 1.0;
    std::int64_t sum = 0;
    for (std::int64_t run = 0; run < depth.runs; ++run) {
        const Inside planes = inside(a.at(0, run * a.stride), a.stride, a.input, 0, a.output);
        sum += planes.end - planes.begin;
    }
    return as_double(sum) / (as_double(depth.runs) * as_double(a.output));
}

}  // namespace

WorkCounts winograd_work(const Problem& p, const Context& on, const WinogradTiling& t) {
    // With few tiles products wait for their weights. For each cache line of a weight vector a register tile takes at least as long as one
    // of near_rows tiles (weights in the second-level cache) or far_rows tiles (in the third). third_level: bytes.
    constexpr double near_rows = 2.5, far_rows = 3.5, third_level = 12e6;
    const ConvShape& s = p.shape;
    WorkCounts work;
    if (s.empty()) return work;
    const bool last = p.layout == Layout::channels_last;
    const double element = as_double(size_of(p.dtype)), lines_of_vector = t.lanes * element / line_bytes;
    const double blocks = as_double(t.blocks), images = as_double(s.batch * s.groups);
    const double points = as_double(t.points()), all_points = images * t.points_of_map();
    const double vectors = as_double(t.panels.n), products = as_double(t.products()) * part_of_planes(p, t.axis[0]);
    const double tiles = all_points / (blocks * points);  // of a block, on average at each point
    const double register_tiles = std::max(1.0, std::ceil(tiles / t.mr - 0.25));
    const double waiting = lines_of_vector * (t.far ? far_rows : near_rows);
    const double rows = std::max(waiting, tiles / register_tiles);
    const double at_points = blocks * points, per_cycle = on.machine.core.products_per_cycle(static_cast<int>(t.lanes * element));
    const double filled = t.by_tiles ? 1.0 / t.lanes : 1.0;                                // vectors of a point, for each tile and unit
    const double input_tiles = as_double(t.most_input_tiles) / as_double(t.most_tiles());  // for each of the output
    const double units = as_double(t.units.n), copies = as_double(t.channels.units_of_phase);
    const double map_rows = images * as_double(t.axis[0].phases * t.axis[1].phases * t.axis[0].count() * t.axis[1].count());
    const double parts = as_double(t.blocks_of_axis[2].parts) * as_double(t.axis[2].phases);

    work[Work::winograd_call] = 1.0;
    work[Work::winograd_block] = blocks;
    if (s.in_channels == 1) work[Work::winograd_judged] = images * as_double(s.pixels()) * as_double(s.taps());
    work[Work::winograd_row] = map_rows * parts * units * input_tiles;
    work[Work::winograd_output_row] = map_rows * parts * vectors;
    const double lines = lines_by_groups(p);
    count_far(lines_of_input(p) * line_bytes, lines, Work::winograd_line, Work::winograd_memory_line, work);
    const double pixels = blocks * as_double(t.images.longest() * t.most_planes()) * as_double(t.most_pixels());
    work[last && !t.by_tiles ? Work::winograd_gathered : Work::winograd_turned] = pixels * copies * filled;
    work[Work::winograd_input] = all_points * input_tiles * units * filled;
    if (t.few) {
        work[Work::winograd_in_registers] = at_points * vectors * products * as_double(t.longest(0));
    } else {
        work[Work::winograd_product] = at_points * register_tiles * as_double(t.panels.parts) * products *
                                       cycles_of_step(rows, vectors / as_double(t.panels.parts), per_cycle);
        work[Work::winograd_tile] = at_points * register_tiles * as_double(t.panels.parts * t.units.parts);
        const bool memory = t.prepared && points * vectors * products * t.lanes * element > third_level;
        work[memory ? Work::winograd_memory : t.far ? Work::winograd_far : Work::winograd_weights] = at_points * vectors * products;
        if (!t.prepared) work[Work::winograd_made] = at_points * vectors * as_double(t.products());
    }
    work[Work::winograd_summed] = all_points * vectors * as_double(t.units.parts - 1);
    work[Work::winograd_output] = all_points * vectors;
    work[last ? Work::winograd_stored : Work::winograd_transposed] = images * as_double(s.pixels()) * vectors;
    return work;
}

WorkCounts least_winograd_work(const Problem& p, const Context& on) {
    constexpr double most_saved = 8.0;  // of the products: F(5, 5) along two axes saves 7.7
    const ConvShape& s = p.shape;
    const auto lanes = as_double(on.vector_bytes() / size_of(p.dtype));
    const double outputs = as_double(s.batch) * as_double(s.groups) * as_double(s.pixels()) * std::ceil(as_double(s.out_channels) / lanes);
    const double part = p.border == Border::zeros ? part_inside(s.axis[0]) : 1.0;  // of the depth: others are left out
    WorkCounts work;
    work[Work::winograd_call] = work[Work::packed_call] = 1.0;
    work[Work::winograd_product] = outputs * as_double(s.k()) * part / on.products_per_cycle() / most_saved;
    work[Work::winograd_output] = outputs;
    work[p.layout == Layout::channels_last ? Work::winograd_stored : Work::winograd_transposed] = outputs;
    return work;
}

WorkCounts winograd_packing_work(const Problem& p, const Context& on, const WinogradTiling& t) {
    if (p.shape.empty()) return {};
    const double groups = as_double(p.shape.groups);
    return packing_work(groups * as_double(t.packed_taps_of_group()),
                        t.prepared ? groups * as_double(t.transformed_elements_of_group()) : 0.0, p, on);
}

}  // namespace npconv

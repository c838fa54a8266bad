// SPDX-License-Identifier: BSD-3-Clause
#include "plan/winograd_tiling.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/part_inside.hpp"
#include "plan/winograd_arrays.hpp"

namespace npconv {
namespace {

std::int64_t element(const Problem& p) { return size_of(p.dtype); }

constexpr std::int64_t most_times = 8;  // as many tiles to a block, where they have few points

std::int64_t images_of(const WinogradTiling& t, std::int64_t batch) { return batch * t.axis[0].phases * t.axis[1].phases; }

void count_blocks(WinogradTiling& t, std::int64_t groups) {
    t.blocks = groups * t.images.parts * t.blocks_of_axis[0].parts * t.blocks_of_axis[1].parts * t.blocks_of_axis[2].parts;
    const std::int64_t planes = t.axis[0].input_tiles(t.longest(0)), rows = t.axis[1].input_tiles(t.longest(1));
    t.most_input_tiles = t.images.longest() * planes * rows * t.row_of_tiles(t.longest(2));
}

// Blocks of at most `tiles`: whole maps, as many images as fit; else rows of tiles; else parts of a row.
void cut_rows(WinogradTiling& t, std::int64_t images, std::int64_t groups, std::int64_t tiles, std::int64_t whole_rows) {
    const std::int64_t planes = t.axis[0].count(), rows = t.axis[1].count(), columns = t.axis[2].count(), each = t.axis[2].phases;
    if (columns * each > tiles && columns * each <= whole_rows * tiles) tiles = columns * each;
    const std::int64_t rows_of_block = std::max<std::int64_t>(1, tiles / (columns * each));
    t.blocks_of_axis[0] = SpreadSplit(planes, planes);
    t.blocks_of_axis[1] = SpreadSplit(rows, ceil_div(rows, rows_of_block));
    t.blocks_of_axis[2] = SpreadSplit(columns, std::min(columns, ceil_div(columns * each, tiles)));
    const bool whole_maps = planes * t.blocks_of_axis[1].parts * t.blocks_of_axis[2].parts == 1;
    t.images_of_block = whole_maps ? std::max<std::int64_t>(1, tiles / (rows * columns * each)) : 1;
    t.images = SpreadSplit(images, ceil_div(images, t.images_of_block));
    count_blocks(t, groups);
    // An odd number of blocks leaves one of two threads waiting.
    SpreadSplit& row_blocks = t.blocks_of_axis[1];
    if (t.blocks % 2 == 1 && t.blocks > 1 && row_blocks.parts > 1 && row_blocks.parts < rows) {
        row_blocks = SpreadSplit(rows, row_blocks.parts + 1);
        count_blocks(t, groups);
    }
}

// Where runs of taps meet the tiles after theirs, a block needs more tiles of the input than it gives: so it is no thinner than need be
// along such an axis. Of several images only if they are whole.
void cut_evenly(WinogradTiling& t, std::int64_t images, std::int64_t groups, std::int64_t tiles) {
    const std::array<std::int64_t, 3> count{t.axis[0].count(), t.axis[1].count(), t.axis[2].count()};
    const std::int64_t each = t.axis[2].phases;
    std::array<std::int64_t, 3> best{1, 1, 1};
    double least = 0.0;
    for (std::int64_t planes = 1; planes <= std::min(count[0], tiles); ++planes) {
        for (std::int64_t rows = 1; rows <= std::min(count[1], tiles / planes); ++rows) {
            const std::int64_t columns = std::clamp<std::int64_t>(tiles / (planes * rows * each), 1, count[2]);
            const std::array<std::int64_t, 3> n{planes, rows, columns};
            double input = 1.0;  // for each output
            for (std::size_t a = 0; a < 3; ++a) {
                const std::int64_t parts = ceil_div(count[a], n[a]);
                const std::int64_t each_part = ceil_div(count[a], parts);
                const std::int64_t met = a == 2 ? t.row_of_tiles(each_part) / each : t.axis[a].input_tiles(each_part);
                const double all = as_double(met * parts);
                input *= (all + as_double(parts * (t.axis[a].taps() - 1)) / (2.0 * t.axis[a].whole)) / as_double(count[a]);
            }
            const double blocks = as_double(ceil_div(count[0], planes) * ceil_div(count[1], rows) * ceil_div(count[2], columns));
            const double cost = input + 0.02 * blocks * as_double(tiles) / as_double(count[0] * count[1] * count[2] * each);
            if (least == 0.0 || cost < least) {
                least = cost;
                best = n;
            }
        }
    }
    for (std::size_t a = 0; a < 3; ++a) t.blocks_of_axis[a] = SpreadSplit(count[a], ceil_div(count[a], best[a]));
    const std::int64_t map = count[0] * count[1] * count[2] * each;
    t.images_of_block = best == count ? std::max<std::int64_t>(1, tiles / map) : 1;
    t.images = SpreadSplit(images, ceil_div(images, t.images_of_block));
    count_blocks(t, groups);
}

void cut(WinogradTiling& t, std::int64_t batch, std::int64_t groups, std::int64_t tiles, std::int64_t whole_rows) {
    const std::int64_t images = images_of(t, batch);
    if (t.runs() > 1) return cut_evenly(t, images, groups, tiles);
    cut_rows(t, images, groups, tiles, whole_rows);
}

std::int64_t bytes_of_tile(const Problem& p, const WinogradTiling& t) { return t.points() * t.padded_channels() * element(p); }

std::int64_t bytes_of_thread(const WinogradTiling& t, const Problem& p) {
    using namespace winograd_arrays;
    return BlockArrays::bytes_per_thread(block_arrays(t, p)) + ThreadArrays::bytes_per_thread(thread_arrays(t, p));
}

bool has_kernel_for_few(const Problem& p, const Context& on, const WinogradTiling& t) {
    const bool plain = t.axis[1].runs * t.axis[2].runs == 1 && t.channels.all_phases == 1 && t.axis[2].phases == 1;
    const bool all_planes = t.axis[0].runs > 1 || !p.shape.axis[0].padded();  // meet an input
    return plain && all_planes && t.axis[1].axis() == winograd_few_axis && t.axis[2].axis() == winograd_few_axis && !t.axis[1].alike &&
           entry_for(on.entries->winograd, p, on).few_tiles;
}

// Cuts the units of channels into k blocks. Each channel counts with `runs` runs of taps.
EvenSplit k_blocks(const Context& on, const WinogradTiling& t, std::int64_t runs) {
    const std::int64_t step = t.channels.lanes * runs;
    return split_by(t.channels.units(), winograd_block(axes_of(t.axis), t.products(), step, on.limits.winograd.rows_of_k_block) / step);
}

std::int64_t block_of_sum(const WinogradTiling& t, const Context& on) {
    return winograd_block(axes_of(t.axis), t.products(), t.step_of_sum(), on.limits.winograd.rows_of_k_block);
}

// All but the cutting of the map.
WinogradTiling of_channels(const Problem& p, const Context& on, const std::array<AxisTiles, 3>& axis) {
    const ConvShape& s = p.shape;
    const GemmTiling direct = tile_gemm(direct_problem(p), on);
    WinogradTiling t;
    t.lanes = entry_for(on.entries->winograd, p, on).lanes;
    t.axis = axis;
    t.by_tiles = winograd_by_tiles(s);
    t.channels = PhasedChannels(s.in_channels, {t.axis[0].input_phases(), t.axis[1].input_phases(), t.axis[2].input_phases()},
                                t.by_tiles ? 1 : t.lanes);
    t.panels = direct.panels;
    t.order = direct.k;
    t.mr = direct.mr;
    t.chunks = SpreadSplit(
        t.panels.parts,
        split_by(t.panels.parts, std::max<std::int64_t>(1, on.limits.winograd.channels_of_chunk / (direct.nv * t.lanes))).parts);
    t.units = k_blocks(on, t, t.runs());
    t.block_of_sum = block_of_sum(t, on);
    return t;
}

WinogradTiling tile(const Problem& p, const Context& on, const std::array<AxisTiles, 3>& axis) {
    constexpr std::int64_t few_tiles = 7, most_inputs = 16, most_points = 36;
    const ConvShape& s = p.shape;
    WinogradTiling t = of_channels(p, on, axis);
    const std::int64_t vectors = p.all_channels > 0 ? ceil_div(p.all_channels, t.lanes) : t.panels.n;
    const std::int64_t weights = t.points_of_set() * t.products() * vectors * t.lanes * element(p);
    const bool many_weights = weights > on.limits.winograd.most_prepared;
    t.far = weights > on.limits.winograd.far_weights;
    t.prepared = p.packed_as.transformed == Transformed::automatic ? !many_weights : p.packed_as.transformed == Transformed::packed;
    if (s.empty()) return t;
    const std::int64_t fit = std::max<std::int64_t>(1, on.limits.winograd.bytes_of_v / std::max<std::int64_t>(1, bytes_of_tile(p, t)));
    // Tiles of few points are small: as many more make a block.
    const std::int64_t times = std::clamp<std::int64_t>(most_points / t.points(), 1, most_times);
    std::int64_t tiles = std::min(fit, times * (t.far ? on.limits.winograd.tiles_of_far_block : on.limits.winograd.tiles_of_block));
    cut(t, s.batch, s.groups, tiles, fit >= 2 * tiles ? 2 : 1);
    const bool for_threads = worthwhile_threads(p, on, 2) > 1;
    while (for_threads && !t.far && t.blocks < on.limits.winograd.enough_blocks && tiles > few_tiles) {
        tiles = std::max(few_tiles, tiles / 2);
        cut(t, s.batch, s.groups, tiles, 1);
    }
    // With runs of taps along the depth, each of which is a sum of its own then, this must not depend on the batch: the order of the sum
    // does.
    const bool apart = t.axis[0].runs > 1;
    const std::int64_t of_plane = apart ? t.axis[1].count() * t.axis[2].count() : t.images.longest() * t.longest(1) * t.longest(2);
    const std::int64_t planes = apart ? t.axis[0].count() : 1;  // weights are transformed for each
    const EvenSplit units = k_blocks(on, t, 1);
    t.few = has_kernel_for_few(p, on, t) && of_plane <= winograd_few && planes <= 2 && weights > on.limits.winograd.slow_weights &&
            t.order.most_taps() == t.taps() && units.longest() * t.lanes <= 2 * t.order.channels.shorter;
    if (t.few) t.units = units;
    t.block_of_sum = block_of_sum(t, on);
    if (t.few && apart) cut(t, s.batch, s.groups, tiles = of_plane * planes, 1);
    const bool used_often = p.packing == Packing::once || t.blocks / s.groups > 2;
    if (p.packed_as.transformed == Transformed::automatic) t.prepared = t.prepared && used_often && !t.few;
    while (true) {
        t.shared = t.blocks < on.limits.winograd.enough_blocks && (t.far || t.chunks.parts > 1);
        t.inputs = EvenSplit(t.channels.units_of_phase, t.shared ? std::min(t.channels.units_of_phase, most_inputs) : 1);
        if (tiles == 1 || bytes_of_thread(t, p) <= on.limits.winograd.bytes_of_workspace) return t;
        tiles = std::max<std::int64_t>(1, std::min(tiles - 1, t.most_tiles() * 3 / 4));
        cut(t, s.batch, s.groups, tiles, 1);
    }
}

WinogradTiling tile_axes(const Problem& p, const Context& on, const std::array<AxisTiles, 3>& axis) { return tile(p, on, axis); }

}  // namespace

TileBlock WinogradTiling::block(std::int64_t i, std::int64_t groups) const {
    TileBlock b;
    for (std::size_t a = 3; a-- > 0;) {
        const SpreadSplit& split = blocks_of_axis[a];
        b.begin[a] = split.begin(i % split.parts);
        b.end[a] = b.begin[a] + split.length(i % split.parts);
        i /= split.parts;
    }
    b.group = i % groups;
    i /= groups;
    b.image = images.begin(i);
    b.images = images.length(i);
    b.column_phases = axis[2].phases;
    return b;
}

double WinogradTiling::points_of_map() const {
    double product = 1.0;
    for (const AxisTiles& a : axis) {
        const std::int64_t outputs = a.alike ? a.count() * a.whole : a.outputs;
        product *= as_double(a.phases) * as_double(outputs + (a.taps() - 1) * a.count());
    }
    return product;
}

WinogradTiling tile_winograd(const Problem& p, const Context& on, WinogradTiles tiles) {
    return tile_axes(p, on, choose_winograd_axes(p.shape, tiles));
}

double winograd_bound(const WinogradTiling& t) { return winograd_bound(axes_of(t.axis), t.products(), t.block_of_sum); }

double winograd_expected_error(const Problem& p, const WinogradTiling& t) {
    const double error = winograd_expected_error(axes_of(t.axis), t.products(), t.block_of_sum);
    if (p.border != Border::zeros) return error;
    // Outputs are smaller for each tap that they do not see, and their errors are not.
    double part = 1.0;
    for (const Axis& a : p.shape.axis) part *= part_inside(a);
    return part > 0 ? error / std::sqrt(part) : error;
}

std::int64_t many_winograd_images(const Context& on) {
    return on.limits.winograd.enough_blocks * on.limits.winograd.tiles_of_far_block * most_times;
}

Problem direct_problem(const Problem& problem) {
    Problem p = problem;
    p.packed_as.lane = Lane::channel;
    return p;
}

std::string winograd_refusal(const Problem& p, const Context& on, WinogradTiles tiles, WinogradTiling* made) {
    const ConvShape& s = p.shape;
    if (s.in_channels == 0) return "there are no input channels";
    std::array<AxisTiles, 3> axis;
    if (std::string refusal = winograd_axes_refusal(s, tiles, &axis); !refusal.empty()) return refusal;
    // One tile of each phase of a row, and of all the input that it meets.
    double v = as_double(axis[2].phases) * as_double(element(p)), channels = as_double(s.in_channels + 64);
    for (const AxisTiles& a : axis) {
        v *= as_double(a.points() * a.runs);
        channels *= as_double(a.input_phases());
    }
    const char* large = "one tile of all input channels must fit in the workspace";
    if (v * channels > as_double(on.limits.winograd.bytes_of_v)) return large;
    const double columns = as_double(axis[2].most_input_steps(1)) * as_double(axis[2].output_step());
    const double rows = as_double(axis[1].most_input_steps(1)) * as_double(axis[1].stride);
    if (columns * rows * as_double(axis[0].runs * axis[0].stride) * 64.0 > as_double(on.limits.winograd.bytes_of_workspace)) return large;
    const WinogradTiling t = tile_axes(p, on, axis);
    if (!s.empty() && bytes_of_thread(t, p) > on.limits.winograd.bytes_of_workspace) return large;
    if (made) *made = t;
    return {};
}

}  // namespace npconv

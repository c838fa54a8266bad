// SPDX-License-Identifier: BSD-3-Clause
#include "plan/winograd_tiling.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_arrays.hpp"

namespace npconv {
namespace {

WinogradLimits limits;

double as_double(std::int64_t n) { return static_cast<double>(n); }

std::int64_t element(const Problem& p) { return size_of(p.dtype); }

template <class F>
auto with_kernels(const Problem& p, const F& f) {
    return p.dtype == DType::f32 ? f(p.kernels->f32) : f(p.kernels->f64);
}

// Blocks of at most `tiles`: whole maps, as many images as fit; else rows of tiles; else parts of a row.
void cut(WinogradTiling& t, std::int64_t batch, std::int64_t groups, std::int64_t tiles, std::int64_t whole_rows) {
    const std::int64_t rows = t.rows.count(), columns = t.columns.count();
    if (columns > tiles && columns <= whole_rows * tiles) tiles = columns;
    const std::int64_t rows_of_block = std::max<std::int64_t>(1, tiles / columns);
    t.column_blocks = SpreadSplit(columns, ceil_div(columns, tiles));
    t.row_blocks = SpreadSplit(rows, ceil_div(rows, rows_of_block));
    const bool whole_maps = t.row_blocks.parts * t.column_blocks.parts == 1;
    t.images_of_block = whole_maps ? std::max<std::int64_t>(1, tiles / (rows * columns)) : 1;
    t.images = SpreadSplit(batch, ceil_div(batch, t.images_of_block));
    t.blocks = groups * t.images.parts * t.row_blocks.parts * t.column_blocks.parts;
    // An odd number of blocks leaves one of two threads waiting.
    if (t.blocks % 2 == 1 && t.blocks > 1 && t.row_blocks.parts > 1 && t.row_blocks.parts < rows) {
        t.row_blocks = SpreadSplit(rows, t.row_blocks.parts + 1);
        t.blocks = groups * t.images.parts * t.row_blocks.parts * t.column_blocks.parts;
    }
}

std::int64_t bytes_of_tile(const Problem& p, const WinogradTiling& t) { return t.points() * t.padded_channels() * element(p); }

std::int64_t bytes_of_thread(const WinogradTiling& t, DType dtype) {
    using namespace winograd_arrays;
    return BlockArrays::bytes_per_thread(block_arrays(t, dtype)) + ThreadArrays::bytes_per_thread(thread_arrays(t, dtype));
}

template <class T>
bool has_kernel_for_few(const Problem& p, int whole) {
    return whole == 4 && winograd_kernels_of<T>(*p.kernels).f4.few_tiles[0][0] != nullptr;
}

template <class T>
WinogradTiling tile(const Problem& p, int whole, const Kernels<T>& kernels) {
    constexpr std::int64_t few_tiles = 7, most_inputs = 16;
    const ConvShape& s = p.shape;
    const GemmTiling direct = tile_gemm(direct_problem(p));
    WinogradTiling t;
    t.whole = whole;
    t.lanes = kernels.lanes;
    t.rows = {s.axis[1].output, whole};
    t.columns = {s.axis[2].output, whole};
    t.panels = direct.panels;
    t.order = direct.k;
    t.mr = direct.mr;
    t.chunks = SpreadSplit(t.panels.parts,
                           split_by(t.panels.parts, std::max<std::int64_t>(1, limits.channels_of_chunk / (direct.nv * t.lanes))).parts);
    const std::int64_t units = ceil_div(s.in_channels, t.lanes);
    const std::int64_t weights = t.points() * s.in_channels * t.panels.n * t.lanes * element(p);
    const bool many_weights = weights > limits.most_prepared;
    t.far = weights > limits.far_weights;
    t.units = split_by(units, std::max<std::int64_t>(1, limits.channels_of_k_block / t.lanes));
    t.prepared = p.transformed == Transformed::automatic ? !many_weights : p.transformed == Transformed::packed;
    if (s.empty()) return t;
    const std::int64_t fit = std::max<std::int64_t>(1, limits.bytes_of_v / std::max<std::int64_t>(1, bytes_of_tile(p, t)));
    std::int64_t tiles = std::min(fit, t.far ? limits.tiles_of_far_block : limits.tiles_of_block);
    cut(t, s.batch, s.groups, tiles, fit >= 2 * tiles ? 2 : 1);
    const bool for_threads = worthwhile_threads(p, 2) > 1;
    while (for_threads && !t.far && t.blocks < limits.enough_blocks && tiles > few_tiles) {
        tiles = std::max(few_tiles, tiles / 2);
        cut(t, s.batch, s.groups, tiles, 1);
    }
    t.few = has_kernel_for_few<T>(p, whole) && t.most_tiles() <= winograd_few && weights > limits.slow_weights &&
            t.order.most_taps() == winograd_taps * winograd_taps && t.units.longest() * t.lanes <= 2 * t.order.channels.shorter;
    const bool used_often = p.packing == Packing::once || t.blocks / s.groups > 2;
    if (p.transformed == Transformed::automatic) t.prepared = t.prepared && used_often && !t.few;
    while (true) {
        t.shared = t.blocks < limits.enough_blocks && (t.far || t.chunks.parts > 1);
        t.inputs = EvenSplit(units, t.shared ? std::min(units, most_inputs) : 1);
        if (bytes_of_thread(t, p.dtype) <= limits.bytes_of_workspace || t.most_tiles() == 1) return t;
        tiles = std::max<std::int64_t>(1, t.most_tiles() * 3 / 4);
        cut(t, s.batch, s.groups, tiles, 1);
    }
}

}  // namespace

TileBlock WinogradTiling::block(std::int64_t i, std::int64_t groups) const {
    TileBlock b;
    const std::int64_t row_block = i % row_blocks.parts;
    i /= row_blocks.parts;
    const std::int64_t column_block = i % column_blocks.parts;
    i /= column_blocks.parts;
    b.group = i % groups;
    i /= groups;
    b.image = images.begin(i);
    b.images = images.length(i);
    b.row = row_blocks.begin(row_block);
    b.end_row = b.row + row_blocks.length(row_block);
    b.column = column_blocks.begin(column_block);
    b.end_column = b.column + column_blocks.length(column_block);
    return b;
}

double WinogradTiling::points_of_map() const {
    const auto points = [](const AxisTiles& a) { return as_double(a.outputs + (winograd_taps - 1) * a.count()); };
    return points(rows) * points(columns);
}

WinogradTiling tile_winograd(const Problem& p, int whole) {
    return with_kernels(p, [&](const auto& kernels) { return tile(p, whole, kernels); });
}

std::int64_t many_winograd_images() { return limits.enough_blocks * limits.tiles_of_far_block; }

Problem direct_problem(const Problem& problem) {
    Problem p = problem;
    p.lane = Lane::channel;
    return p;
}

std::string winograd_refusal(const Problem& p, int whole) {
    const ConvShape& s = p.shape;
    const Axis& depth = s.axis[0];
    const bool planar = depth.input == 1 && depth.output == 1 && depth.kernel == 1 && !depth.padded();
    if (!planar || s.axis[1].kernel != winograd_taps || s.axis[2].kernel != winograd_taps)
        return "the kernel must be 3x3, in two dimensions";
    for (const std::size_t a : {std::size_t{1}, std::size_t{2}}) {
        if (s.axis[a].stride != 1) return "the stride must be 1";
        if (s.axis[a].dilation != 1) return "the dilation must be 1";
    }
    if (s.in_channels == 0) return "there are no input channels";
    const AxisTiles tile{whole, whole};
    const double v = as_double(tile.points() * tile.points()) * as_double(s.in_channels + 64) * as_double(element(p));
    const char* large = "one tile of all input channels must fit in the workspace";
    if (v > as_double(limits.bytes_of_v)) return large;
    if (!s.empty() && bytes_of_thread(tile_winograd(p, whole), p.dtype) > limits.bytes_of_workspace) return large;
    return {};
}

// Measured on Zen 5, in cycles.
double winograd_cycles(const Problem& p, int whole) {
    constexpr double call = 5'000.0, block = 2'000.0;  // beside those of any convolution
    constexpr double made = 2.5, in_registers = 1.6;   // a transformed vector of weights; with a few tiles beside its products
    constexpr double tile = 100.0;                     // a register tile, beside its products
    const ConvShape& s = p.shape;
    if (s.empty()) return 0.0;
    const WinogradTiling t = tile_winograd(p, whole);
    const double lines = as_double(t.lanes * element(p)) / 64.0;         // of a vector
    const double input = 2.0 + 5.0 * lines, output = 2.0 + 4.0 * lines;  // a point of a tile and a vector of channels
    const double near_rows = 4.0 * lines, far_rows = 7.0 * lines;  // fewer wait for their weights, from the second or the third-level cache
    const double images = as_double(s.batch * s.groups), points = t.points_of_map(), blocks = as_double(t.blocks);
    const double vectors = as_double(t.panels.n), channels = as_double(s.in_channels);
    const double per_cycle = p.core.products_per_cycle(t.lanes * static_cast<int>(element(p)));
    const double tiles = images * points / (blocks * as_double(t.points()));  // of a block, on average at each point
    const double runs = std::max(1.0, std::ceil(tiles / t.mr - 0.25)), rows = std::max(t.few   ? 0.0
                                                                                       : t.far ? far_rows
                                                                                               : near_rows,
                                                                                       tiles / runs);
    const double all_runs = blocks * as_double(t.points()) * runs;
    const double waiting = t.few ? in_registers * channels * vectors * as_double(t.points()) * blocks : 0.0;
    const double products = all_runs * vectors * rows * channels / per_cycle + all_runs * as_double(t.panels.parts * t.units.parts) * tile;
    const double transforms = images * points * (input * as_double(t.units.n) + output * vectors);
    const double weights = t.prepared || t.few ? waiting : blocks * as_double(t.points()) * channels * vectors * made;
    return call + blocks * block + products + transforms + weights;
}

double winograd_packing_cycles(const Problem& p, int whole) {
    if (p.shape.empty()) return 0.0;
    const WinogradTiling t = tile_winograd(p, whole);
    const double taps = as_double(t.packed_taps_of_group()), transformed = t.prepared ? as_double(t.transformed_elements_of_group()) : 0.0;
    return as_double(p.shape.groups) * (1.5 * taps + 1.3 * transformed / t.lanes);
}

WinogradLimits winograd_limits() { return limits; }
void set_winograd_limits(const WinogradLimits& wanted) { limits = wanted; }

}  // namespace npconv

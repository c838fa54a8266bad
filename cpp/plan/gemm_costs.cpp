// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_costs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/border.hpp"
#include "core/split.hpp"
#include "plan/part_inside.hpp"

namespace npconv {
namespace {

constexpr std::int64_t page = 4096, near_pages = 96;  // bytes of a page; pages that a core translates without a look-up

std::int64_t plane_bytes(const ConvShape& s, std::int64_t element) { return s.axis[0].input * s.axis[1].input * s.axis[2].input * element; }

std::int64_t pages(std::int64_t channels, std::int64_t plane) { return plane >= page ? channels : ceil_div(channels * plane, page); }

double copies(const ConvShape& s, const GemmTiling& t) {
    return copied_values(s, t) * as_double(t.blocks_of_map() * t.chunks.parts * t.k.blocks());
}

// Is the input, read in place, slow to find?
bool far_channels(const ConvShape& s, const GemmTiling& t, const Core& core, std::int64_t element) {
    if (t.flat) return channels_far_apart(s, element);
    if (!core.far_sighted || t.always_copied) return false;
    return pages(s.in_channels, plane_bytes(s, element)) + pages(t.panels.longest() * t.unit, s.pixels() * element) > near_pages;
}

// Of the products of a map, by the taps that find their pixel inside: those in a border of zeros are left out along the depth and the
// height, with lane = channel along the width, too.
double part_of_products(const Problem& p, Lane lane) {
    if (p.border != Border::zeros) return 1.0;
    const auto& axis = p.shape.axis;
    const double rows = part_inside(axis[0]) * part_inside(axis[1]);
    return lane == Lane::channel ? rows * part_inside(axis[2]) : rows;
}

// Pixels that find the same taps inside are tiles of their own, in a border of zeros.
double boxes_of_block(const Problem& p, const GemmTiling& t) {
    if (p.border != Border::zeros || t.flat) return 1.0;
    double boxes = 1.0;
    for (std::size_t i = 0; i < 3; ++i) {
        const Axis& a = p.shape.axis[i];
        const Inside whole = inside(a.at(0, 0), a.stride, a.input, 0, a.output);            // first tap,
        const Inside last = inside(a.at(0, a.kernel - 1), a.stride, a.input, 0, a.output);  // and last, inside
        const double border = std::min(as_double(whole.begin + a.output - last.end), 2.0 * as_double(a.kernel - 1));
        boxes *= std::min(as_double(t.longest_block()[i]), 1.0 + border / as_double(t.blocks[i].parts));
    }
    return boxes;
}

// Of one image and group.
WorkCounts work_with_channel_lanes(const Problem& p, const Context& on, const GemmEntry& kernels, const GemmTiling& t) {
    const ConvShape& s = p.shape;
    const bool last = p.layout == Layout::channels_last;
    const double wide = as_double(ceil_div(s.out_channels, kernels.lanes)), pixels = as_double(s.pixels());
    const double blocks = as_double(t.blocks_of_map());
    const double of_block = std::max(1.0, pixels / blocks), tiles = std::ceil(of_block / t.mr - 0.01) + 0.5 * (boxes_of_block(p, t) - 1.0);
    const double rows = std::max(of_block / tiles, std::min<double>(t.waiting_rows, t.mr));  // of a tile; fewer wait for their weights
    const bool merged = last || t.always_copied;  // the taps of a row are neighbours, channels included
    const double part = part_of_products(p, t.lane);
    const double per_cycle = on.products_per_cycle();
    const double panels = as_double(t.panels.parts);
    WorkCounts work;
    const bool far = !last && far_channels(s, t, on.machine.core, size_of(p.dtype));
    work[far ? Work::gemm_far_product : Work::gemm_product] =
        blocks * tiles * panels * as_double(s.k()) * cycles_of_step(rows, wide / panels, per_cycle) * part;
    const double all_tiles = blocks * tiles * panels;
    if (far) work[Work::gemm_far_read] = blocks * of_block * panels * as_double(s.k()) * as_double(s.axis[2].stride) * part;
    work[Work::gemm_tile] = all_tiles * as_double(t.k.blocks());
    work[Work::gemm_segment] = all_tiles * as_double(merged ? s.axis[0].kernel * s.axis[1].kernel : s.taps());
    const double weights = wide * as_double(s.k());  // vectors
    const double bytes_of_weights = weights * as_double(s.groups) * as_double(on.vector_bytes());
    count_far(bytes_of_weights, blocks * weights, Work::gemm_weights, Work::gemm_memory_weights, work);
    work[last ? Work::gemm_stored : Work::gemm_transposed] = pixels * wide;
    if (t.always_copied) work[Work::gemm_turned] = copies(s, t);
    return work;
}

WorkCounts work_with_pixel_lanes(const Problem& p, const Context& on, const GemmEntry& kernels, const GemmTiling& t) {
    const ConvShape& s = p.shape;
    const std::int64_t lanes = kernels.lanes, rows = s.axis[0].output * s.axis[1].output;
    const double vectors = as_double(s.flat() ? ceil_div(s.pixels(), lanes) : rows * ceil_div(s.axis[2].output, lanes));
    // A load an FMA: a vector of pixels counts twice, because it may cross cache lines.
    const double channels = as_double(std::min<std::int64_t>(std::max<std::int64_t>(1, s.out_channels), kernels.pixel_mr));
    const double loads = std::max(1.0, (2.0 * kernels.pixel_nv + channels) / (channels * kernels.pixel_nv));
    const double k = as_double(s.k()) / on.products_per_cycle();
    const bool in_place = s.flat() && s.pixels() % lanes == 0;
    WorkCounts work;
    work[Work::pixel_product] = vectors * as_double(s.out_channels) * k * loads * part_of_products(p, t.lane);
    work[Work::pixel_stored] = vectors * as_double(s.out_channels);
    if (!in_place) {
        const double copied = copies(s, t), row = as_double(t.longest_block()[2]) + as_double(s.axis[2].kernel - 1);
        work[s.axis[2].stride == 1 ? Work::pixel_copied : Work::pixel_picked] = copied;
        work[Work::pixel_run] = copied / row;
    }
    return work;
}

WorkCounts work_of_image(const Problem& p, const Context& on, const GemmEntry& kernels, const GemmTiling& t) {
    WorkCounts work = t.lane == Lane::channel ? work_with_channel_lanes(p, on, kernels, t) : work_with_pixel_lanes(p, on, kernels, t);
    work[Work::gemm_task] = as_double(t.blocks_of_map() * t.chunks.parts);
    return work;
}

}  // namespace

double cycles_of_step(double rows, double vectors, double per_cycle) {
    constexpr double latency = 4.0;
    return std::max(rows * vectors / per_cycle, latency);
}

bool channels_far_apart(const ConvShape& s, std::int64_t element) { return pages(s.in_channels, plane_bytes(s, element)) > near_pages; }

bool channels_alias(const ConvShape& s, std::int64_t channels, std::int64_t element) {
    constexpr std::int64_t way_bytes = 4096, ways = 12;
    return channels > way_bytes / std::gcd(plane_bytes(s, element), way_bytes) * ways;
}

double copied_values(const ConvShape& s, const GemmTiling& t) {
    const auto pixels = t.longest_block();
    double values = as_double(t.k.channels.longest());
    for (std::size_t i = 0; i < 3; ++i) {
        const Axis& a = s.axis[i];
        const double n = as_double(pixels[i]), taps = as_double(t.k.taps[i].longest());
        values *= std::min((n - 1) * as_double(a.stride) + (taps - 1) * as_double(a.dilation) + 1, n * taps);
    }
    return values;
}

WorkCounts gemm_work(const Problem& p, const Context& on, const GemmTiling& t) {
    WorkCounts work;
    if (p.shape.without_products()) return work;
    work = work_of_image(p, on, entry_for(on.entries->gemm, p, on), t);
    work *= as_double(p.shape.groups) * as_double(p.shape.batch);
    work[Work::gemm_call] = 1.0;
    const double lines = lines_by_groups(p), bytes = lines_of_input(p) * line_bytes;
    const bool channel = t.lane == Lane::channel;
    count_far(bytes, lines, channel ? Work::gemm_line : Work::pixel_line, channel ? Work::gemm_memory_line : Work::pixel_memory_line, work);
    return work;
}

double gemm_cycles(const Problem& p, const Context& on, const GemmTiling& t) {
    return cycles_of(gemm_work(p, on, t), on.machine.core, on.vector_bytes());
}

}  // namespace npconv

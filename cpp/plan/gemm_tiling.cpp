// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_tiling.hpp"

#include <algorithm>

#include "kernels/registry.hpp"

namespace npconv {
namespace {

TilingLimits limits;

// Sums leave the registers while those of the next tile begin, which fits in the processor's window only if they are few: 4 x 4 vectors
// lose 10 cycles a tile, 7 x 4 lose 60. Where k is long enough to hide that, larger tiles read fewer weights.
constexpr std::int64_t short_sum = 256;
constexpr int vectors_of_short_sums = 18;

// lane = pixel: where sums are shorter, it counts more that the output is written in long runs than that a tile's pixels stay in L1.
constexpr std::int64_t sum_in_cache = 64;
constexpr std::int64_t near_weights = 128 * 1024;  // bytes: an eighth of a second-level cache, half of an old one
constexpr std::int64_t blocks_of_large_map = 16;

double as_double(std::int64_t n) { return static_cast<double>(n); }

// Runs of at most `most`; an even number if there are several, so that two threads get as much each.
EvenSplit paired(std::int64_t n, std::int64_t most) {
    const EvenSplit split = split_by(n, std::max<std::int64_t>(1, most));
    return split.parts > 1 && split.parts < n ? EvenSplit(n, split.parts + split.parts % 2) : split;
}

// Rows are cut where they alone fill a block; else a block has whole rows, and where all rows fit whole slices.
void cut_map(GemmTiling& t, std::int64_t most) {
    t.blocks[2] = paired(ceil_div(t.map[2], t.step), most / t.step);
    const std::int64_t row = t.lane == Lane::pixel ? ceil_div(t.map[2], t.step) * t.step : t.map[2];  // whole vectors are kept
    std::int64_t room = t.blocks[2].parts > 1 ? 1 : most / std::max<std::int64_t>(1, row);
    for (const std::size_t a : {std::size_t{1}, std::size_t{0}}) {
        t.blocks[a] = paired(t.map[a], room);
        room = t.blocks[a].parts > 1 ? 1 : room / std::max<std::int64_t>(1, t.map[a]);
    }
}

// Blocks cost something each, and each reads the weights anew: on large maps they are up to `times` larger.
std::int64_t pixels_of_block(const ConvShape& s, std::int64_t pixels, std::int64_t times) {
    return std::clamp(s.pixels() / blocks_of_large_map, pixels, pixels * times);
}

// Where nothing is kept of a block but its output, or a copy of its input that is no larger than elsewhere.
std::int64_t times_if_nothing_is_kept(const ConvShape& s) {
    return std::clamp<std::int64_t>(limits.k_of_block / std::max<std::int64_t>(1, s.in_channels), 1, limits.larger_block);
}

// Cycles that a vector of sums costs beside its multiplications, and a value that is copied; measured on Zen 4 with maps that are larger
// than the second-level cache.
struct Costs {
    double stored = 6.0;        // to leave the registers for the output
    double transposed = 16.0;   // to leave through a buffer
    double copied = 0.4;        // a run of values
    double picked = 1.2;        // every n-th value
    double pixel_lanes = 1.02;  // a multiplication with lane = pixel: vectors cross cache lines
};

template <class T>
double cycles(const ConvShape& s, const Kernels<T>& kernels, Layout layout, Lane lane) {
    const Costs cost;
    // One vector of 64 bytes is multiplied a cycle, or two narrower ones.
    const double multiplied = kernels.lanes * static_cast<int>(sizeof(T)) >= 64 ? 1.0 : 0.5;
    const std::int64_t lanes = kernels.lanes;
    const double k = as_double(s.k()) * multiplied;
    if (lane == Lane::channel) {
        const double leaving = layout == Layout::channels_last ? cost.stored : cost.transposed;
        return as_double(s.pixels()) * as_double(ceil_div(s.out_channels, lanes)) * (k + leaving);
    }
    const std::int64_t rows = s.axis[0].output * s.axis[1].output;
    const std::int64_t vectors = s.flat() ? ceil_div(s.pixels(), lanes) : rows * ceil_div(s.axis[2].output, lanes);
    const bool in_place = s.flat() && s.pixels() % lanes == 0;
    const double values = as_double(s.in_channels) * as_double(s.axis[0].input * s.axis[1].input * s.axis[2].input);
    const double copied = in_place ? 0.0 : values * (s.axis[2].stride == 1 ? cost.copied : cost.picked);
    // A load an FMA: a vector of pixels counts twice, because it may cross cache lines.
    const double channels = as_double(std::min<std::int64_t>(std::max<std::int64_t>(1, s.out_channels), kernels.pixel_mr));
    const double per_product = std::max(cost.pixel_lanes, (2.0 * kernels.pixel_nv + channels) / (channels * kernels.pixel_nv));
    return as_double(vectors) * as_double(s.out_channels) * (k * per_product + cost.stored) + copied;
}

template <class T>
GemmTiling tile(const Problem& p, const Kernels<T>& kernels) {
    const ConvShape& s = p.shape;
    GemmTiling t;
    t.lanes = kernels.lanes;
    t.lane = p.lane;
    if (t.lane == Lane::automatic) {
        const bool pixel =
            p.layout == Layout::channels_first && cycles(s, kernels, p.layout, Lane::pixel) < cycles(s, kernels, p.layout, Lane::channel);
        t.lane = pixel ? Lane::pixel : Lane::channel;
    }
    t.flat = s.flat();
    t.map = t.flat ? std::array<std::int64_t, 3>{1, 1, s.pixels()}
                   : std::array<std::int64_t, 3>{s.axis[0].output, s.axis[1].output, s.axis[2].output};
    t.k = order_k(s, limits.taps_of_block, limits.k_of_block);
    t.k_length = s.k();
    if (t.lane == Lane::channel) {
        t.nv = static_cast<int>(std::min<std::int64_t>(kernels.nv, limits.widest_tile));
        t.unit = t.lanes;
        t.panels = split_by(ceil_div(s.out_channels, t.unit), t.nv);
        t.nv = static_cast<int>(std::max<std::int64_t>(1, t.panels.longest()));
        t.mr = kernels.mr[t.nv - 1];
        if (t.k_length <= short_sum) t.mr = std::min(t.mr, std::max(4, vectors_of_short_sums / t.nv));
        t.step = t.mr;
        const std::int64_t channels = std::min(t.panels.n * t.unit, limits.channels_of_chunk);
        t.panels_inside =
            p.layout == Layout::channels_last && channels * t.k.longest() * static_cast<std::int64_t>(sizeof(T)) <= near_weights;
        const bool nothing_kept = t.flat && t.panels_inside && t.k.blocks() == 1;
        const std::int64_t times = nothing_kept ? times_if_nothing_is_kept(s) : std::min<std::int64_t>(2, limits.larger_block);
        cut_map(t, pixels_of_block(s, limits.pixels_of_block, times));
    } else {
        t.nv = static_cast<int>(std::min<std::int64_t>(kernels.pixel_nv, limits.widest_tile));
        t.mr = kernels.pixel_mr;
        t.panels = split_by(s.out_channels, t.mr);
        t.mr = static_cast<int>(std::max<std::int64_t>(1, t.panels.longest()));
        t.step = t.lanes;
        t.panels_inside = t.flat && t.k_length >= sum_in_cache;
        const bool nothing_kept = t.flat && t.k.blocks() == 1;
        cut_map(t, pixels_of_block(s, limits.pixel_lanes_of_block, nothing_kept ? times_if_nothing_is_kept(s) : 1));
    }
    const std::int64_t blocks = s.empty() ? 0 : s.batch * s.groups * t.blocks_of_map();
    const std::int64_t width = std::max<std::int64_t>(1, t.panels.longest()) * t.unit;  // no channels: no panels
    const std::int64_t panels_of_chunk = std::max<std::int64_t>(1, limits.channels_of_chunk / width);
    const std::int64_t fewest = ceil_div(t.panels.parts, panels_of_chunk);
    // A copy of the input that is used for few products would cost as much as they do.
    const std::int64_t least_panels = t.lane == Lane::pixel && t.k_length > 0 ? ceil_div(limits.products_of_copy, s.taps() * width) : 1;
    const std::int64_t most = std::max<std::int64_t>(1, t.panels.parts / std::max<std::int64_t>(1, least_panels));
    const std::int64_t wanted = std::min(most, ceil_div(limits.enough_tasks, std::max<std::int64_t>(blocks, 1)));
    t.chunks = EvenSplit(t.panels.parts, std::clamp(wanted, fewest, t.panels.parts));
    t.tasks = blocks * t.chunks.parts;
    return t;
}

}  // namespace

Box GemmTiling::block(std::int64_t i) const {
    Box b;
    for (std::size_t a = 3; a-- > 0;) {
        const std::int64_t n = i % blocks[a].parts, each = a == 2 ? step : 1;
        b.begin[a] = blocks[a].begin(n) * each;
        b.end[a] = std::min(map[a], (blocks[a].begin(n) + blocks[a].length(n)) * each);
        i /= blocks[a].parts;
    }
    return b;
}

std::array<std::int64_t, 3> GemmTiling::longest_block() const {
    return {blocks[0].longest(), blocks[1].longest(), std::min(map[2], blocks[2].longest() * step)};
}

std::int64_t GemmTiling::most_pixels() const {
    const auto n = longest_block();
    return n[0] * n[1] * n[2];
}

std::int64_t GemmTiling::most_vectors_of_pixels() const {
    const auto n = longest_block();
    return n[0] * n[1] * ceil_div(n[2], lanes);
}

GemmTiling tile_gemm(const Problem& p) { return p.dtype == DType::f32 ? tile(p, p.kernels->f32) : tile(p, p.kernels->f64); }

GemmTiling tile_gemm_for_many_images(const Problem& problem) {
    Problem many = problem;
    many.shape.batch = limits.enough_tasks;
    return tile_gemm(many);
}

double gemm_cycles(const Problem& p, Lane lane) {
    const double image =
        p.dtype == DType::f32 ? cycles(p.shape, p.kernels->f32, p.layout, lane) : cycles(p.shape, p.kernels->f64, p.layout, lane);
    return image * as_double(p.shape.groups);
}

int worthwhile_threads(const Problem& p, int threads) { return p.shape.macs() < limits.macs_of_region ? 1 : threads; }

TilingLimits tiling_limits() { return limits; }
void set_tiling_limits(const TilingLimits& wanted) { limits = wanted; }

}  // namespace npconv

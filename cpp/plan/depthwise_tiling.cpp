// SPDX-License-Identifier: BSD-3-Clause
#include "plan/depthwise_tiling.hpp"

#include <algorithm>

#include "kernels/table.hpp"
#include "plan/depthwise_costs.hpp"

namespace npconv {
namespace {

const DepthwiseEntry& kernels_of(const Problem& p, const Context& on) { return entry_for(on.entries->depthwise, p, on); }

int lanes_of(const Problem& p, const Context& on) { return kernels_of(p, on).lanes; }

std::int64_t span(const Axis& a, std::int64_t outputs) { return (outputs - 1) * a.stride + (a.kernel - 1) * a.dilation + 1; }

// As if nothing could overflow.
double reach(const Axis& a) {
    return as_double(a.pad_before) + as_double(a.output) * as_double(a.stride) + as_double(a.kernel) * as_double(a.dilation);
}

using Outputs = std::array<std::int64_t, 3>;

std::int64_t plane_bytes(const Problem& p, const Context& on, const Outputs& n) {
    return padded_rows(p, n[1]) * padded_columns(p, lanes_of(p, on), n[2]) * size_of(p.dtype);
}

std::int64_t block_bytes(const Problem& p, const DepthwiseTiling& t, const Outputs& n) {
    const std::int64_t sums = t.keeps_sums ? n[0] * n[1] * n[2] : 0;
    const std::int64_t lists = n[0] * n[1] * t.most_tap_runs(p.shape) * static_cast<std::int64_t>(sizeof(TapRun));
    return (copied_pixels(p, n) + sums) * t.together * t.lanes * size_of(p.dtype) + lists;
}

// Blocks of whole rows, of more than one only if they are whole, and likewise planes, so that a block's pixels are neighbours in y.
// fits(outputs along each axis): is that small enough for a block? unit: what parts of rows are a multiple of.
template <class F>
void cut_map(DepthwiseTiling& t, const ConvShape& s, std::int64_t unit_of_row, const F& fits) {
    Outputs n{1, 1, 1};
    const auto grow = [&](std::size_t a, std::int64_t unit) {
        const std::int64_t output = s.axis[a].output;
        const auto fits_with = [&](std::int64_t outputs) {
            Outputs grown = n;
            grown[a] = outputs;
            return fits(grown);
        };
        std::int64_t low = std::min(output, unit), high = output;  // low fits, or is the least
        if (fits_with(high)) low = high;
        while (high - low > unit) {
            const std::int64_t middle = low + (high - low) / 2;
            (fits_with(middle) ? low : high) = middle;
        }
        if (low < output) low = std::max(unit, low / unit * unit);
        t.map[a] = SpreadSplit(output, ceil_div(output, low));
        n[a] = t.map[a].longest();
        return t.map[a].parts == 1;
    };
    for (std::size_t a = 0; a < 3; ++a) t.map[a] = SpreadSplit(s.axis[a].output, s.axis[a].output);
    if (grow(2, unit_of_row) && grow(1, 1)) grow(0, 1);
}

// Bytes of rows that are to stay in the first-level cache. (Two thirds of it, to leave room for weights, are 10 to 20% slower: there are
// more chunks then.)
std::int64_t window_bytes(const Context& on) { return std::min(on.limits.depthwise.bytes_of_window, on.machine.l1d_bytes); }

// Of a row of outputs of a vector of channels, or of three rows.
std::int64_t window_of_vector(const Problem& p, const DepthwiseTiling& t) {
    return copied_pixels(p, {1, t.shares_rows ? depthwise_rows : 1, t.longest(2)}) * t.lanes * size_of(p.dtype);
}

// So that there are tasks enough: 1, or more.
std::int64_t chunks_wanted(const Context& on, const ConvShape& s, const DepthwiseTiling& t) {
    const std::int64_t others = std::max<std::int64_t>(1, s.batch) * t.blocks();
    return others >= on.limits.depthwise.enough_tasks ? 1 : ceil_div(on.limits.depthwise.enough_tasks, others);
}

DepthwiseTiling tile_channels(const Problem& p, const Context& on, bool keeps_sums, std::int64_t most_pixels) {
    const ConvShape& s = p.shape;
    const Axis& width = s.axis[2];
    DepthwiseTiling t;
    t.lanes = lanes_of(p, on);
    t.group = s.in_channels;
    t.multiplier = s.out_channels / std::max<std::int64_t>(1, s.in_channels);
    t.copied = p.layout == Layout::channels_first || (p.border != Border::zeros && s.padded()) || t.multiplier != 1;
    t.keeps_sums = keeps_sums;
    t.by_tap = width.dilation > 1 || width.stride > depthwise_strides;
    t.step = t.by_tap ? 1 : width.stride;
    t.taps = split_by(width.kernel, t.by_tap ? 1 : depthwise_taps);
    const auto three = [](const Axis& a) { return a.kernel == 3 && a.stride == 1 && a.dilation == 1; };
    t.shares_rows = three(s.axis[1]) && three(width) && kernels_of(p, on).row_tiles;
    t.channels = ceil_div(s.groups * s.out_channels, t.lanes);
    t.together = kernels_of(p, on).vectors;
    if (s.empty()) return t;
    cut_map(t, s, std::min<std::int64_t>(depthwise_pixels, most_pixels), [&](const Outputs& n) {
        const std::int64_t residual = n[0] * n[1] * n[2] * t.together * t.lanes * size_of(p.dtype);  // a copy of it, if that must be
        return n[0] * n[1] * n[2] <= most_pixels && std::max(block_bytes(p, t, n), residual) <= on.limits.depthwise.bytes_of_block;
    });
    // Channels that are copied a few vectors after the others are cut as tasks need it, those in place so that rows stay near.
    std::int64_t most = on.limits.depthwise.channels_of_chunk;
    if (!t.copied) most = std::min(most, window_bytes(on) / std::max<std::int64_t>(1, window_of_vector(p, t)));
    most = std::max(std::min(most, t.channels / chunks_wanted(on, s, t)) / t.together, std::int64_t{1}) * t.together;
    t.chunks = SpreadSplit(t.channels, ceil_div(t.channels, most));
    t.tasks = s.batch * t.chunks.parts * t.blocks();
    return t;
}

DepthwiseTiling tile_planes(const Problem& p, const Context& on, std::int64_t most_pixels) {
    const ConvShape& s = p.shape;
    DepthwiseTiling t;
    t.lane = Lane::pixel;
    t.lanes = lanes_of(p, on);
    t.step = s.axis[2].stride;
    t.taps = EvenSplit(s.axis[2].kernel, 1);
    t.multiplier = s.out_channels;
    t.channels = s.groups * s.out_channels;
    if (s.empty()) return t;
    cut_map(t, s, t.lanes, [&](const Outputs& n) {
        return n[0] * n[1] * n[2] <= most_pixels && plane_bytes(p, on, n) <= on.limits.depthwise.bytes_of_plane;
    });
    if (s.axis[0].kernel > 1) {
        t.together = std::clamp<std::int64_t>(window_bytes(on) / (t.longest(1) * t.longest(2) * size_of(p.dtype)), 1, t.channels);
    }
    t.chunks = SpreadSplit(t.channels, std::min(t.channels, chunks_wanted(on, s, t)));
    t.tasks = s.batch * t.chunks.parts * t.blocks();
    return t;
}

bool planes_serve(const Problem& p, const Context& on) {
    constexpr std::int64_t most_bytes = 1 << 20;
    const auto& axis = p.shape.axis;
    const Axis &height = axis[1], &width = axis[2];
    const std::int64_t k = width.kernel;
    if (p.layout != Layout::channels_first || p.shape.in_channels != 1 || (axis[0].kernel > 1 && k != 3)) return false;
    if (height.kernel != k || (k != 3 && k != 5 && k != 7) || height.stride != width.stride || width.stride > depthwise_strides)
        return false;
    for (const Axis* a : {&height, &width}) {
        if (a->dilation != 1 || std::max(a->pad_before, a->pad_after) >= k || a->input == 0) return false;
    }
    return plane_bytes(p, on, {1, 1, lanes_of(p, on)}) <= most_bytes;
}

DepthwiseTiling tile_with(const Problem& p, const Context& on, Lane lane) {
    if (lane == Lane::pixel && planes_serve(p, on)) return tile_planes(p, on, p.shape.pixels());
    return tile_channels(p, on, p.layout == Layout::channels_first, p.shape.pixels());
}

}  // namespace

Box DepthwiseTiling::block(std::int64_t i) const {
    const std::array<std::int64_t, 3> at{i / map[2].parts / map[1].parts, i / map[2].parts % map[1].parts, i % map[2].parts};
    Box box;
    for (std::size_t a = 0; a < 3; ++a) {
        box.begin[a] = map[a].begin(at[a]);
        box.end[a] = box.begin[a] + map[a].length(at[a]);
    }
    return box;
}

std::int64_t copied_places(const Problem& p, std::size_t axis, std::int64_t outputs) {
    const Axis& a = p.shape.axis[axis];
    return p.border == Border::zeros || !a.padded() ? std::min(span(a, outputs), a.input) : span(a, outputs);
}

std::int64_t copied_pixels(const Problem& p, const std::array<std::int64_t, 3>& outputs) {
    return copied_places(p, 0, outputs[0]) * copied_places(p, 1, outputs[1]) * copied_places(p, 2, outputs[2]);
}

CacheUse cache_use(const Problem& p, const Context& on, const DepthwiseTiling& t) {
    if (p.shape.empty()) return {};
    const Outputs block = t.longest_block();
    if (t.lane == Lane::channel) {
        if (t.copied) return {0, t.most_pixels() > depthwise_pixels ? block_bytes(p, t, block) : 0};  // no block is smaller
        const std::int64_t window = window_of_vector(p, t) * t.chunks.longest();
        return {t.chunks.longest() > t.together ? window : 0, 0};  // no fewer channels than a register tile has, whatever their size
    }
    const std::int64_t sums = block[1] * block[2] * t.together * size_of(p.dtype);
    return {p.shape.axis[0].kernel > 1 && t.together > 1 ? sums : 0, t.most_pixels() > t.lanes ? plane_bytes(p, on, block) : 0};
}

bool planes_in_place(const Problem& p, const Context& on) { return kernels_of(p, on).planes; }

std::int64_t padded_rows(const Problem& p, std::int64_t outputs) { return span(p.shape.axis[1], outputs); }

std::int64_t padded_columns(const Problem& p, int lanes, std::int64_t outputs) {
    const Axis& width = p.shape.axis[2];
    return width.stride * ceil_div(outputs, lanes) * lanes + width.kernel - 1;
}

std::string depthwise_refusal(const Problem& p, const Context& on) {
    constexpr double most_reach = 1e12, most_taps = 2e4, most_bytes = 1e6;
    const ConvShape& s = p.shape;
    const int lanes = lanes_of(p, on);
    const std::int64_t of_group = s.in_channels;  // one group alone is a dense layer
    const bool grouped = s.groups > 1 && of_group > 1 && of_group == s.out_channels && of_group <= lanes && lanes % of_group == 0;
    if (s.in_channels != 1 && !grouped) {
        return "it serves groups of one input channel, or several of as many out as in, a power of 2 and at most " + std::to_string(lanes) +
               "; here they have " + std::to_string(s.in_channels) + " in and " + std::to_string(s.out_channels) + " out";
    }
    if (as_double(s.taps()) > most_taps) return "the kernel has too many taps";
    double window = as_double(on.vector_bytes());
    for (std::size_t a = 0; a < 3; ++a) {
        if (reach(s.axis[a]) > most_reach) return "the padding or the dilation is too large";
        window *= as_double(copied_places(p, a, std::min<std::int64_t>(s.axis[a].output, a == 2 ? depthwise_pixels : 1)));
    }
    if (window > most_bytes) return "a pixel's window is too large to be copied";
    return {};
}

DepthwiseTiling tile_depthwise(const Problem& p, const Context& on) {
    if (p.packed_as.depthwise_lane != Lane::automatic) return tile_with(p, on, p.packed_as.depthwise_lane);
    if (on.limits.depthwise.lane != Lane::automatic) return tile_with(p, on, on.limits.depthwise.lane);
    if (p.shape.empty() || !planes_serve(p, on)) return tile_with(p, on, Lane::channel);
    // One image decides: the sign of a zero may differ, and must be the same for every batch.
    Problem image = p;
    image.shape.batch = 1;
    const Context usual = on.for_decisions();
    const auto cycles = [&](Lane lane) { return depthwise_cycles(image, usual, tile_with(image, usual, lane)); };
    return tile_with(p, on, cycles(Lane::pixel) < cycles(Lane::channel) ? Lane::pixel : Lane::channel);
}

DepthwiseTiling tile_depthwise_blocks(const Problem& p, const Context& on, std::int64_t most_pixels) {
    return tile_depthwise(p, on).lane == Lane::pixel ? tile_planes(p, on, most_pixels) : tile_channels(p, on, false, most_pixels);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/depthwise_tiling.hpp"

#include <algorithm>

#include "kernels/table.hpp"

namespace npconv {
namespace {

DepthwiseLimits limits;

std::int64_t span(const Axis& a, std::int64_t outputs) { return (outputs - 1) * a.stride + (a.kernel - 1) * a.dilation + 1; }

// As if nothing could overflow.
double reach(const Axis& a) {
    return as_double(a.pad_before) + as_double(a.output) * as_double(a.stride) + as_double(a.kernel) * as_double(a.dilation);
}

std::int64_t block_bytes(const Problem& p, const DepthwiseTiling& t, const std::array<std::int64_t, 3>& outputs) {
    const std::int64_t sums = t.keeps_sums ? outputs[0] * outputs[1] * outputs[2] : 0;
    const std::int64_t lists = outputs[0] * outputs[1] * t.most_tap_rows(p.shape) * static_cast<std::int64_t>(sizeof(TapRow));
    return (copied_pixels(p, outputs) + sums) * t.together * t.lanes * size_of(p.dtype) + lists;
}

// Blocks of whole rows, of more than one only if they are whole, and likewise planes, so that a block's pixels are neighbours in y.
void cut_map(DepthwiseTiling& t, const Problem& p, std::int64_t most_pixels) {
    const auto& axis = p.shape.axis;
    std::array<std::int64_t, 3> n{1, 1, 1};
    const auto grow = [&](std::size_t a, std::int64_t unit) {
        const std::int64_t output = axis[a].output;
        const auto fits = [&](std::int64_t outputs) {
            auto grown = n;
            grown[a] = outputs;
            return grown[0] * grown[1] * grown[2] <= most_pixels && block_bytes(p, t, grown) <= limits.bytes_of_block;
        };
        std::int64_t low = std::min(output, unit), high = output;  // low fits, or is the least
        if (fits(high)) low = high;
        while (high - low > unit) {
            const std::int64_t middle = low + (high - low) / 2;
            (fits(middle) ? low : high) = middle;
        }
        n[a] = low < output ? std::max(unit, low / unit * unit) : output;
        t.map[a] = SpreadSplit(output, ceil_div(output, n[a]));
        n[a] = t.map[a].longest();
        return n[a] == output;
    };
    for (std::size_t a = 0; a < 3; ++a) t.map[a] = SpreadSplit(axis[a].output, axis[a].output);
    if (grow(2, depthwise_pixels) && grow(1, 1)) grow(0, 1);
}

DepthwiseTiling tile(const Problem& p, bool keeps_sums, std::int64_t most_pixels) {
    const ConvShape& s = p.shape;
    const Axis& width = s.axis[2];
    DepthwiseTiling t;
    t.lanes = p.dtype == DType::f32 ? p.kernels->f32.lanes : p.kernels->f64.lanes;
    const bool bordered = p.border != Border::zeros && s.padded();
    t.copied = p.layout == Layout::channels_first || bordered || s.out_channels != 1;
    t.keeps_sums = keeps_sums;
    t.by_tap = width.dilation > 1 || width.stride > depthwise_strides;
    t.step = t.by_tap ? 1 : width.stride;
    t.taps = split_by(width.kernel, t.by_tap ? 1 : depthwise_taps);
    t.vectors = ceil_div(s.groups * s.out_channels, t.lanes);
    t.together = p.dtype == DType::f32 ? p.kernels->depthwise->f32.vectors : p.kernels->depthwise->f64.vectors;
    if (s.empty()) return t;
    cut_map(t, p, most_pixels);
    // Channels that are copied one vector after the other are cut as tasks need it, others in stretches of neighbours.
    const std::int64_t others = std::max<std::int64_t>(1, s.batch) * t.blocks();
    const std::int64_t wanted = others >= limits.enough_tasks ? 1 : ceil_div(limits.enough_tasks, others);
    std::int64_t most = limits.vectors_of_chunk;
    if (!t.copied) most = std::min(most, limits.bytes_of_window / (copied_pixels(p, {1, 1, t.longest(2)}) * t.lanes * size_of(p.dtype)));
    most = std::max(std::min(most, t.vectors / wanted) / t.together, std::int64_t{1}) * t.together;
    t.chunks = SpreadSplit(t.vectors, ceil_div(t.vectors, most));
    t.tasks = s.batch * t.chunks.parts * t.blocks();
    return t;
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

std::string depthwise_refusal(const Problem& p) {
    constexpr double most_reach = 1e12, most_taps = 2e4, most_bytes = 1e6;
    const ConvShape& s = p.shape;
    if (s.in_channels != 1) return "it has kernels for one input channel a group, and each group has " + std::to_string(s.in_channels);
    if (as_double(s.taps()) > most_taps) return "the kernel has too many taps";
    double window = as_double(p.kernels->vector_bytes);
    for (std::size_t a = 0; a < 3; ++a) {
        if (reach(s.axis[a]) > most_reach) return "the padding or the dilation is too large";
        window *= as_double(copied_places(p, a, std::min<std::int64_t>(s.axis[a].output, a == 2 ? depthwise_pixels : 1)));
    }
    if (window > most_bytes) return "a pixel's window is too large to be copied";
    return {};
}

DepthwiseTiling tile_depthwise(const Problem& p) { return tile(p, p.layout == Layout::channels_first, p.shape.pixels()); }

DepthwiseTiling tile_depthwise_blocks(const Problem& p, std::int64_t most_pixels) { return tile(p, false, most_pixels); }

DepthwiseLimits depthwise_limits() { return limits; }
void set_depthwise_limits(const DepthwiseLimits& wanted) { limits = wanted; }

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/long_tiling.hpp"

#include <bit>
#include <numeric>

#include "core/parallel.hpp"
#include "core/workspace.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size most_bytes = 5'500'000, most_lanes = 64, enough_tasks = 64;

Size modulo(Size a, Size m) { return (a % m + m) % m; }

// The class of an axis that none exceeds in any size.
ClassOfAxis largest(const Axis& a) {
    ClassOfAxis c = class_of(a, 0, 1);
    c.input = ceil_div(a.input, a.dilation);
    c.output = ceil_div(a.output, classes_of(a));
    return c;
}

// Sources that n neighbours see at most.
Size seen(const Ranges& r, Size n) { return std::min(r.sources, (n - 1) * r.step() + r.longest()); }

// The tile of the inner axes whose results see these sources: of sources, of what has been pooled along one axis, and of the two that
// slide.
Size inner_cells(const Ranges& ra, const Ranges& rb, Size sources_a, Size sources_b, Size results_b, Size lanes) {
    return (sources_a * sources_b + sources_a * results_b) * lanes +
           std::max(SlidingPlan(ra).cells(results_b * lanes), SlidingPlan(rb).cells(lanes));
}

Size cells_of(LongKind kind, const ClassOfAxis& a, const ClassOfAxis& b, const ClassOfAxis& outer, Size tile_a, Size tile_b, Size lanes) {
    const bool spread = kind != LongKind::pooling;
    const Ranges ra = a.ranges(spread), rb = b.ranges(spread);
    const Size sa = seen(ra, tile_a), sb = seen(rb, tile_b);
    const Size cells = inner_cells(ra, rb, sa, sb, tile_b, lanes) + SlidingPlan(outer.ranges(spread)).cells(tile_a * tile_b * lanes);
    if (kind != LongKind::norm_gradient) return cells;
    const Size norms = sa * sb * lanes, xa = seen(a.forward(), sa), xb = seen(b.forward(), sb);
    return cells + inner_cells(a.forward(), b.forward(), xa, xb, sb, lanes) + 2 * SlidingPlan(outer.forward()).cells(norms) + norms;
}

}  // namespace

SlidingPlan::SlidingPlan(const Ranges& r) {
    const Size longest = std::min(r.longest(), r.sources), shortest = r.shortest();
    if (longest <= 3 * r.step() || shortest < 4) return;
    const auto root = static_cast<Size>(std::bit_width(static_cast<std::uint64_t>(longest)) + 1) / 2;
    block = std::min(Size{1} << root, static_cast<Size>(std::bit_floor(static_cast<std::uint64_t>(shortest / 2))));
    ring = longest / block + 2;
}

Size classes_of(const Axis& a) { return std::min(a.dilation / std::gcd(a.stride, a.dilation), a.output); }

ClassOfAxis class_of(const Axis& a, Size c, Size most) {
    // Results c, c + apart, ... see inputs of one residue; the windows of two neighbours begin `stride` of these apart.
    const Size common = std::gcd(a.stride, a.dilation), apart = a.dilation / common;
    const auto one = [&](Size o) {
        ClassOfAxis k;
        const Size start = o * a.stride - a.pad_before, residue = modulo(start, a.dilation);
        k.kernel = a.kernel;
        k.stride = a.stride / common;
        k.pad = -(start - residue) / a.dilation;
        k.inputs = {residue, a.dilation, a.stride};
        k.outputs = {o, apart, 1};
        k.input = residue < a.input ? ceil_div(a.input - residue, a.dilation) : 0;
        k.output = ceil_div(a.output - o, apart);
        return k;
    };
    ClassOfAxis first = one(c);
    const Size all = classes_of(a);
    while (first.lanes < most && c + first.lanes < all) {
        const ClassOfAxis next = one(c + first.lanes);
        const bool alike = next.inputs.first == first.inputs.first + first.lanes * a.stride && next.pad == first.pad &&
                           next.input == first.input && next.output == first.output;
        if (!alike) break;
        ++first.lanes;
    }
    return first;
}

Part sources_of(const Ranges& r, Part results) {
    if (results.begin >= results.end) return {0, 0};
    const Size begin = r.begin(results.begin), end = r.end(results.end - 1);
    return {begin, std::max(begin, end)};
}

LongTiling tile_long_pool(const PoolShape& shape, Layout layout, LongKind kind, Size cell_bytes) {
    LongTiling t;
    t.shape = shape;
    t.spread = kind != LongKind::pooling;
    t.last = layout == Layout::channels_last && shape.channels > 1;
    const auto span = [&](std::size_t i) { return (shape.axis[i].kernel - 1) * shape.axis[i].dilation; };
    for (std::size_t i = 0; i < 3; ++i) {
        if (span(i) > span(t.outer) || (i == 2 && span(i) == span(t.outer))) t.outer = i;
    }
    t.a = t.outer == 0 ? 1 : 0;
    t.b = t.outer == 2 ? 1 : 2;
    const ClassOfAxis a = largest(shape.axis[t.a]), b = largest(shape.axis[t.b]), outer = largest(shape.axis[t.outer]);
    const Size all_a = a.ranges(t.spread).results, all_b = b.ranges(t.spread).results;
    Size lanes = std::min(most_lanes, t.last ? shape.channels : classes_of(shape.axis[t.outer])), tile_a = all_a, tile_b = all_b;
    const auto over = [&] {
        t.bytes = cells_of(kind, a, b, outer, tile_a, tile_b, lanes) * cell_bytes;
        return !t.fits();
    };
    while (over()) {
        if (lanes > 8 || (lanes > 1 && tile_a == 1 && tile_b == 1))
            lanes = ceil_div(lanes, 2);
        else if (tile_a > tile_b)
            tile_a = ceil_div(tile_a, 2);
        else if (tile_b > 1)
            tile_b = ceil_div(tile_b, 2);
        else
            break;
    }
    for (std::size_t i = 0; i < 3; ++i) {
        const Size classes = classes_of(shape.axis[i]);
        t.groups[i] = i == t.outer && !t.last ? split_by(classes, lanes) : EvenSplit(classes, classes);
    }
    t.channels = t.last ? split_by(shape.channels, lanes) : EvenSplit(shape.channels, shape.channels);
    t.tiles[0] = split_by(all_a, tile_a);
    t.tiles[1] = split_by(all_b, tile_b);
    const Ranges r = outer.ranges(t.spread);
    const Size shared = std::max<Size>({4 * r.longest() / r.step(), t.spread ? 4 * outer.kernel : 0, 1024});
    t.parts = EvenSplit(r.results, std::clamp<Size>(r.results / shared, 1, std::max<Size>(enough_tasks / t.tasks(), 1)));
    return t;
}

bool LongTiling::fits() const { return bytes <= most_bytes; }

Size LongTiling::tasks() const {
    return shape.batch * channels.parts * groups[0].parts * groups[1].parts * groups[2].parts * tiles[0].parts * tiles[1].parts *
           parts.parts;
}

int LongTiling::slots(int threads) const {
    return slots_of(tasks(), threads_for(std::max(shape.inputs(), shape.outputs()) * shape.planes(), threads));
}

Size LongTiling::workspace_bytes(int threads) const { return Workspace<1>::rounded(bytes) * slots(threads); }

}  // namespace npconv

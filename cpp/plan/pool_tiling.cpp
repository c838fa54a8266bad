// SPDX-License-Identifier: BSD-3-Clause
#include "plan/pool_tiling.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size few = 9;                      // taps of a window that are read one by one (channels last)
constexpr Size few_apart = 27;               // and where windows do not overlap
constexpr Size most_rows_of_steps = 16;      // of a window, where the kernel keeps all of its rows
constexpr Size most_taps_in_order = 8;       // of a row: more may be added in another order, by windows of twice the length
constexpr Size most_spread_stride = 64;      // phases that a row is put together from
constexpr Size from_blocks = 5;              // taps from which prefixes and suffixes are fewer operations
constexpr Size preferred_bytes = 640 << 10;  // what a block may have in the second-level cache beside x and y
constexpr Size most_bytes = 6 << 20;
constexpr Size promised_bytes = 6'000'000;  // of a thread, counts of divisors included
constexpr Size worth_a_block = 1024;        // elements between two windows from which each is read by a block of its own
constexpr Size most_repeats = 8;            // times that narrow blocks may read what neighbouring windows share
constexpr Size large_gather = 1 << 20;      // bytes of rows from which the taps of one pixel at a time are copied
constexpr Size most_anew = 64;              // times that a line may be made anew where memory is short
constexpr Size slab_bytes = 32 << 10;       // of rows in slots, to stay in the first-level cache
constexpr Size most_slab_kernel = 8;        // rows of a window that are joined at once
constexpr Size enough_tasks = 32;
constexpr Size least_cells = 8192;  // of a task that is not a whole plane

Size span(const PoolAxis& a) { return (a.kernel - 1) * a.dilation + 1; }
Size round_up(Size n, Size to) { return (n + to - 1) / to * to; }

// Joins for one window by windows of twice the length; sums take one more for each further bit of the length.
Size steps_of_doubling(Size k, PoolOp op) {
    const auto u = static_cast<std::uint64_t>(k);
    const Size doublings = static_cast<Size>(std::bit_width(u)) - 1;
    return op == PoolOp::sum || op == PoolOp::sum_of_powers ? doublings + std::popcount(u) - 1 : doublings + 1;
}

struct Tiler {
    const KernelPool& p;
    PoolTiling t;
    Size lanes = 1;
    bool wide = false;  // elements of buffers are not those of x
    bool masks = false;

    explicit Tiler(const KernelPool& problem) : p(problem) {}

    void set_elements() {
        const Size bytes = size_of(p.dtype), vector = p.entry->lanes * bytes;
        const bool placed = p.op == PoolOp::maximum_and_place, powers = p.op == PoolOp::sum_of_powers;
        t.element_bytes = placed ? p.entry->placed_bytes : powers ? 8 : bytes;
        t.place_bytes = placed ? t.element_bytes : 0;
        lanes = vector / t.element_bytes;
        masks = p.entry->masks;
        wide = t.element_bytes != bytes || powers;
    }

    Size taps() const {
        Size n = 1;
        for (const PoolAxis& a : t.axis) n *= a.kernel;
        return n;
    }

    // Windows that the kernels are not made for.
    bool beyond() const {
        Size plane = 1;
        for (const PoolAxis& a : t.axis) {
            if (!a.spread && span(a) > 2 * a.input + 64) return true;
            if (a.spread && (span(a) > 2 * a.output + 64 || a.stride > most_spread_stride)) return true;
            plane *= a.input;
        }
        return p.op == PoolOp::maximum_and_place && t.place_bytes == 4 && plane > std::numeric_limits<std::int32_t>::max();
    }

    bool overlapping() const {
        return std::any_of(t.axis.begin(), t.axis.end(), [](const PoolAxis& a) { return a.spread || span(a) > a.stride; });
    }
    bool dilated() const {
        return std::any_of(t.axis.begin(), t.axis.end(), [](const PoolAxis& a) { return a.dilation > 1; });
    }
    bool spread() const {
        return std::any_of(t.axis.begin(), t.axis.end(), [](const PoolAxis& a) { return a.spread; });
    }
    bool plain() const { return !wide && t.place_bytes == 0 && !p.divided_before; }
    bool direct() const { return t.whole_steps || t.few_taps || t.strips; }

    void choose_ways() {
        const PoolAxis& w = t.axis[2];
        const auto taps_of = [](const PoolAxis& a) { return a.spread ? (a.kernel - 1) / a.stride + 1 : a.kernel; };
        const Size rows = taps_of(t.axis[0]) * taps_of(t.axis[1]), taps = rows * taps_of(w);
        t.whole_steps = plain() && !spread() && !t.channels_last && !p.counted[2] && !dilated() && w.kernel == w.stride &&
                        (w.stride == 2 || w.stride == 4) && w.pad_before == 0 && w.output <= w.input / w.stride &&
                        rows <= most_rows_of_steps;
        const bool side_by_side = w.stride == 1 && !w.spread && p.channels < lanes;  // whole vectors across pixels are better then
        const auto in_order = [](const PoolAxis& a) { return a.spread || a.kernel < from_blocks || a.stride >= a.kernel; };  // as of lines
        t.few_taps = plain() && t.channels_last && !side_by_side && (taps <= few || (taps <= few_apart && !overlapping())) &&
                     in_order(t.axis[0]) && in_order(t.axis[1]) && w.kernel <= most_taps_in_order && !(spread() && dilated());
        t.dense = !w.spread && (w.stride == 1 || (w.dilation == 1 && w.kernel >= from_blocks &&
                                                  w.stride * (steps_of_doubling(w.kernel, p.op) + 1) < w.kernel));
        const PoolAxis& h = t.axis[1];
        const Size k = w.kernel, s = w.stride;
        t.strips = plain() && !spread() && masks && !t.channels_last && !t.whole_steps && t.axis[0].kernel == 1 && !dilated() &&
                   h.kernel == k && h.stride == s && ((s == 1 && (k == 2 || k == 3 || k == 5)) || (s == 2 && (k == 2 || k == 3))) &&
                   !p.counted[2] && !p.counted[1];
        for (std::size_t i = 0; i < 2; ++i) {
            PoolAxis& a = t.axis[i];
            a.blocks = !a.spread && a.dilation == 1 && a.kernel >= from_blocks && 2 * a.stride + 1 < a.kernel - 1;
            a.slots = a.blocks ? a.kernel : a.spread ? (span(a) - 1) / a.stride + 1 : span(a);
        }
    }

    // Buffers of blocks of `w` outputs along the width, `h` rows, `unit` channels.
    void measure(Size w, Size h, Size unit) {
        const PoolAxis& a = t.axis[2];
        const Size L = lanes;
        Size places, phases = 1, row = 0;
        if (a.spread) {
            const Size back = (span(a) - 1) / a.stride;
            places = (w + a.stride - 2) / a.stride + 1 + back;
            row = round_up(places * unit + L, L);
            t.line = round_up(w * unit + 2 * a.stride * unit + (a.stride <= 4 ? a.stride * L : 0) + L, L);
            t.lead = round_up(a.stride * unit, L);
        } else {
            places = (w - 1) * a.stride + span(a);
            if (t.dense) {
                row = round_up(places * unit + L, L) + L;
            } else if (unit == 1) {
                phases = a.stride <= 4 ? a.stride : std::min(a.stride, span(a));
                row = round_up(places / a.stride + 3, L) + 2 * L;
            }
            t.line = round_up(w * unit, L) + L;
            t.lead = 0;
        }
        t.row_pitch = row;
        const bool sums = p.op == PoolOp::sum || p.op == PoolOp::sum_of_powers;
        const bool deep = t.axis[0].kernel > 1 || t.axis[0].spread;
        t.elements = {};
        if (direct()) {  // the rows of one output row, and a line
            const Size rows = span(t.axis[0]) * span(t.axis[1]);
            t.by_pixel = dilated() && rows > large_gather / t.element_bytes / places / unit;
            t.elements[0] = t.by_pixel ? taps() * unit : rows * places * unit;
            t.elements[8] = t.line;
            return;
        }
        t.elements = {places * unit + L,
                      phases * row,
                      a.spread                                     ? a.stride * row
                      : t.dense && sums && a.kernel >= from_blocks ? row
                                                                   : 0,
                      t.dense && a.stride > 1 ? row : 0,
                      t.axis[1].slots * (t.lead + t.line),
                      t.line,
                      deep ? t.axis[0].slots * h * t.line : 0,
                      deep ? h * t.line : 0,
                      t.line};
    }

    // Rows in slots, instead of one by one, where many of them fit: what blocks of rows share is read twice.
    void choose_slab() {
        const PoolAxis &d = t.axis[0], &h = t.axis[1], &w = t.axis[2];
        if (t.whole_steps || t.channels_last || d.kernel > 1 || spread() || h.kernel > most_slab_kernel || h.output == 1) return;
        if (t.dense && w.stride > 1) return;
        const Size places = (w.output - 1) * w.stride + span(w);
        const Size phases = t.dense ? 1 : w.stride <= 4 ? w.stride : std::min(w.stride, span(w));
        Size slot = t.dense ? places : ceil_div(places, w.stride) + 1;
        if (8 * (round_up(slot, lanes) - slot) <= slot) slot = round_up(slot, lanes);  // aligned, if that costs little
        const Size used = std::min(h.stride, span(h)), extra = (span(h) - 1) / h.stride;
        const Size bytes = slot * (t.element_bytes + t.place_bytes) * used * (phases + 1);
        const Size rows = std::min(slab_bytes / bytes - extra, h.output);
        if (rows < 1 || (rows < h.output && rows < 4 * extra)) return;
        t.slab_rows = rows;
        t.slot = slot;
        const Size all = used * ((rows + extra) * slot + lanes);
        const bool sums = p.op == PoolOp::sum || p.op == PoolOp::sum_of_powers;
        t.row_pitch = round_up(all + span(w) + lanes, lanes) + lanes;
        t.line = round_up(w.output, lanes) + lanes;
        t.lead = 0;
        t.elements = {
            places + lanes, phases * t.row_pitch, t.dense && sums && w.kernel >= from_blocks ? t.row_pitch : 0, 0, t.row_pitch, 0, 0, 0,
            t.line};
        t.axis[1].blocks = false;
        t.axis[0].slots = t.axis[1].slots = 0;
    }

    // Blocks of fewer outputs along the width, or of fewer channels, where windows stand so far apart that most of a row would be read for
    // nothing, and where memory is short. No sum depends on either, nor on whether rows stand in a slab. Where this does not help the
    // windows are too large for the kernels.
    void narrow(Size width, Size height, Size& unit) {
        const PoolAxis& w = t.axis[2];
        const Size whole = width, channels = unit;
        const Size depth = ceil_div(t.axis[0].output, t.depth.parts);
        const auto bytes = [&] {
            if (!p.counted[0] && !p.counted[1] && !p.counted[2]) return t.bytes();
            return t.bytes() + 8 * (t.counts(0, depth) + t.counts(1, height) + t.counts(2, width));
        };
        const auto again = [&] {
            if (t.slab_rows > 0 && !t.strips) {
                t.slab_rows = t.slot = 0;
                t.axis[0].slots = 1;
                t.axis[1].slots = span(t.axis[1]);
                if (t.axis[1].slots > 4096) t.axis[1].slots = 1;
            }
            measure(width, height, unit);
            if (direct()) t.axis[0].slots = t.axis[1].slots = 0;
        };
        if (!w.spread && w.stride - span(w) >= worth_a_block && width > 1) {
            width = 1;
            again();
        }
        while (bytes() > promised_bytes && !t.large) {
            if (t.channels_last && unit > 2 * lanes)  // two vectors at least: a last block of one channel would be taken for a row
                unit = round_up(ceil_div(unit, 2), lanes);
            else if (width > 1 && (w.spread || most_repeats * ceil_div(width, 2) * w.stride >= span(w)))
                width = ceil_div(width, 2);
            else
                t.large = true;
            if (!t.large) again();
        }
        if (unit != channels) t.channels = SpreadSplit(ceil_div(p.channels, lanes), ceil_div(ceil_div(p.channels, lanes), unit / lanes));
        if (width != whole) t.width = SpreadSplit(w.output, ceil_div(w.output, width));
    }

    void cut() {
        const PoolAxis &d = t.axis[0], &h = t.axis[1], &w = t.axis[2];
        const bool deep = d.kernel > 1 || d.spread;
        Size unit = t.channels_last ? p.channels : 1, width = w.output, height = h.output, depth = d.output;
        measure(width, height, unit);
        const auto halve = [&](Size limit) {
            while (t.bytes() > limit) {
                if (deep && !direct() && height > 1)
                    height = ceil_div(height, 2);
                else if (direct() && width > 64)
                    width = ceil_div(width, 2);
                else if (unit > 4 * lanes)
                    unit = round_up(ceil_div(unit, 2), lanes);
                else if (width * unit > 4 * lanes && width > 1 && width * w.stride > span(w))
                    width = ceil_div(width, 2);
                else
                    return;
                measure(width, height, unit);
            }
        };
        halve(direct() ? most_bytes / 4 : preferred_bytes);
        if (t.bytes() > most_bytes) {  // lines are made anew for each window
            for (std::size_t i = 0; i < 2; ++i) {
                t.large |= t.axis[i].blocks && t.axis[i].kernel / t.axis[i].stride >= most_anew;
                t.axis[i].blocks = false;
                t.axis[i].slots = 1;
            }
            measure(width, height, unit);
            halve(most_bytes);
        }
        // Enough tasks for many threads, each of a size that is worth it; what neighbouring blocks both read is a small part of a block.
        const auto blocks = [&] {
            return t.planes * ceil_div(t.channels_last ? p.channels : 1, unit) * ceil_div(d.output, depth) * ceil_div(h.output, height) *
                   ceil_div(w.output, width);
        };
        const auto shorten = [&](const PoolAxis& a, Size& length, Size others) {
            const Size shared = direct() ? 1 : std::max<Size>(1, 8 * (span(a) - 1) / a.stride);
            while (blocks() < enough_tasks && length > 1) {
                const Size next = ceil_div(length, 2);
                if (next < shared || next * others < least_cells) return;
                length = next;
            }
        };
        shorten(d, depth, height * width * unit);
        shorten(h, height, depth * width * unit);
        if (w.output * unit > 4096 || h.output == 1) shorten(w, width, depth * height * unit);
        measure(width, height, unit);
        t.channels = SpreadSplit(t.channels_last ? p.channels : 1, ceil_div(t.channels_last ? p.channels : 1, unit));
        if (t.channels.parts > 1) {  // whole vectors but for the last block
            const Size vectors = ceil_div(p.channels, lanes);
            t.channels = SpreadSplit(vectors, ceil_div(vectors, unit / lanes));
        }
        t.depth = SpreadSplit(d.output, ceil_div(d.output, depth));
        t.height = SpreadSplit(h.output, ceil_div(h.output, height));
        t.width = SpreadSplit(w.output, ceil_div(w.output, width));
        if (t.strips) t.slab_rows = std::max<Size>(slab_bytes / ((w.output * w.stride + w.kernel) * t.element_bytes) / w.stride, 4);
        if (t.width.parts == 1 && !direct()) choose_slab();
        if (direct()) t.axis[0].slots = t.axis[1].slots = 0;
        narrow(ceil_div(w.output, t.width.parts), ceil_div(h.output, t.height.parts), unit);
        // What has been decided so far, and with it the order of sums, does not depend on the strides of x.
        if (p.side_by_side && !wide && !p.divided_before && (direct() || !p.flipped)) t.elements[0] = 0;
        t.by_pixel = t.by_pixel && !p.side_by_side;
        t.gathered = direct() && !p.side_by_side;
        t.set_batch(p.batch, t.channels_last ? 1 : p.channels);
    }

    PoolTiling made() {
        t.axis = p.axis;
        set_elements();
        t.channels_last = p.layout == Layout::channels_last && p.channels > 1;
        t.planes = t.channels_last ? p.batch : p.batch * p.channels;
        if (beyond()) return t;
        choose_ways();
        cut();
        t.served = !t.large;
        return t;
    }
};

}  // namespace

Size PoolTiling::counts(std::size_t i, Size outputs) const {
    const PoolAxis& a = axis[i];
    const Size n = i == 2 ? outputs : std::min(outputs, rows_at_once);
    return a.spread ? (n + a.stride - 2) / a.stride + 1 + (span(a) - 1) / a.stride : n + (span(a) - 1) / a.stride;
}

void PoolTiling::set_batch(Size batch, Size planes_of_image) {
    planes = batch * planes_of_image;
    const PoolAxis &d = axis[0], &h = axis[1], &w = axis[2];
    const Size cells = std::max(d.input * h.input * w.input, d.output * h.output * w.output);
    if (!channels_last) planes_of_task = std::clamp<Size>(least_cells / cells, 1, std::max<Size>(planes / enough_tasks, 1));
}

Size PoolTiling::bytes() const {
    Size sum = 0;
    for (const Size n : elements) sum += round_up(n * element_bytes, 64) + round_up(n * place_bytes, 64);
    return sum + round_up(8 * axis[0].slots, 64) + round_up(8 * axis[1].slots, 64);
}

PoolTiling tile_pool(const KernelPool& problem) { return Tiler(problem).made(); }

}  // namespace npconv

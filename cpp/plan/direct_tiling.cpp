// SPDX-License-Identifier: BSD-3-Clause
#include "plan/direct_tiling.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "core/border.hpp"
#include "kernels/registry.hpp"
#include "plan/copy_form.hpp"

namespace npconv {
namespace {

std::int64_t rounded(std::int64_t n, std::int64_t unit) { return ceil_div(n, unit) * unit; }

// Cycles of a tile for one input channel, depth and phase: products, or loads, of which those of the input mostly cross cache lines.
double cycles_of_pass(const DirectTiling& t, double rows, double vectors, double per_cycle, std::int64_t element) {
    constexpr double of_input_row = 5.0, latency = 4.0, of_columns = 0.3, loads_per_cycle = 2.0;
    const double load = 1.0 + as_double(t.lanes * element) / line_bytes;
    const double taps = as_double(t.tap_rows), columns = as_double(t.columns);
    const double last_part = 1.0 - (1.0 - as_double(t.last_columns) / columns) / taps;
    const double input_rows = rows + taps - 1.0, weights = rows * taps * as_double(t.channels) / input_rows;
    const double step = std::max(weights * vectors / per_cycle, (weights + load * vectors) / loads_per_cycle) + of_columns;
    return std::max(input_rows * (step * columns + (rows > 1.0 ? of_input_row : 2.0)), latency * columns * taps) * last_part;
}

// The same of all tiles of an image and group, for each input channel.
double cycles_of_map(const ConvShape& s, const DirectTiling& t, double per_cycle, std::int64_t element) {
    const std::int64_t vectors = ceil_div(t.map[2], t.lanes);
    const double slices = as_double(t.map[0]), phases = as_double(std::min(t.tap_step, s.axis[1].kernel));
    const double passes = as_double(s.axis[0].kernel) * (t.kind == DirectRows::single ? as_double(s.axis[1].kernel) : phases);
    if (t.kind == DirectRows::vectors) {
        const std::int64_t of_tile = t.rows * t.vectors;
        const double tiles = as_double(ceil_div(vectors, of_tile)),
                     rows = std::min(as_double(t.rows), as_double(vectors) / as_double(t.vectors));
        return slices * as_double(t.map[1]) * passes * tiles *
               cycles_of_pass(t, std::max(1.0, rows), as_double(t.vectors), per_cycle, element);
    }
    const double columns = as_double(ceil_div(vectors, t.vectors)), wide = as_double(vectors) / columns;
    const std::int64_t apart = std::min(t.row_step, t.map[1]), of_class = ceil_div(t.map[1], apart);
    const double tiles = as_double(ceil_div(of_class, t.rows)), rows = as_double(of_class) / tiles;
    return slices * passes * as_double(apart) * tiles * columns * cycles_of_pass(t, rows, wide, per_cycle, element);
}

// One of the ways to make tiles.
DirectTiling with_rows(const Problem& p, const DirectEntry& kernels, DirectRows kind) {
    const ConvShape& s = p.shape;
    DirectTiling t;
    if (s.empty()) return t;
    const auto m = static_cast<std::size_t>(s.out_channels - 1);
    t.kind = kind;
    t.lanes = kernels.lanes;
    t.channels = s.out_channels;
    t.one_channel = s.groups * s.out_channels == 1;
    t.flat = s.flat();
    t.map = t.flat ? std::array<std::int64_t, 3>{1, 1, s.pixels()}
                   : std::array<std::int64_t, 3>{s.axis[0].output, s.axis[1].output, s.axis[2].output};
    t.tap_step = direct_tap_step(s);
    t.row_step = s.axis[1].kernel > 1 ? s.axis[1].dilation / std::gcd(s.axis[1].stride, s.axis[1].dilation) : 1;
    t.rows = kind == DirectRows::single ? 1 : kernels.tile[m].rows;
    t.vectors = kind == DirectRows::single ? kernels.tile[m].single_vectors : kernels.tile[m].vectors;
    t.columns = t.last_columns = s.axis[2].kernel;
    if (kind == DirectRows::rows) t.tap_rows = ceil_div(s.axis[1].kernel, t.tap_step);
    if (kind == DirectRows::vectors) {
        t.columns = std::min<std::int64_t>(t.lanes, s.axis[2].kernel);
        t.tap_rows = ceil_div(s.axis[2].kernel, t.columns);
        t.last_columns = s.axis[2].kernel - (t.tap_rows - 1) * t.columns;
    }
    return t;
}

DirectTiling choose_rows(const Problem& p, const Context& on, const DirectEntry& kernels) {
    const ConvShape& s = p.shape;
    if (s.empty()) return DirectTiling();
    const Axis &height = s.axis[1], &width = s.axis[2];
    const double per_cycle = on.products_per_cycle();
    DirectTiling best = with_rows(p, kernels, DirectRows::single);
    double least = cycles_of_map(s, best, per_cycle, size_of(p.dtype));
    const auto consider = [&](DirectRows kind) {
        const DirectTiling t = with_rows(p, kernels, kind);
        const double cycles = cycles_of_map(s, t, per_cycle, size_of(p.dtype));
        if (cycles < least) {
            least = cycles;
            best = t;
        }
    };
    if (best.flat || kernels.tile[s.out_channels - 1].rows == 1) return best;
    if (ceil_div(height.kernel, direct_tap_step(s)) > 1 && height.output > 1) consider(DirectRows::rows);
    if (height.kernel == 1 && width.stride == 1 && width.dilation == 1 && width.kernel > kernels.lanes) consider(DirectRows::vectors);
    return best;
}

std::array<std::int64_t, 3> kernel_of(const ConvShape& s) { return {s.axis[0].kernel, s.axis[1].kernel, s.axis[2].kernel}; }

// Cuts the height of the map into blocks of at most `rows` rows, and its rows into pieces of about `columns` pixels.
void cut(DirectTiling& t, std::int64_t rows, std::int64_t columns) {
    t.blocks[1] = SpreadSplit(t.map[1], ceil_div(t.map[1], rows));
    const std::int64_t vectors = ceil_div(t.masked ? t.map[2] : t.end - t.begin, t.lanes);
    t.pieces = SpreadSplit(vectors, ceil_div(vectors, std::max<std::int64_t>(1, columns / t.lanes)));
}

// What of a row is read in place: the pixels whose taps all are inside, if they are many.
void find_middle(const Problem& p, const Context& on, bool masks, DirectTiling& t) {
    const ConvShape& s = p.shape;
    const Axis& a = s.axis[2];
    t.begin = 0;
    t.end = t.map[2];
    if (a.stride != 1 || (p.layout == Layout::channels_last && s.groups * s.in_channels > 1)) return;
    std::int64_t first = 0, last = t.map[2];
    if (!t.flat) {
        first = inside(a.at(0, 0), 1, a.input, 0, a.output).begin;
        last = std::max(first, inside(a.at(0, a.kernel - 1), 1, a.input, 0, a.output).end);
    }
    first = rounded(first, t.lanes);
    last = last / t.lanes * t.lanes;
    if (last - first < on.limits.direct.vectors_in_place * t.lanes) return;
    t.begin = first;
    t.end = last;
    t.masked = masks && t.kind != DirectRows::vectors && (p.border == Border::zeros || !a.padded());
}

std::int64_t rows_of_tile(const DirectTiling& t) { return t.kind == DirectRows::rows ? std::min(t.map[1], t.rows * t.row_step) : 1; }
std::int64_t columns_of_tile(const DirectTiling& t) { return t.lanes * t.vectors * (t.kind == DirectRows::vectors ? t.rows : 1); }

bool set_blocks(const Problem& p, const Context& on, DirectTiling& t) {
    const ConvShape& s = p.shape;
    const std::int64_t element = size_of(p.dtype);
    const CopyForm form = t.copy_form();
    const auto copied = [&](std::int64_t channels) {
        return staged_elements(s, form, t.longest_block(), kernel_of(s), channels) * element;
    };
    find_middle(p, on, entry_for(on.entries->direct, p, on).edges, t);
    const std::int64_t tile_rows = rows_of_tile(t), tile_columns = columns_of_tile(t);
    const std::int64_t most_columns = std::max(tile_columns, on.limits.direct.columns_of_block / tile_columns * tile_columns);
    const std::int64_t taps = s.taps();
    const bool by_line = p.layout == Layout::channels_last && s.in_channels * element >= static_cast<std::int64_t>(line_bytes);
    const std::int64_t near =
        by_line ? 4 * on.limits.direct.channels_of_chunk : on.limits.direct.channels_of_chunk;  // channels of a line of the cache
    // Read in place, channels are streams: few at a time. Copies have as many as fit.
    const bool in_place = t.begin > 0 || t.end < t.map[2] || t.masked;
    const std::int64_t channels = in_place ? std::max(near, ceil_div(on.limits.direct.taps_of_chunk, taps)) : s.in_channels;
    t.chunks = split_by(s.in_channels, std::min(channels, s.in_channels));
    t.blocks[0] = SpreadSplit(t.map[0], t.map[0]);
    std::int64_t columns = std::min(most_columns, rounded(t.map[2], t.lanes)), rows = tile_rows;
    const std::int64_t most_sums = std::min(on.limits.direct.bytes_of_sums, on.machine.l1d_bytes / 2);
    const auto fits = [&] {
        return copied(t.chunks.longest()) <= on.limits.direct.bytes_of_copy &&
               (t.chunks.parts == 1 || t.sums_of_block() * t.lanes * element <= most_sums);
    };
    cut(t, rows, columns);
    while (copied(t.chunks.longest()) > on.limits.direct.bytes_of_copy && t.chunks.longest() > 2 * near) {
        t.chunks = split_by(s.in_channels, t.chunks.longest() / 2);
    }
    // Smaller, until a chunk's part of the input and the sums stay near: fewer pixels of a row, then fewer channels.
    while (!fits() && columns > tile_columns) cut(t, rows, columns = std::max(tile_columns, columns / 2 / tile_columns * tile_columns));
    while (copied(t.chunks.longest()) > on.limits.direct.bytes_of_copy && t.chunks.longest() > 1)
        t.chunks = split_by(s.in_channels, t.chunks.longest() / 2);
    const auto too_large = [&] {
        const std::int64_t sums = t.chunks.parts > 1 ? t.sums_of_block() * t.lanes * element : 0;
        return std::max(copied(t.chunks.longest()), sums) > on.limits.direct.most_bytes_of_copy;
    };
    if (too_large()) return false;
    // Larger, while there are tasks enough: rows of a copy are used more often then, and tasks cost something each.
    const double macs = as_double(s.k()) * as_double(s.out_channels);
    const auto enough = [&] {
        const auto n = t.longest_block();
        return as_double(n[0]) * as_double(n[1]) * as_double(n[2]) * macs >=
               as_double(on.limits.direct.macs_of_block) * (in_place ? 1.0 : 8.0);
    };
    while (rows < t.map[1] && !enough()) {
        DirectTiling before = t;
        cut(t, rows + tile_rows, columns);
        if (!fits() || s.batch * s.groups * t.blocks_of_map() < on.limits.direct.enough_tasks) {
            t = before;
            break;
        }
        rows += tile_rows;
    }
    if (t.blocks[1].parts == 1) {
        for (std::int64_t depth = 2; depth <= t.map[0] && !enough(); ++depth) {
            DirectTiling before = t;
            t.blocks[0] = SpreadSplit(t.map[0], ceil_div(t.map[0], depth));
            if (!fits() || s.batch * s.groups * t.blocks_of_map() < on.limits.direct.enough_tasks) {
                t = before;
                break;
            }
        }
    }
    t.tasks = s.empty() ? 0 : s.batch * s.groups * t.blocks_of_map();
    return true;
}

bool tile(const Problem& p, const Context& on, DirectTiling& t) {
    Problem image = p;  // one image decides, so that packed weights and results are the same for every batch
    image.shape.batch = std::min<std::int64_t>(1, p.shape.batch);
    t = choose_rows(image, on, entry_for(on.entries->direct, p, on));
    if (p.shape.empty() || set_blocks(p, on, t)) return true;
    if (t.kind == DirectRows::single) return false;
    t = with_rows(image, entry_for(on.entries->direct, p, on), DirectRows::single);  // whose blocks may be smaller
    return set_blocks(p, on, t);
}

}  // namespace

Box DirectTiling::block(std::int64_t i) const {
    Box b;
    std::int64_t piece = i % blocks_of_row();
    i /= blocks_of_row();
    if (masked) {
        b.begin[2] = pieces.begin(piece) * lanes;
        b.end[2] = std::min(map[2], (pieces.begin(piece) + pieces.length(piece)) * lanes);
    } else if (begin > 0 && piece-- == 0) {
        b.begin[2] = 0;
        b.end[2] = begin;
    } else if (piece < pieces.parts) {
        b.begin[2] = begin + pieces.begin(piece) * lanes;
        b.end[2] = std::min(end, begin + (pieces.begin(piece) + pieces.length(piece)) * lanes);
    } else {
        b.begin[2] = end;
        b.end[2] = map[2];
    }
    for (std::size_t a = 2; a-- > 0;) {
        const std::int64_t n = i % blocks[a].parts;
        b.begin[a] = blocks[a].begin(n);
        b.end[a] = b.begin[a] + blocks[a].length(n);
        i /= blocks[a].parts;
    }
    return b;
}

std::array<std::int64_t, 3> DirectTiling::longest_block() const {
    const std::int64_t middle = std::min(masked ? map[2] : end - begin, pieces.longest() * lanes);
    if (masked) return {blocks[0].longest(), blocks[1].longest(), middle};
    return {blocks[0].longest(), blocks[1].longest(), std::max({begin, middle, map[2] - end})};
}

std::int64_t DirectTiling::most_vectors() const {
    const std::int64_t n = ceil_div(longest_block()[2], lanes);
    if (kind != DirectRows::vectors) return n;
    // Whole tiles of all their vectors, as if each had all rows, and what is left, one vector after the other.
    const std::int64_t whole = n / vectors;
    return (ceil_div(whole, rows) * rows * vectors) + ceil_div(vectors - 1, rows) * rows;
}

std::int64_t DirectTiling::sums_of_block() const {
    const auto n = longest_block();
    std::int64_t tile_rows = n[1];
    if (kind == DirectRows::rows) {
        const std::int64_t apart = std::min(row_step, n[1]);
        tile_rows = apart * ceil_div(ceil_div(n[1], apart), rows) * rows;
    }
    return channels * n[0] * tile_rows * most_vectors();
}

std::int64_t DirectTiling::most_passes(const ConvShape& s) const { return chunks.longest() * s.axis[0].kernel * s.axis[1].kernel; }

KBlock DirectTiling::chunk(const ConvShape& s, std::int64_t i) const {
    KBlock k;
    k.tap_end = kernel_of(s);
    k.channel_begin = chunks.begin(i);
    k.channel_end = k.channel_begin + chunks.length(i);
    return k;
}

std::int64_t direct_tap_step(const ConvShape& s) {
    return s.axis[1].kernel > 1 ? s.axis[1].stride / std::gcd(s.axis[1].stride, s.axis[1].dilation) : 1;
}

std::string direct_refusal(const Problem& p, const Context& on, DirectTiling* tiling) {
    const ConvShape& s = p.shape;
    if (s.in_channels == 0) return "there are no input channels";
    if (s.out_channels > max_direct_channels) {
        return "a group has more than " + std::to_string(max_direct_channels) + " output channels, " + std::to_string(s.out_channels);
    }
    if (s.out_channels == 0) return "there are no output channels";
    constexpr double far = 1e12, most_columns = 1 << 16, most_rows = 1 << 12;
    for (const Axis& a : s.axis) {
        const double reach = as_double(a.pad_before) + as_double(a.pad_after) + as_double(a.output) * as_double(a.stride) +
                             as_double(a.kernel) * as_double(a.dilation);
        if (reach > far) return "padding, stride or dilation reach too far";
    }
    if (as_double(s.axis[2].kernel) > most_columns || as_double(s.axis[0].kernel) * as_double(s.axis[1].kernel) > most_rows) {
        return "the kernel is too large";
    }
    DirectTiling t;
    const bool serves = tile(p, on, t);
    if (!serves) return "the input of one register tile is too large to be copied";
    if (tiling) *tiling = t;
    return {};
}

CacheUse cache_use(const Problem& p, const DirectTiling& t) {
    if (p.shape.empty()) return {};
    const auto block = t.longest_block();
    const std::int64_t element = size_of(p.dtype);
    const bool one_tile = block[1] <= rows_of_tile(t) && block[2] <= columns_of_tile(t);  // no block is smaller
    CacheUse use;
    if (t.chunks.parts > 1 && !one_tile) use.l1 = t.sums_of_block() * t.lanes * element;
    if (t.chunks.longest() > 1 || !one_tile) {
        use.l2 = staged_elements(p.shape, t.copy_form(), block, kernel_of(p.shape), t.chunks.longest()) * element;
    }
    return use;
}

DirectTiling tile_direct(const Problem& p, const Context& on) {
    DirectTiling t;
    if (const std::string refusal = direct_refusal(p, on, &t); !refusal.empty()) throw std::logic_error(refusal);
    return t;
}

namespace {

WorkCounts work_of_image(const Problem& p, const Context& on, const DirectTiling& t) {
    const ConvShape& s = p.shape;
    const double per_cycle = on.products_per_cycle();
    const std::int64_t vectors = ceil_div(t.map[2], t.lanes);
    const double rows = as_double(t.map[0]) * as_double(t.map[1]), channels = as_double(s.in_channels);
    WorkCounts work;
    work[Work::direct_task] = as_double(t.blocks_of_map());
    work[Work::direct_product] = channels * cycles_of_map(s, t, per_cycle, size_of(p.dtype));
    // Sums, a vector each, that leave the registers and come back, or leave for the output.
    const double sums = rows * as_double(vectors) * as_double(s.out_channels);
    const bool turned = p.layout == Layout::channels_last && !t.one_channel;
    work[Work::direct_summed] = sums * as_double(t.chunks.parts - 1);
    work[turned ? Work::direct_turned : Work::direct_stored] = turned ? sums * t.lanes : sums;
    // Copies: of all blocks, or of those that touch a border.
    const auto n = t.longest_block();
    const CopyForm form = t.copy_form();
    const bool middle = t.begin > 0 || t.end < t.map[2];
    double copied = as_double(staged_elements(s, form, n, kernel_of(s), s.in_channels)) * as_double(t.blocks_of_map());
    const bool picked = s.axis[2].stride != 1 || (p.layout == Layout::channels_last && s.groups * s.in_channels > 1);
    const bool in_place = !picked && !s.padded() && t.map[2] % t.lanes == 0;
    if (in_place) copied = 0.0;
    if (middle && !in_place) {
        double edges = 0.0;  // the part of the map that they are
        for (std::size_t a = 0; a < 2; ++a) {
            const Axis& axis = s.axis[a];
            if (axis.padded()) edges += std::min(1.0, 2.0 * as_double(t.blocks[a].longest()) / as_double(axis.output));
        }
        copied *= std::min(1.0, edges + (t.masked ? 0.0 : as_double(t.begin + t.map[2] - t.end) / as_double(t.map[2])));
    }
    // Channels last, each value stands on a line of its own where there are many channels, which other groups read anew.
    const bool far = p.layout == Layout::channels_last && as_double(s.groups * s.in_channels * size_of(p.dtype)) >= line_bytes;
    const bool by_line = far && s.in_channels * size_of(p.dtype) >= static_cast<std::int64_t>(line_bytes);
    const double flat = picked && t.flat ? 1.5 : 1.0;  // all of the input, with few products: nothing hides it
    work[picked ? Work::direct_picked : Work::direct_copied] = (far && !by_line ? 5.0 : flat) * copied;
    work[Work::direct_run] = copied / as_double(n[2] + s.axis[2].kernel - 1);
    return work;
}

}  // namespace

WorkCounts direct_work(const Problem& p, const Context& on, const DirectTiling& t) {
    WorkCounts work;
    if (p.shape.without_products() || p.shape.empty()) return work;
    work = work_of_image(p, on, t);
    work *= as_double(p.shape.groups) * as_double(p.shape.batch);
    work[Work::direct_call] = 1.0;
    const double lines = lines_by_groups(p);
    count_far(lines_of_input(p) * line_bytes, lines, Work::direct_line, Work::direct_memory_line, work);
    return work;
}

}  // namespace npconv

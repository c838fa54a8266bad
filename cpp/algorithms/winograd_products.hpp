// SPDX-License-Identifier: BSD-3-Clause
// The products of Winograd's convolution: for each point a matrix product tiles x channels, M = V U, with the microkernel of the GEMM path.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/registry.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

template <class T>
const WinogradTransforms<T>& winograd_transforms(const Problem& p, int whole) {
    const WinogradKernels<T>& k = winograd_kernels_of<T>(*p.kernels);
    return whole == 2 ? k.f2 : whole == 4 ? k.f4 : k.f6;
}

// Packed weights of Winograd's convolution: taps, and transformed weights or how to make them.
template <class T>
class WinogradFilters {
  public:
    WinogradFilters(const Problem& p, const WinogradTiling& t, const T* packed)
        : t_(t),
          weights_(winograd_transforms<T>(p, t.whole).weights),
          taps_(packed),
          transformed_(packed + p.shape.groups * t.packed_taps_of_group()) {}

    // Rows [width] of a panel: of each tap that of a channel, which the channels after it follow up to `end`.
    struct Taps {
        std::array<const T*, winograd_taps * winograd_taps> from{};
        std::int64_t end = 0;
    };
    Taps taps(std::int64_t group, std::int64_t panel, std::int64_t channel) const {
        constexpr std::int64_t kernel = winograd_taps * winograd_taps;
        const std::int64_t width = t_.panels.length(panel) * t_.lanes;
        const T* from = taps_ + group * t_.packed_taps_of_group() + t_.panels.begin(panel) * t_.lanes * kernel * t_.order.channels.n;
        Taps taps;
        for (std::int64_t i = 0; i < t_.order.blocks(); ++i) {  // of channels and, with very small blocks, of taps
            const KBlock k = t_.order.block(i);
            if (channel < k.channel_begin || channel >= k.channel_end) continue;
            taps.end = k.channel_end;
            for (std::int64_t h = k.tap_begin[1]; h < k.tap_end[1]; ++h) {
                for (std::int64_t w = k.tap_begin[2]; w < k.tap_end[2]; ++w) {
                    taps.from[static_cast<std::size_t>(h * winograd_taps + w)] =
                        from + (k.begin + k.k_of(0, h, w) + channel - k.channel_begin) * width;
                }
            }
        }
        return taps;
    }

    // A k block of a panel -> to[point][channel][width], points `stride` apart.
    void transform(std::int64_t group, std::int64_t panel, std::int64_t k, T* to, std::int64_t stride) const {
        const std::int64_t width = t_.panels.length(panel) * t_.lanes, first = t_.channels_begin(k), last = t_.channels_begin(k + 1);
        for (std::int64_t c = first; c < last;) {
            const Taps from = taps(group, panel, c);
            const std::int64_t end = std::min(last, from.end);
            weights_({from.from.data(), end - c, width, to + (c - first) * width, stride});
            c = end;
        }
    }

    // Where the transformed k block stands if they are prepared, counted from the first of all groups.
    std::int64_t place(std::int64_t group, std::int64_t panel, std::int64_t k) const {
        const std::int64_t width = t_.panels.length(panel) * t_.lanes;
        const std::int64_t begin = t_.panels.begin(panel) * t_.order.channels.n + panel * t_.units.parts;
        return group * t_.transformed_elements_of_group() + t_.points() * t_.lanes * begin + t_.prepared_begin(k, width);
    }
    const T* transformed(std::int64_t group, std::int64_t panel, std::int64_t k) const { return transformed_ + place(group, panel, k); }

  private:
    const WinogradTiling& t_;
    void (*weights_)(const WinogradWeights<T>&);
    const T *taps_, *transformed_;
};

template <class T>
class WinogradProducts {
  public:
    // Of a block and of a thread; at and numbers are for lists of tiles.
    struct Arrays {
        const T* v;
        T *m, *weights;
        std::int64_t *at, *numbers;  // [2 * most_tiles], [most_tiles]
    };

    WinogradProducts(const Problem& p, const WinogradTiling& t, const T* packed)
        : t_(t),
          tiles_(kernels_of<T>(*p.kernels).channel_tile),
          few_(winograd_transforms<T>(p, t.whole).few_tiles),
          filters_(p, t, packed) {}

    void multiply(const TileBlock& b, std::int64_t first_panel, std::int64_t end_panel, const Arrays& a) const {
        for (std::int64_t i = 0; i < b.tiles(); ++i) {
            a.numbers[i] = i;
            a.at[i] = i * t_.units.shorter * t_.lanes;
            a.at[t_.most_tiles() + i] = i * (t_.units.shorter + 1) * t_.lanes;  // of the longer k blocks
        }
        if (t_.few) return multiply_few(b, first_panel, end_panel, a);
        const Work w{b, first_panel, end_panel, a, runs(b)};
        if (t_.prepared) {
            for (int point = 0; point < t_.points(); ++point) {
                for (std::int64_t k = 0; k < t_.units.parts; ++k) multiply(w, point, k);
            }
            return;
        }
        for (std::int64_t k = 0; k < t_.units.parts; ++k) {
            T* to = a.weights;
            for (std::int64_t panel = first_panel; panel < end_panel; ++panel) {
                const std::int64_t stride = t_.weights_stride(t_.panels.length(panel) * t_.lanes);
                filters_.transform(b.group, panel, k, to, stride);
                to += t_.points() * stride;
            }
            for (int point = 0; point < t_.points(); ++point) multiply(w, point, k);
        }
    }

  private:
    struct Work {
        const TileBlock& block;
        std::int64_t first_panel, end_panel;
        const Arrays& arrays;
        std::array<EvenSplit, most_winograd_points * most_winograd_points> runs;  // of each point its tiles, into register tiles
    };

    std::array<EvenSplit, most_winograd_points * most_winograd_points> runs(const TileBlock& b) const {
        std::array<EvenSplit, most_winograd_points * most_winograd_points> all;
        for (int point = 0; point < t_.points(); ++point) {
            const std::int64_t rows = t_.rows.using_point(b.row, b.end_row, point / t_.rows.points());
            const std::int64_t columns = t_.columns.using_point(b.column, b.end_column, point % t_.rows.points());
            all[static_cast<std::size_t>(point)] = split_by(b.images * rows * columns, t_.mr);
        }
        return all;
    }

    // One k block of one point.
    void multiply(const Work& w, int point, std::int64_t k) const {
        const EvenSplit& runs = w.runs[static_cast<std::size_t>(point)];
        if (runs.n == 0) return;
        const std::int64_t channels = t_.channels_begin(k + 1) - t_.channels_begin(k);
        const Segment segment{0, 0, channels};
        GemmTile<T> tile{};
        tile.x = w.arrays.v + t_.v_begin(k) + point * t_.v_stride(k);
        tile.segment = &segment;
        tile.segments = 1;
        tile.k_stride = 1;
        tile.accumulate = k > 0;
        tile.sums = w.arrays.m + point * t_.m_stride();
        const T* made = w.arrays.weights;
        for (std::int64_t panel = w.first_panel; panel < w.end_panel; ++panel) {
            const std::int64_t vectors = t_.panels.length(panel), width = vectors * t_.lanes;
            const std::int64_t stride = t_.prepared ? t_.prepared_stride(k, width) : t_.weights_stride(width);
            tile.w = (t_.prepared ? filters_.transformed(w.block.group, panel, k) : made) + point * stride;
            tile.at = w.arrays.at + (t_.units.length(k) > t_.units.shorter ? t_.most_tiles() : 0);
            tile.index = w.arrays.numbers;
            tile.next_w = next(w.block.group, panel, point, k, stride);
            std::int64_t to_fetch = tile.next_w ? vectors : 0;  // lines of each row of what comes next
            for (std::int64_t run = 0; run < runs.parts; ++run) {
                const std::int64_t rows = runs.length(run);
                tile.next_lines = to_fetch > 0 ? lines_at_once(to_fetch, runs.parts - run) : 0;
                tiles_[vectors - 1][rows - 1](tile);
                tile.at += rows;
                tile.index += rows;
                if (to_fetch > 0) tile.next_w += tile.next_lines * channels * t_.lanes;
                to_fetch -= tile.next_lines;
            }
            tile.sums += width * t_.most_tiles();
            made += t_.points() * stride;
        }
    }

    // Where a point has fewer tiles than others of its row, the rest of V is multiplied in vain.
    void multiply_few(const TileBlock& b, std::int64_t first_panel, std::int64_t end_panel, const Arrays& a) const {
        const int points = t_.rows.points();
        for (std::int64_t k = 0; k < t_.units.parts; ++k) {
            const std::int64_t end = t_.channels_begin(k + 1);
            for (std::int64_t panel = first_panel; panel < end_panel; ++panel) {
                const std::int64_t width = t_.panels.length(panel) * t_.lanes;
                std::array<typename FewTiles<T>::Piece, 3> pieces{};  // a k block is at most two blocks of the packed taps long
                int parts = 0;
                for (std::int64_t c = t_.channels_begin(k); c < end;) {
                    const auto taps = filters_.taps(b.group, panel, c);
                    const std::int64_t next = std::min(end, taps.end);
                    pieces[static_cast<std::size_t>(parts++)] = {taps.from[0], taps.from[1] - taps.from[0], next - c};
                    c = next;
                }
                T* m = a.m + (t_.panels.begin(panel) - t_.panels.begin(first_panel)) * t_.lanes * t_.most_tiles();
                for (std::int64_t vector = 0; vector < t_.panels.length(panel); ++vector) {
                    for (int i = 0; i < points; ++i) {
                        const std::int64_t tiles = b.images * t_.rows.using_point(b.row, b.end_row, i) * b.columns();
                        if (tiles == 0) continue;
                        FewTiles<T> few{};
                        few.piece = pieces.data();
                        few.pieces = parts;
                        few.channel_stride = width;
                        few.v = a.v + t_.v_begin(k) + i * points * t_.v_stride(k);
                        few.v_stride = t_.v_stride(k);
                        few.v_step = t_.units.length(k) * t_.lanes;
                        few.m = m + i * points * t_.m_stride() + vector * t_.lanes;
                        few.m_stride = t_.m_stride();
                        few.m_step = width;
                        few.accumulate = k > 0;
                        few_[i][tiles - 1](few);
                    }
                    for (auto& piece : pieces) piece.taps += t_.lanes;
                }
            }
        }
    }

    // The share of one of the tiles that are left.
    static int lines_at_once(std::int64_t lines, std::int64_t tiles) {
        const std::int64_t share = lines <= tiles ? 1 : ceil_div(lines, tiles);
        return share > 2 ? 4 : static_cast<int>(share);
    }

    // What is worth fetching meanwhile, as many rows as the k block has channels: the next transformed weights, or taps of the next k
    // block.
    const T* next(std::int64_t group, std::int64_t panel, int point, std::int64_t k, std::int64_t stride) const {
        if (!t_.far) return nullptr;
        const bool last_k = k + 1 == t_.units.parts, last_panel = panel + 1 == t_.panels.parts;
        if (!t_.prepared) {
            if (point >= winograd_taps * winograd_taps || (last_k && last_panel)) return nullptr;
            return filters_.taps(group, last_k ? panel + 1 : panel, last_k ? 0 : t_.channels_begin(k + 1))
                .from[static_cast<std::size_t>(point)];
        }
        if (!last_k) return filters_.transformed(group, panel, k + 1) + point * stride;  // about there: k blocks differ by one vector
        if (point + 1 < t_.points()) return filters_.transformed(group, panel, 0) + (point + 1) * stride;
        return last_panel ? nullptr : filters_.transformed(group, panel + 1, 0);
    }

    const WinogradTiling& t_;
    void (*const (&tiles_)[max_nv][max_mr])(const GemmTile<T>&);
    void (*const (&few_)[most_winograd_points][winograd_few])(const FewTiles<T>&);
    const WinogradFilters<T> filters_;
};

}  // namespace npconv

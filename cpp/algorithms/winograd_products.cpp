// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/winograd_products.hpp"

#include <algorithm>
#include <array>

#include "algorithms/winograd_filters.hpp"
#include "algorithms/winograd_grid.hpp"
#include "kernels/registry.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {
namespace {

template <class T>
class WinogradProducts {
  public:
    struct Arrays {
        const T* v;
        T *m, *weights;
        std::int64_t *at, *numbers;
        Segment* segments;
    };

    WinogradProducts(const WinogradExecution& e, const T* packed)
        : t_(e.tiling),
          tiles_(kernels_of<T>(e.kernels()).channel_tile),
          few_(winograd_kernels_of<T>(e.kernels()).few_tiles),
          filters_(e, packed) {}

    void multiply(const TileBlock& b, std::span<const PlaneRun> planes, std::int64_t first_panel, std::int64_t end_panel,
                  const Arrays& a) const {
        Work w{b,
               planes,
               first_panel,
               end_panel,
               a,
               grid_of(t_, b, true),
               grid_of(t_, b, false),
               t_.runs() == 1 || t_.by_tiles,
               t_.m_stride()};
        for (std::int64_t i = 0; i < b.tiles(); ++i) a.numbers[i] = i;
        if (t_.few) return multiply_few(w);
        if (w.alike) list_places(w, 0, 0);
        if (t_.prepared) {
            for_each_point(w, [&](const Point& point) {
                for (std::int64_t k = 0; k < t_.units.parts; ++k) multiply(w, point, k);
            });
            return;
        }
        for (std::int64_t k = 0; k < t_.units.parts; ++k) {
            T* to = a.weights;
            for (std::int64_t panel = first_panel; panel < end_panel; ++panel) {
                const std::int64_t stride = t_.weights_stride(t_.panels.length(panel) * t_.lanes);
                filters_.transform(b.group, panel, k, to, stride);
                to += t_.points_of_set() * stride;
            }
            for_each_point(w, [&](const Point& point) { multiply(w, point, k); });
        }
    }

  private:
    // What all points of a k block have in common; weights are prepared ones, of the first panel.
    struct BlockOfK {
        std::int64_t k = -1;
        std::int64_t rows_of_run = 0, v_stride = 0, weights_stride = 0;
        const T *v = nullptr, *weights = nullptr;
        const std::int64_t* at = nullptr;
    };
    struct Work {
        const TileBlock& block;
        std::span<const PlaneRun> planes;
        std::int64_t first_panel, end_panel;
        const Arrays& arrays;
        const TileGrid input, output;
        const bool alike;  // are the lists of all points the same?
        const std::int64_t m_stride;
        std::int64_t segments = 0;  // of a run of planes, that are listed
        // Register tiles of the first run of planes: the same for most points.
        std::int64_t of_plane = 0;
        EvenSplit tiles = EvenSplit();
        BlockOfK of = {};
    };
    struct Point {
        int row, column;
        int number, of_set;
    };

    template <class F>
    void for_each_point(const Work& w, const F& f) const {
        const int columns = t_.axis[2].points(), columns_of_set = t_.axis[2].axis().points;
        for (int i = 0; i < t_.axis[1].points(); ++i) {
            const int row = t_.axis[1].point_of_set(i) * columns_of_set;
            for (int j = 0; j < columns; ++j) {
                if (!w.alike) list_places(w, i, j);
                f({i, j, i * columns + j, row + t_.axis[2].point_of_set(j)});
            }
        }
    }

    // For each tile of the output that uses a point, where V has its input: in elements, for shorter and for longer k blocks.
    void list_places(const Work& w, int row_point, int column_point) const {
        const std::int64_t longer = t_.tile_step(0), shorter = t_.tile_step(t_.units.parts - 1);
        std::int64_t *at = w.arrays.at, *at_longer = at + t_.most_tiles();
        if (t_.runs() == 1 && !t_.by_tiles) {
            for (std::int64_t i = 0; i < w.block.tiles(); ++i) {
                at[i] = i * shorter;
                at_longer[i] = i * longer;
            }
            return;
        }
        const std::int64_t rows = w.output.rows[static_cast<std::size_t>(row_point)];
        const std::int64_t columns = w.output.columns[static_cast<std::size_t>(column_point)];
        for (std::int64_t image = 0; image < w.block.images; ++image) {
            for (std::int64_t plane = 0; plane < w.output.planes; ++plane) {
                for (std::int64_t row = 0; row < rows; ++row) {
                    std::int64_t place = w.input.place(image, plane, row, row_point, column_point);
                    for (std::int64_t column = 0; column < columns; ++column, ++place) {
                        *at++ = place * shorter;
                        *at_longer++ = place * longer;
                    }
                }
            }
        }
    }

    // The channels of a k block, for each run of taps: neighbours in V, but for lanes that hold none and the next run's tiles.
    std::int64_t list_segments(const Work& w, const Point& point, std::int64_t k) const {
        const int i = point.row, j = point.column;
        const std::int64_t tile = t_.tile_step(k), first = t_.units.begin(k), lanes = t_.channels.lanes;
        const std::int64_t plane_step = w.input.tiles_of_plane(i, j) * tile, row_step = w.input.place(0, 0, 1, i, j) * tile;
        Segment* segment = w.arrays.segments;
        std::int64_t row = 0;
        for (std::int64_t d = 0; d < t_.axis[0].runs; ++d) {
            for (std::int64_t h = 0; h < t_.axis[1].runs; ++h) {
                for (std::int64_t x = 0; x < t_.axis[2].runs; ++x) {
                    const std::int64_t offset = d * plane_step + h * row_step + x * t_.axis[2].phases * tile;
                    for (std::int64_t unit = 0; unit < t_.units.length(k);) {
                        *segment = {offset + unit * lanes, row, 0};
                        std::int64_t length = lanes;
                        for (; unit < t_.units.length(k) && length == lanes; ++unit) {
                            length = t_.channels.length(first + unit);
                            segment->length += length;
                        }
                        row += segment->length;
                        ++segment;
                    }
                }
            }
        }
        return (segment - w.arrays.segments) / t_.axis[0].runs;  // of a run of planes
    }

    BlockOfK block_of_k(const Work& w, std::int64_t k) const {
        BlockOfK of;
        of.k = k;
        of.rows_of_run = t_.axis[1].runs * t_.axis[2].runs * t_.channels_of(k);
        of.v = w.arrays.v + t_.v_begin(k);
        of.v_stride = t_.v_stride(k);
        of.weights_stride = stride_of_weights(k, t_.panels.length(w.first_panel) * t_.lanes);
        if (t_.prepared) of.weights = filters_.transformed(w.block.group, w.first_panel, k);
        of.at = w.arrays.at + (t_.units.length(k) > t_.units.shorter ? t_.most_tiles() : 0);
        return of;
    }
    std::int64_t stride_of_weights(std::int64_t k, std::int64_t width) const {
        return t_.prepared ? t_.prepared_stride(k, width) : t_.weights_stride(width);
    }

    // One k block of one point.
    void multiply(Work& w, const Point& point, std::int64_t k) const {
        const std::int64_t of_plane = w.output.tiles_of_plane(point.row, point.column);
        if (of_plane == 0) return;
        if (of_plane != w.of_plane) {
            w.of_plane = of_plane;
            w.tiles = split_by(w.planes[0].planes * of_plane, t_.mr);
        }
        const bool listed = w.segments > 0 && w.alike && t_.units.parts == 1;
        const std::int64_t of_run = listed ? w.segments : w.segments = list_segments(w, point, k);
        if (k != w.of.k) w.of = block_of_k(w, k);
        GemmTile<T> tile{};
        tile.x = w.of.v + point.number * w.of.v_stride;
        tile.k_stride = t_.channel_step(w.input.tiles(w.block.images));
        tile.accumulate = k > 0;
        tile.sums = w.arrays.m + point.number * w.m_stride;
        const T* made = w.arrays.weights;
        std::int64_t all_tiles = w.tiles.parts;  // register tiles
        for (std::size_t i = 1; i < w.planes.size(); ++i) all_tiles += split_by(w.planes[i].planes * of_plane, t_.mr).parts;
        for (std::int64_t panel = w.first_panel; panel < w.end_panel; ++panel) {
            const std::int64_t vectors = t_.panels.length(panel), width = vectors * t_.lanes;
            const bool first = panel == w.first_panel;
            const std::int64_t stride = first ? w.of.weights_stride : stride_of_weights(k, width);
            const T* prepared = !t_.prepared ? nullptr : first ? w.of.weights : filters_.transformed(w.block.group, panel, k);
            tile.w = (prepared ? prepared : made) + point.of_set * stride;
            tile.at = w.of.at;
            tile.index = w.arrays.numbers;
            tile.next_w = next(w.block.group, panel, point.number, k, stride);
            std::int64_t to_fetch = tile.next_w ? vectors : 0;  // lines of each row of what comes next
            std::int64_t tiles_left = all_tiles;
            for (std::size_t i = 0; i < w.planes.size(); ++i) {
                const PlaneRun& planes = w.planes[i];
                const EvenSplit tiles = i == 0 ? w.tiles : split_by(planes.planes * of_plane, t_.mr);
                tile.segment = w.arrays.segments + planes.first_run * of_run;
                tile.segments = (planes.end_run - planes.first_run) * of_run;
                const std::int64_t steps = (planes.end_run - planes.first_run) * w.of.rows_of_run;
                for (std::int64_t n = 0; n < tiles.parts; n += tile.tiles) {  // the longer ones, and the shorter ones
                    const std::int64_t rows = tiles.length(n);
                    tile.tiles = tiles.alike(n);
                    tile.next_lines = to_fetch > 0 ? lines_at_once(to_fetch, tiles_left) : 0;
                    tile.lines_left = static_cast<int>(to_fetch);
                    tiles_[vectors - 1][rows - 1](tile);
                    tile.at += tile.tiles * rows;
                    tile.index += tile.tiles * rows;
                    tiles_left -= tile.tiles;
                    if (to_fetch > 0) {
                        const std::int64_t fetched = std::min<std::int64_t>(to_fetch, tile.next_lines * tile.tiles);
                        tile.next_w += fetched * steps * t_.lanes;
                        to_fetch -= fetched;
                    }
                }
            }
            tile.sums += width * t_.most_tiles();
            made += t_.points_of_set() * stride;
        }
    }

    // Where a point has fewer tiles than others of its row, the rest of V is multiplied in vain. Runs of taps along the depth only.
    void multiply_few(const Work& w) const {
        const Arrays& a = w.arrays;
        for (std::int64_t k = 0; k < t_.units.parts; ++k) {
            for (std::int64_t panel = w.first_panel; panel < w.end_panel; ++panel) {
                T* m = a.m + (t_.panels.begin(panel) - t_.panels.begin(w.first_panel)) * t_.lanes * t_.most_tiles();
                for (std::int64_t run = 0; run < t_.axis[0].runs; ++run) multiply_few(w, k, panel, run, m);
            }
        }
    }

    void multiply_few(const Work& w, std::int64_t k, std::int64_t panel, std::int64_t run, T* m) const {
        const std::int64_t width = t_.panels.length(panel) * t_.lanes, end = t_.channels_begin(k + 1);
        std::array<typename FewTiles<T>::Piece, 3> pieces{};  // a k block is at most two blocks of the packed taps long
        int parts = 0;
        for (std::int64_t c = t_.channels_begin(k); c < end;) {
            const auto tap = filters_.tap(w.block.group, panel, c, {run, 0, 0});
            const auto second = filters_.tap(w.block.group, panel, c, {run, 0, 1});
            const std::int64_t next = std::min(end, tap.end);
            pieces[static_cast<std::size_t>(parts++)] = {tap.from, second.from - tap.from, next - c};
            c = next;
        }
        for (std::int64_t vector = 0; vector < t_.panels.length(panel); ++vector) {
            std::int64_t plane = 0;
            for (std::size_t i = 0; i < w.planes.size(); ++i) {
                const PlaneRun& planes = w.planes[i];
                const std::int64_t after = plane + planes.planes;
                if (t_.axis[0].runs == 1) {
                    multiply_few(w, k, 0, 0, vector, width, pieces.data(), parts, k > 0, m);
                    break;
                }
                for (; plane < after; ++plane) {
                    if (planes.first_run == planes.end_run && k == 0 && run == 0) clear(w, plane, vector, width, m);
                    if (run >= planes.first_run && run < planes.end_run)
                        multiply_few(w, k, plane, plane + run, vector, width, pieces.data(), parts, k > 0 || run > planes.first_run, m);
                }
            }
            for (auto& piece : pieces) piece.taps += t_.lanes;
        }
    }

    // One vector of channels, of the tiles of a plane; of all images if there is one plane.
    void multiply_few(const Work& w, std::int64_t k, std::int64_t plane, std::int64_t from_plane, std::int64_t vector, std::int64_t width,
                      const typename FewTiles<T>::Piece* pieces, int parts, bool accumulate, T* m) const {
        const int points = t_.axis[2].points();
        for (int i = 0; i < t_.axis[1].points(); ++i) {
            const std::int64_t rows = t_.axis[1].using_point(w.block.begin[1], w.block.end[1], i);
            const std::int64_t tiles = w.block.images > 1 ? w.block.tiles() : rows * w.block.columns();
            if (rows == 0) continue;
            FewTiles<T> few{};
            few.piece = pieces;
            few.pieces = parts;
            few.channel_stride = width;
            few.v_stride = t_.v_stride(k);
            few.v_step = t_.units.length(k) * t_.lanes;
            few.v = w.arrays.v + t_.v_begin(k) + i * points * t_.v_stride(k) + w.input.place(0, from_plane, 0, i, 0) * few.v_step;
            few.m_stride = t_.m_stride();
            few.m_step = width;
            few.m = m + i * points * t_.m_stride() + w.output.place(0, plane, 0, i, 0) * width + vector * t_.lanes;
            few.accumulate = accumulate;
            few_[i][tiles - 1](few);
        }
    }

    void clear(const Work& w, std::int64_t plane, std::int64_t vector, std::int64_t width, T* m) const {
        for (int point = 0; point < t_.points(); ++point) {
            for (std::int64_t tile = 0; tile < w.block.rows() * w.block.columns(); ++tile) {
                T* to = m + point * t_.m_stride() + (w.output.place(0, plane, 0, 0, 0) + tile) * width + vector * t_.lanes;
                std::fill_n(to, t_.lanes, T(0));
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
            const std::int64_t columns = t_.axis[2].kernel;
            if (point >= t_.taps() || t_.axis[0].kernel > 1 || t_.channels.all_phases > 1 || (last_k && last_panel)) return nullptr;
            return filters_
                .tap(group, last_k ? panel + 1 : panel, last_k ? 0 : t_.channels_begin(k + 1), {0, point / columns, point % columns})
                .from;
        }
        if (!last_k)
            return filters_.transformed(group, panel, k + 1) +
                   t_.point_of_set(point) * stride;  // about there: k blocks differ by one vector
        if (point + 1 < t_.points()) return filters_.transformed(group, panel, 0) + t_.point_of_set(point + 1) * stride;
        return last_panel ? nullptr : filters_.transformed(group, panel + 1, 0);
    }

    const WinogradTiling& t_;
    void (*const (&tiles_)[max_nv][max_mr])(const GemmTile<T>&);
    void (*const (&few_)[most_winograd_points][winograd_few])(const FewTiles<T>&);
    const WinogradFilters<T> filters_;
};

}  // namespace

void winograd_products(const WinogradExecution& e, const void* w, const TileBlock& b, std::span<const PlaneRun> planes,
                       std::int64_t first_panel, std::int64_t end_panel, const ProductArrays& a) {
    with_real(e.problem.dtype, [&](auto zero) {
        using T = decltype(zero);
        const WinogradProducts<T> products(e, static_cast<const T*>(w));
        products.multiply(b, planes, first_panel, end_panel,
                          {static_cast<const T*>(a.v), static_cast<T*>(a.m), static_cast<T*>(a.weights), a.at, a.numbers, a.segments});
    });
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The places of the tiles of a block in V and M. Each point has the tiles that use it, in the order image, plane, row, column.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "plan/winograd_tiling.hpp"

namespace npconv {

struct TileGrid {
    std::int64_t planes = 0;
    std::array<std::int64_t, most_winograd_points> rows{}, columns{};  // numbers of rows and columns that use each point

    // The place of the first tile of a row.
    std::int64_t place(std::int64_t image, std::int64_t plane, std::int64_t row, int row_point, int column_point) const {
        const auto i = static_cast<std::size_t>(row_point), j = static_cast<std::size_t>(column_point);
        return ((image * planes + plane) * rows[i] + row) * columns[j];
    }
    std::int64_t tiles(std::int64_t images) const { return place(images, 0, 0, 0, 0); }
    std::int64_t tiles_of_plane(int row_point, int column_point) const { return place(0, 1, 0, row_point, column_point); }
};

// The grid of the tiles of a block, or of its input. (With t.few, all points have all tiles: the kernel multiplies a tile at all points of
// a row at once, and needs the same place for each.)
inline TileGrid grid_of(const WinogradTiling& t, const TileBlock& b, bool input) {
    TileGrid grid;
    const auto more = [&](std::size_t a) { return input ? t.axis[a].runs - 1 : 0; };
    grid.planes = b.planes() + more(0);
    for (int i = 0; i < t.axis[1].points(); ++i)
        grid.rows[static_cast<std::size_t>(i)] = (t.few ? b.rows() : t.axis[1].using_point(b.begin[1], b.end[1], i)) + more(1);
    for (int j = 0; j < t.axis[2].points(); ++j) {
        grid.columns[static_cast<std::size_t>(j)] = t.few ? b.columns()
                                                    : t.by_tiles && input
                                                        ? t.row_of_tiles(b.columns())
                                                        : (t.axis[2].using_point(b.begin[2], b.end[2], j) + more(2)) * b.column_phases;
    }
    return grid;
}

// The places of the first tile of a run in V or M, one for each of its points. row, column: counted from the first of the block. stride:
// elements between points. tile: elements between tiles.
template <class P>
void find_places(const WinogradTiling& t, const TileGrid& grid, std::int64_t image, std::int64_t plane, std::int64_t row, int height,
                 std::int64_t column, int width, P* base, std::int64_t stride, std::int64_t tile,
                 std::array<P*, most_winograd_points * most_winograd_points>& places) {
    const AxisTiles &rows = t.axis[1], &columns = t.axis[2];
    for (int i = 0; i < rows.points_of(height); ++i) {
        const int row_point = rows.point(height, i);
        const std::int64_t before = (image * grid.planes + plane) * grid.rows[static_cast<std::size_t>(row_point)] + row;
        for (int j = 0; j < columns.points_of(width); ++j) {
            const int point = columns.point(width, j);
            places[static_cast<std::size_t>(i * most_winograd_points + j)] =
                base + (row_point * columns.points() + point) * stride +
                (before * grid.columns[static_cast<std::size_t>(point)] + column) * tile;
        }
    }
}

// Calls f(size, first tile, number of tiles) for each run of tiles of one size in a row of the block. more: number of tiles after the block
// to include, because the input of the block reaches into them.
template <class F>
void for_each_run(const WinogradTiling& t, const TileBlock& b, std::int64_t more, const F& f) {
    const AxisTiles& columns = t.axis[2];
    const std::int64_t end = b.end[2] + more;
    const std::int64_t whole = columns.alike ? end : std::min(end, columns.outputs / columns.whole);
    if (whole > b.begin[2]) f(columns.whole, b.begin[2], whole - b.begin[2]);
    if (whole < end) f(columns.size(whole), whole, end - whole);
}

}  // namespace npconv

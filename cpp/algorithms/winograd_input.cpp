// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/winograd_input.hpp"

#include <algorithm>
#include <array>

#include "algorithms/winograd_filters.hpp"
#include "algorithms/winograd_grid.hpp"

namespace npconv {
using namespace winograd_arrays;

template <class T>
WinogradInput<T>::WinogradInput(const WinogradExecution& e, const TensorView<const T>& x, double largest_weight, bool checked,
                                const BlockArrays& blocks, const ThreadArrays& threads)
    : t_(e.tiling),
      along_columns_(winograd_transforms<T>(e.kernels(), t_.axis[1])),
      along_rows_(winograd_transforms<T>(e.kernels(), t_.axis[2])),
      blocks_(blocks),
      threads_(threads),
      patches_(e, x),
      judge_(e, patches_, largest_weight),
      checked_(checked) {}

// V of some copies of the input. place: where the block has its arrays.
template <class T>
void WinogradInput<T>::transform(const TileBlock& b, std::int64_t task, int place, int thread) const {
    const Loudness<T> kept = checked_ ? judge_.begin(b, task, judged(place, thread)) : Loudness<T>{};
    const TileGrid grid = grid_of(t_, b, true);
    for (std::int64_t image = 0; image < b.images; ++image) {
        const Patch q = patches_.of(b, b.image + image);
        for (std::int64_t plane = 0; plane < grid.planes; ++plane) {
            if (!patches_.has_planes(q, plane)) continue;  // its products are left out
            const InputPlane at{b, q, grid, image, plane, task, kept, blocks_.template get<T>(place, v), thread};
            t_.by_tiles ? transform_tiles(at) : transform_vectors(at);
        }
    }
}

// Decides which tiles are left to the GEMM path.
template <class T>
void WinogradInput<T>::judge(const TileBlock& b, int place, int thread) const {
    const JudgeArrays<T> arrays = judged(place, thread);
    std::fill_n(arrays.verdict, b.tiles(), static_cast<unsigned char>(0));
    if (checked_) judge_.judge(b, arrays);
}

template <class T>
JudgeArrays<T> WinogradInput<T>::judged(int place, int thread) const {
    return {blocks_.template get<T>(place, quiet),      blocks_.template get<T>(place, largest),
            blocks_.template get<T>(place, magnitudes), blocks_.template get<unsigned char>(place, verdict),
            threads_.template get<T>(thread, patch),    planes(thread)};
}
template <class T>
TilePlanes<T> WinogradInput<T>::planes(int thread) const {
    return {threads_.template get<T>(thread, planar), threads_.template get<T>(thread, pixel_rows),
            threads_.template get<std::int64_t>(thread, column_places)};
}

// Row by row, so that a row of tiles finds its pixels in the first-level cache.
template <class T>
void WinogradInput<T>::transform_vectors(const InputPlane& in) const {
    const AxisTiles& rows = t_.axis[1];
    T* values = threads_.template get<T>(in.thread, patch);
    const PatchView<T> view = patches_.view(in.q, values);
    bool bordered = false;
    for (std::int64_t i = 0; i < t_.inputs.length(in.task); ++i) {
        const std::int64_t vector = t_.inputs.begin(in.task) + i;
        for (std::int64_t depth = 0; depth < t_.axis[0].input_phases(); ++depth) {
            const std::int64_t plane = in.plane * t_.axis[0].stride + depth;
            std::int64_t filled = 0;
            for (std::int64_t row = 0; row < in.b.rows() + rows.runs - 1; ++row) {
                const int height = rows.size(in.b.begin[1] + row);
                const std::int64_t needed = (row * rows.whole + rows.points_of(height)) * t_.row_step();
                patches_.fill(in.q, plane, filled, needed, in.b.group, vector, bordered, values, in.kept.largest);
                filled = needed;
                for (std::int64_t h = 0; h < rows.input_phases(); ++h) {
                    for (std::int64_t w = 0; w < t_.axis[2].input_phases(); ++w) {
                        const std::int64_t phase = (depth * rows.input_phases() + h) * t_.axis[2].input_phases() + w;
                        transform_row(in, view, row, height, h, w, phase * t_.channels.units_of_phase + vector);
                    }
                }
            }
            if (in.kept.quiet) judge_.keep_central(in.b, in.q, in.image, plane, values, in.kept);
            bordered = true;
        }
    }
}

// With few channels: the same values of neighbouring tiles are a vector.
template <class T>
void WinogradInput<T>::transform_tiles(const InputPlane& in) const {
    const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
    const std::int64_t first = t_.inputs.begin(in.task), n = t_.inputs.length(in.task);
    const std::int64_t row_size = patches_.row_size(in.q), tiles = in.grid.columns[0], step = in.grid.tiles(in.b.images);
    const TilePlanes<T> made = planes(in.thread);
    T* half = threads_.template get<T>(in.thread, winograd_arrays::columns);
    patches_.fill_planes(in.q, in.plane, in.b.group, first, n, made, in.kept.largest);
    for (std::int64_t i = 0; i < t_.axis[0].input_phases() * n; ++i) {
        for (std::int64_t row = 0; row < in.b.rows() + rows.runs - 1; ++row) {
            for (std::int64_t h = 0; h < rows.input_phases(); ++h) {
                const T* from = made.planes + i * patches_.plane_size(in.q) + (row * rows.whole * rows.stride + h) * row_size;
                if (rows.axis().transforms()) {
                    along_columns_.input_columns[rows.whole - 1](
                        {from, rows.stride * row_size, t_.lanes, row_size / t_.lanes, half, row_stride(t_)});
                    from = half;
                }
                for (std::int64_t w = 0; w < columns.input_phases(); ++w) {
                    const std::int64_t phase = (i / n * rows.input_phases() + h) * columns.input_phases() + w;
                    const std::int64_t unit = phase * t_.channels.channels + first + i % n, k = t_.units.run_of(unit);
                    T* to = in.v + t_.v_begin(k) + (unit - t_.units.begin(k)) * step + in.grid.place(in.image, in.plane, row, 0, 0);
                    along_rows_.input_tiles[columns.whole - 1]({from + w * columns.whole * in.q.tiles_of_column, row_stride(t_),
                                                                in.q.tiles_of_column, rows.points(), tiles / t_.lanes, to, t_.v_stride(k)});
                }
            }
        }
    }
    if (in.kept.quiet) judge_.keep_central_of_planes(in.b, in.q, in.image, in.plane, n, made.planes, in.kept);
}

// A row of tiles of a unit, whose pixels begin at (y, x) of the view.
template <class T>
void WinogradInput<T>::transform_row(const InputPlane& in, const PatchView<T>& view, std::int64_t row, int height, std::int64_t y,
                                     std::int64_t x, std::int64_t unit) const {
    const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
    const std::int64_t k = t_.units.run_of(unit), tile = t_.units.length(k) * t_.lanes;
    T* to = in.v + t_.v_begin(k) + (unit - t_.units.begin(k)) * t_.lanes;
    const std::int64_t pixel_row = view.columns * t_.lanes, step = view.column_step * t_.lanes;
    const T* from = view.values + (row * rows.whole * view.row_step + y) * pixel_row + x * t_.lanes;
    const bool in_place = !rows.axis().transforms() && view.column_step == 1;
    const std::int64_t half_stride = columns_stride(inputs_at_once * columns.whole + columns.taps() - 1, t_.lanes);
    T* half = threads_.template get<T>(in.thread, winograd_arrays::columns);
    for (std::int64_t phase = 0; phase < columns.phases; ++phase) {
        for_each_run(t_, in.b, columns.runs - 1, [&](int width, std::int64_t column, std::int64_t tiles) {
            std::array<T*, most_winograd_points * most_winograd_points> places;
            const std::int64_t first = column - in.b.begin[2];
            find_places(t_, in.grid, in.image, in.plane, row, height, first * columns.phases + phase, width, to, t_.v_stride(k), tile,
                        places);
            const T* begin = from + phase * t_.lanes + first * columns.whole * step;
            for (std::int64_t done = 0; done < tiles; done += inputs_at_once) {
                const std::int64_t n = std::min(inputs_at_once, tiles - done);
                const T* pixels = begin + done * width * step;
                if (!in_place) {
                    along_columns_.input_columns[height - 1](
                        {pixels, view.row_step * pixel_row, step, n * width + columns.taps() - 1, half, half_stride});
                }
                along_rows_.input_rows[width - 1]({in_place ? pixels : half, half_stride, rows.points_of(height), n, places.data(),
                                                   done * columns.phases * tile, columns.phases * tile});
            }
        });
    }
}

template class WinogradInput<float>;
template class WinogradInput<double>;

}  // namespace npconv

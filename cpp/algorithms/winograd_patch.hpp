// SPDX-License-Identifier: BSD-3-Clause
// The part of the input that a block of Winograd's tiles needs, with its border, as vectors of channels, one plane at a time.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "core/border.hpp"
#include "core/types.hpp"
#include "kernels/registry.hpp"
#include "plan/executions.hpp"
#include "plan/winograd_arrays.hpp"

namespace npconv {

// The patch of one image and one phase of its planes and rows.
struct Patch {
    std::int64_t image = 0;
    std::array<std::int64_t, 3> phase{};  // phase of the outputs
    std::array<std::int64_t, 3> first{};  // input coordinates of its first pixel, which may be in the border
    std::int64_t planes = 0, rows = 0, columns = 0;
    std::int64_t tiles_of_column = 0;
    std::int64_t pixels() const { return rows * columns; }
};

// A plane as the transforms read it: [row][column][lanes].
template <class T>
struct PatchView {
    const T* values;
    std::int64_t columns;
    std::int64_t row_step, column_step;  // rows and columns between inputs of a tile
};

// by_tiles: planes[phase of the planes][channel][row][column of a tile][tile], and room to make them. See columns_of_tile in
// plan/winograd_tiling.hpp.
template <class T>
struct TilePlanes {
    T *planes, *pixels;
    std::int64_t* places;
};

template <class T>
class WinogradPatches {
  public:
    WinogradPatches(const WinogradExecution& e, const TensorView<const T>& x)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          x_(x),
          copy_every_(kernels_of<T>(e.kernels()).copy_every),
          gather_(winograd_kernels_of<T>(e.kernels()).gather_channels),
          split_(winograd_kernels_of<T>(e.kernels()).split_tiles) {}

    Patch of(const TileBlock& b, std::int64_t image) const {
        Patch q;
        q.phase = {image / t_.axis[1].phases % t_.axis[0].phases, image % t_.axis[1].phases, 0};
        q.image = image / t_.axis[1].phases / t_.axis[0].phases;
        std::array<std::int64_t, 3> steps;
        for (std::size_t a = 0; a < 3; ++a) {
            const AxisTiles& axis = t_.axis[a];
            q.first[a] = q.phase[a] + axis.output_step() * axis.begin(b.begin[a]) - s_.axis[a].pad_before;
            steps[a] = axis.input_steps(b.begin[a], b.end[a]);
        }
        q.planes = steps[0] * t_.axis[0].stride;
        q.rows = steps[1] * t_.row_step();
        q.columns = steps[2] * t_.column_step();
        q.tiles_of_column = t_.tiles_of_column(b.end[2] - b.begin[2]);
        return q;
    }

    // Does a plane of the patch, or one of the planes at which a plane of tiles begins, come from the input and not from a border of zeros?
    bool has_plane(const Patch& q, std::int64_t plane) const { return source(q, 0, plane) >= 0; }
    bool has_planes(const Patch& q, std::int64_t tile_plane) const {
        for (std::int64_t i = 0; i < t_.axis[0].input_phases(); ++i) {
            if (has_plane(q, tile_plane * t_.axis[0].stride + i)) return true;
        }
        return false;
    }

    // Copies rows begin, ..., end - 1 of a plane of one vector of channels of a group to to[row][column][lanes]. largest: as in
    // ChannelVectors. bordered: `to` holds a plane of the same patch, so a border of zeros is already there.
    void fill(const Patch& q, std::int64_t plane, std::int64_t begin, std::int64_t end, std::int64_t group, std::int64_t vector,
              bool bordered, T* to, T* largest) const {
        const std::int64_t z = source(q, 0, plane);
        if (z < 0) {
            std::fill_n(to + begin * q.columns * t_.lanes, (end - begin) * q.columns * t_.lanes, T(0));
            return;
        }
        const std::int64_t channel = vector * t_.lanes, width = s_.axis[2].input, row_step = t_.axis[1].phases;
        ChannelVectors<T> run{};
        run.from = first_channel(q, group) + channel * x_.channel + z * x_.spatial[0];
        run.row_stride = x_.spatial[1] * row_step;
        run.pixel_stride = x_.spatial[2];
        run.channel_stride = x_.channel;
        run.channels = static_cast<int>(std::min<std::int64_t>(t_.lanes, s_.in_channels - channel));
        run.to_stride = q.columns * t_.lanes;
        run.largest = largest;
        const auto copy = [&](std::int64_t y, std::int64_t x, std::int64_t rows, std::int64_t pixels, std::int64_t row,
                              std::int64_t column) {
            ChannelVectors<T> part = run;
            part.from += y * x_.spatial[1] + x * run.pixel_stride;
            part.rows = rows;
            part.pixels = pixels;
            part.to = to + row * run.to_stride + column * t_.lanes;
            gather_(part);
        };
        const std::int64_t left = std::clamp<std::int64_t>(-q.first[2], 0, q.columns);
        const std::int64_t right = std::clamp(width - q.first[2], left, q.columns);
        const Inside rows = inside(q.first[1], row_step, s_.axis[1].input, begin, end);
        if (rows.end > rows.begin && right > left)
            copy(q.first[1] + rows.begin * row_step, q.first[2] + left, rows.end - rows.begin, right - left, rows.begin, left);
        if (p_.border == Border::zeros && bordered) return;
        for (std::int64_t i = begin; i < end; ++i) {
            const bool within = i >= rows.begin && i < rows.end;
            const std::int64_t y = source(q, 1, i);
            for (std::int64_t j = 0; j < q.columns; ++j) {
                if (within && j == left) j = right;
                if (j >= q.columns) break;
                const std::int64_t x = source(q, 2, j);
                if (y < 0 || x < 0) {
                    std::fill_n(to + (i * q.columns + j) * t_.lanes, t_.lanes, T(0));
                } else if (!within && q.first[2] + j == x && p_.border != Border::zeros) {
                    copy(y, x, 1, right - j, i, j);  // a row of the border repeats a whole row of the input
                    j = right - 1;
                } else {
                    copy(y, x, 1, 1, i, j);
                }
            }
        }
    }

    PatchView<T> view(const Patch& q, const T* patch) const { return {patch, q.columns, t_.row_step(), t_.column_step()}; }

    // ---- few channels: planes whose rows are columns of tiles ----

    // Fills the planes at which a plane of tiles begins, for n channels from `first` on.
    void fill_planes(const Patch& q, std::int64_t tile_plane, std::int64_t group, std::int64_t first, std::int64_t n,
                     const TilePlanes<T>& to, T* largest) const {
        const std::int64_t step = t_.axis[2].whole * t_.axis[2].stride;  // pixels between tiles
        const std::int64_t of_pixel = x_.channel == 1 ? n : 1;           // channels of a pixel that are read at once
        TileColumns<T> run{};
        run.from = to.pixels;
        run.step = run.columns = step * of_pixel;
        run.vectors = q.tiles_of_column / t_.lanes;
        run.place = to.places;
        run.largest = largest;
        for (std::int64_t x = 0; x < step; ++x) {
            for (std::int64_t c = 0; c < of_pixel; ++c) {
                const std::int64_t column = column_of(x);
                to.places[x * of_pixel + c] = column < 0 ? -1 : c * plane_size(q) + column * q.tiles_of_column;
            }
        }
        // Several rows are copied before they are split, so that values are not read right after they were written.
        const std::int64_t at_once = t_.rows_at_once(of_pixel);
        run.row_stride = q.tiles_of_column * step * of_pixel;
        run.to_stride = row_size(q);
        clear_borders(q, of_pixel, to.pixels, std::min(at_once, q.rows), run.row_stride);
        for (std::int64_t i = 0; i < t_.axis[0].input_phases(); ++i) {
            const std::int64_t z = source(q, 0, tile_plane * t_.axis[0].stride + i);
            const T* plane = z < 0 ? nullptr : first_channel(q, group) + first * x_.channel + z * x_.spatial[0];
            for (std::int64_t c = 0; c < n; c += of_pixel) {
                T* made = to.planes + (i * n + c) * plane_size(q);
                if (!plane) {
                    std::fill_n(made, of_pixel * plane_size(q), T(0));
                    continue;
                }
                for (std::int64_t row = 0; row < q.rows; row += run.rows) {
                    run.rows = std::min(at_once, q.rows - row);
                    run.to = made + row * row_size(q);
                    for (std::int64_t k = 0; k < run.rows; ++k) {
                        const std::int64_t y = source(q, 1, row + k);
                        fill_pixels(q, y < 0 ? nullptr : plane + c * x_.channel + y * x_.spatial[1], of_pixel,
                                    to.pixels + k * run.row_stride);
                    }
                    split_(run);
                }
            }
        }
    }

    // The index in a row of the tile column that holds pixel x of each tile; -1 if the pixel is in no phase of the input.
    std::int64_t column_of(std::int64_t x) const {
        const std::int64_t stride = t_.axis[2].stride, phase = x % stride;
        return phase < t_.axis[2].input_phases() ? phase * t_.axis[2].whole + x / stride : -1;
    }
    std::int64_t row_size(const Patch& q) const { return t_.columns_of_tile() * q.tiles_of_column; }
    std::int64_t plane_size(const Patch& q) const { return q.rows * row_size(q); }

  private:
    const T* first_channel(const Patch& q, std::int64_t group) const {
        return x_.data + q.image * x_.batch + group * s_.in_channels * x_.channel;
    }

    // The input coordinate of pixel i of an axis of a patch, or -1 in a border of zeros. A patch has all columns of a row, but only the
    // planes and rows of its phase.
    std::int64_t source(const Patch& q, std::size_t axis, std::int64_t i) const {
        return border_source(q.first[axis] + i * (axis == 2 ? 1 : t_.axis[axis].phases), s_.axis[axis].input, p_.border);
    }

    // The pixels [first, second) of a row that are inside the input.
    std::pair<std::int64_t, std::int64_t> inside_of_row(const Patch& q) const {
        const std::int64_t left = std::clamp<std::int64_t>(-q.first[2], 0, q.columns);
        return {left, std::clamp(s_.axis[2].input - q.first[2], left, q.columns)};
    }

    // The pixels [first, second) of a row that may be other than zero in some row.
    std::pair<std::int64_t, std::int64_t> filled_of_row(const Patch& q) const {
        return p_.border == Border::zeros ? inside_of_row(q) : std::pair{std::int64_t{0}, q.columns};
    }

    // Sets to zero, in rows of pixels with `channels` channels, the pixels that are zero in every row: a border of zeros, and pixels beyond
    // the patch.
    void clear_borders(const Patch& q, std::int64_t channels, T* to, std::int64_t rows, std::int64_t size) const {
        const auto [left, right] = filled_of_row(q);
        for (std::int64_t row = 0; row < rows; ++row, to += size) {
            std::fill_n(to, left * channels, T(0));
            std::fill_n(to + right * channels, size - right * channels, T(0));
        }
        std::fill_n(to, t_.lanes, T(0));
    }

    // Fills the other pixels of a row: to[column][channel], with adjacent channels. from == nullptr: zeros.
    void fill_pixels(const Patch& q, const T* from, std::int64_t channels, T* to) const {
        if (!from) {
            const auto [left, right] = filled_of_row(q);
            std::fill_n(to + left * channels, (right - left) * channels, T(0));
            return;
        }
        const std::int64_t step = x_.spatial[2];
        const auto copy = [&](std::int64_t x, std::int64_t n, std::int64_t j) {
            const T* begin = from + x * step;
            if (step == channels) {
                std::copy_n(begin, n * channels, to + j * channels);
            } else if (channels == 1) {
                copy_every_(begin, step, n, to + j);
            } else {
                for (std::int64_t i = 0; i < n; ++i) std::copy_n(begin + i * step, channels, to + (j + i) * channels);
            }
        };
        const auto [left, right] = inside_of_row(q);
        if (right > left) copy(q.first[2] + left, right - left, left);
        if (p_.border == Border::zeros) return;
        for (std::int64_t j = 0; j < q.columns; ++j) {
            if (j == left) j = right;
            if (j >= q.columns) break;
            copy(source(q, 2, j), 1, j);
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const WinogradTiling& t_;
    TensorView<const T> x_;
    void (*copy_every_)(const T*, std::int64_t, std::int64_t, T*);
    void (*gather_)(const ChannelVectors<T>&);
    void (*split_)(const TileColumns<T>&);
};

}  // namespace npconv

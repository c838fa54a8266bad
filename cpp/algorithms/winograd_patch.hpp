// SPDX-License-Identifier: BSD-3-Clause
// The part of the input that a block of Winograd's tiles needs, as vectors of channels and with the border filled in: a plane at a time.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/border.hpp"
#include "core/types.hpp"
#include "kernels/registry.hpp"
#include "plan/winograd_arrays.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

// Of one image and one phase of its planes and rows.
struct Patch {
    std::int64_t image = 0;
    std::array<std::int64_t, 3> phase{};  // of the outputs
    std::array<std::int64_t, 3> first{};  // of its first pixel; outside of the input it is in the border
    std::int64_t planes = 0, rows = 0, columns = 0;
    std::int64_t pixels() const { return rows * columns; }
};

// A plane as the transforms read it: [row][column][lanes].
template <class T>
struct PatchView {
    const T* values;
    std::int64_t columns;
    std::int64_t row_step, column_step;  // between the inputs of a tile
};

template <class T>
class WinogradPatches {
  public:
    WinogradPatches(const Problem& p, const WinogradTiling& t, const TensorView<const T>& x)
        : p_(p),
          s_(p.shape),
          t_(t),
          x_(x),
          copy_every_(kernels_of<T>(*p.kernels).copy_every),
          gather_(winograd_kernels_of<T>(*p.kernels).gather_channels) {}

    Patch of(const TileBlock& b, std::int64_t image) const {
        Patch q;
        q.phase = {image / t_.axis[1].phases % t_.axis[0].phases, image % t_.axis[1].phases, 0};
        q.image = image / t_.axis[1].phases / t_.axis[0].phases;
        std::array<std::int64_t, 3> steps;
        for (std::size_t a = 0; a < 3; ++a) {
            const AxisTiles& axis = t_.axis[a];
            q.first[a] = q.phase[a] + std::max(axis.stride, axis.phases) * axis.begin(b.begin[a]) - s_.axis[a].pad_before;
            steps[a] = axis.input_steps(b.begin[a], b.end[a]);
        }
        q.planes = steps[0] * t_.axis[0].stride;
        q.rows = steps[1] * t_.row_step();
        q.columns = steps[2] * t_.column_step();
        return q;
    }

    // Is a plane of the patch, or one of those of a plane of tiles, inside the input, or copied from there?
    bool has_plane(const Patch& q, std::int64_t plane) const { return source(q, 0, plane) >= 0; }
    bool has_planes(const Patch& q, std::int64_t tile_plane) const {
        for (std::int64_t i = 0; i < t_.axis[0].input_phases(); ++i) {
            if (has_plane(q, tile_plane * t_.axis[0].stride + i)) return true;
        }
        return false;
    }

    // Rows begin, ..., end - 1 of a plane of one vector of channels of a group -> to[row][column][lanes]. largest: as ChannelVectors.
    // bordered: does `to` hold a plane of the same patch? Then a border of zeros is there already.
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
                    copy(y, x, 1, right - j, i, j);  // a whole row of another place
                    j = right - 1;
                } else {
                    copy(y, x, 1, 1, i, j);
                }
            }
        }
    }

    PatchView<T> view(const Patch& q, const T* patch) const { return {patch, q.columns, t_.row_step(), t_.column_step()}; }

    // ---- few channels: all phases of a vector share a unit ----

    // The planes that a plane of tiles begins at, of all channels -> to[phase of the planes][channel][row][column].
    void fill_planes(const Patch& q, std::int64_t tile_plane, std::int64_t group, T* to) const {
        for (std::int64_t i = 0; i < t_.axis[0].input_phases(); ++i) {
            const std::int64_t z = source(q, 0, tile_plane * t_.axis[0].stride + i);
            for (std::int64_t c = 0; c < s_.in_channels; ++c) {
                const T* plane = z < 0 ? nullptr : first_channel(q, group) + c * x_.channel + z * x_.spatial[0];
                for (std::int64_t row = 0; row < q.rows; ++row, to += q.columns) fill_row(q, plane, row, to);
            }
        }
    }
    const T* planar_plane(const Patch& q, const T* planes, std::int64_t phase, std::int64_t channel) const {
        return planes + (phase * s_.in_channels + channel) * q.pixels();
    }

    // A unit from those: to[row of a phase][column of a phase][lanes]. room: [lanes][planar_stride].
    void fill_unit(const Patch& q, std::int64_t unit, const T* planes, T* room, T* to, T* largest) const {
        const std::int64_t rows = q.rows / t_.row_step(), columns = q.columns / t_.column_step();
        const std::int64_t lanes = t_.channels.length(unit), stride = winograd_arrays::planar_stride(t_);
        ChannelVectors<T> run{};
        run.from = room;
        run.pixel_stride = 1;
        run.channel_stride = stride;
        run.rows = 1;
        run.pixels = columns;
        run.channels = static_cast<int>(lanes);
        run.largest = largest;
        constexpr std::size_t most_lanes = 64;
        std::array<const T*, most_lanes> from;
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            const std::int64_t i = t_.channels.begin(unit) + lane;
            const auto phase = t_.channels.phase(i / s_.in_channels);
            from[static_cast<std::size_t>(lane)] = planar_plane(q, planes, phase[0], i % s_.in_channels) + phase[1] * q.columns + phase[2];
        }
        const std::int64_t row_step = t_.row_step() * q.columns, step = t_.column_step();
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t lane = 0; lane < lanes; ++lane)
                copy_every_(from[static_cast<std::size_t>(lane)] + row * row_step, step, columns, room + lane * stride);
            run.to = to + row * columns * t_.lanes;
            gather_(run);
        }
    }
    PatchView<T> unit_view(const Patch& q, const T* unit) const { return {unit, q.columns / t_.column_step(), 1, 1}; }

  private:
    const T* first_channel(const Patch& q, std::int64_t group) const {
        return x_.data + q.image * x_.batch + group * s_.in_channels * x_.channel;
    }

    // Where pixel i of an axis of a patch comes from, or -1: from a border of zeros. All columns of a row are there, of planes and rows
    // those of a phase.
    std::int64_t source(const Patch& q, std::size_t axis, std::int64_t i) const {
        return border_source(q.first[axis] + i * (axis == 2 ? 1 : t_.axis[axis].phases), s_.axis[axis].input, p_.border);
    }

    void fill_row(const Patch& q, const T* plane, std::int64_t row, T* to) const {
        const std::int64_t y = source(q, 1, row);
        if (!plane || y < 0) {
            std::fill_n(to, q.columns, T(0));
            return;
        }
        const T* from = plane + y * x_.spatial[1];
        const std::int64_t left = std::clamp<std::int64_t>(-q.first[2], 0, q.columns);
        const std::int64_t right = std::clamp(s_.axis[2].input - q.first[2], left, q.columns);
        if (right > left) {
            const T* inner = from + (q.first[2] + left) * x_.spatial[2];
            if (x_.spatial[2] == 1) {
                std::copy_n(inner, right - left, to + left);
            } else {
                copy_every_(inner, x_.spatial[2], right - left, to + left);
            }
        }
        for (std::int64_t j = 0; j < q.columns; ++j) {
            if (j == left) j = right;
            if (j >= q.columns) break;
            const std::int64_t x = source(q, 2, j);
            to[j] = x < 0 ? T(0) : from[x * x_.spatial[2]];
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const WinogradTiling& t_;
    TensorView<const T> x_;
    void (*copy_every_)(const T*, std::int64_t, std::int64_t, T*);
    void (*gather_)(const ChannelVectors<T>&);
};

}  // namespace npconv

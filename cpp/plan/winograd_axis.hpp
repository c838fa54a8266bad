// SPDX-License-Identifier: BSD-3-Clause
// One axis of Winograd's convolution, in terms of dense convolutions of few taps:
//
//   long kernels   runs of taps; a run has as many taps as a tile has outputs. The next run meets the input of the next tile, so all runs
//                  share one transform of the input, and their products are added before the output's transform
//   stride s       output o of k taps is the sum over s phases of the input, each with every s-th tap: a dense convolution of ceil(k / s)
//                  taps; phases are summed as channels are
//   dilation d     every d-th output is a dense convolution of every d-th input: d times the images, or along the width d times the tiles
//
// A tile of one output and one tap has no transform. It serves an axis with one tap, and an axis whose taps are just summed.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/cook_toom.hpp"
#include "core/shape.hpp"
#include "core/split.hpp"

namespace npconv {

struct AxisTiles {
    int kind = 0;              // index into winograd_axes
    int whole = 1;             // outputs of a whole tile
    std::int64_t length = 0;   // outputs of all phases
    std::int64_t outputs = 0;  // most outputs of a phase
    std::int64_t runs = 1;     // of taps
    std::int64_t phases = 1;   // phases of the outputs: the dilation
    std::int64_t stride = 1;
    std::int64_t kernel = 1;
    bool alike = false;  // all tiles are whole, and the last may reach beyond the output; if false, the last may be smaller

    const WinogradAxis& axis() const { return winograd_axes[kind]; }
    int taps() const { return axis().taps; }
    int points() const { return points_of(whole); }
    int points_of(int size) const { return size + taps() - 1; }
    std::int64_t input_phases() const { return std::min(stride, kernel); }

    std::int64_t output_step() const { return std::max(stride, phases); }  // inputs between neighbouring outputs of a phase

    std::int64_t count() const { return ceil_div(outputs, whole); }
    std::int64_t begin(std::int64_t tile) const { return tile * whole; }
    std::int64_t end(std::int64_t tile) const { return begin(tile) + size(tile); }
    int size(std::int64_t tile) const { return alike ? whole : static_cast<int>(std::min<std::int64_t>(outputs - tile * whole, whole)); }

    // The outputs of a tile that exist in y.
    int real(std::int64_t tile, std::int64_t phase) const {
        const std::int64_t of_phase = phases == 1 ? length : ceil_div(length - phase, phases);
        return static_cast<int>(std::clamp<std::int64_t>(of_phase - tile * whole, 0, whole));
    }

    // Weights are transformed for all points of the set, so that they serve tiles of any size. Returns the number in the set of a point.
    int point_of_set(int point) const { return point == points() - 1 ? axis().points - 1 : first_point(axis().points, points()) + point; }

    // The number that point i of a tile of `size` outputs has in a whole tile, and whether such a tile uses a point (core/cook_toom.hpp).
    int first(int size) const { return first_point(axis().points, points_of(size)) - first_point(axis().points, points()); }
    int point(int size, int i) const { return i == points_of(size) - 1 ? points() - 1 : first(size) + i; }
    bool uses(int size, int point) const {
        return point == points() - 1 || (point >= first(size) && point < first(size) + points_of(size) - 1);
    }
    // The number of the tiles [begin, end) that use a point: all, or all but the last tile of the axis.
    std::int64_t using_point(std::int64_t begin, std::int64_t end, int point) const {
        return end - begin - (!alike && end > begin && !uses(size(end - 1), point) ? 1 : 0);
    }

    // The number of input tiles that `tiles` tiles meet: one more for each run after the first.
    std::int64_t input_tiles(std::int64_t tiles) const { return tiles + runs - 1; }
    // Inputs of tiles [begin, end) and of the tiles that further runs meet, counted in inputs of a phase.
    std::int64_t input_steps(std::int64_t begin, std::int64_t end) const {
        return this->end(end - 1) - this->begin(begin) + (runs - 1) * whole + taps() - 1;
    }
    // The same for `tiles` tiles, at most.
    std::int64_t most_input_steps(std::int64_t tiles) const { return input_tiles(tiles) * whole + taps() - 1; }

    // Central inputs of a tile: the window of every output holds at least one of them. They are counted from the first input of the tile,
    // in steps between taps. They are as far from the ends as possible, because there may be a border of zeros.
    int centrals(int size) const {
        if (stride > kernel) return size;
        return static_cast<int>(ceil_div(stride * (size - 1) + 1, kernel));
    }
    std::int64_t central(int size, int i) const {
        if (stride > kernel) return stride * i + (kernel - 1) / 2;
        const std::int64_t last = stride * (size - 1), n = centrals(size);
        if (n == 1) return (last + kernel - 1) / 2;
        return kernel - 1 + i * (last - kernel + 1) / (n - 1);
    }
    bool operator==(const AxisTiles&) const = default;
};

}  // namespace npconv

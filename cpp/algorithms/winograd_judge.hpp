// SPDX-License-Identifier: BSD-3-Clause
// Finds the tiles that Winograd's convolution leaves to the GEMM path. Their input is not finite, might overflow or underflow, or is so
// uneven that the errors of its largest values would swamp its smallest. The verdict depends on the tile's input alone.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "algorithms/gemm_packing.hpp"
#include "algorithms/winograd_patch.hpp"
#include "kernels/registry.hpp"
#include "plan/winograd_error.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

// Arrays of a block, and of the thread that judges it.
template <class T>
struct JudgeArrays {
    T *quiet, *largest, *magnitudes;
    unsigned char* verdict;
    T* patch;
    TilePlanes<T> planes;
};

// Vectors of magnitudes that a task of the input's transform keeps: the central pixels of each tile, and the largest of all pixels.
template <class T>
struct Loudness {
    T* quiet = nullptr;
    T* largest = nullptr;
};

template <class T>
class WinogradJudge {
  public:
    WinogradJudge(const WinogradExecution& e, const WinogradPatches<T>& patches, double largest_weight)
        : s_(e.problem.shape),
          t_(e.tiling),
          winograd_(winograd_kernels_of<T>(e.kernels())),
          patches_(patches),
          loudest_(loudest_input(largest_weight)),
          quietest_(static_cast<T>(winograd_least(e.problem.dtype))) {}

    Loudness<T> begin(const TileBlock& b, std::int64_t task, const JudgeArrays<T>& a) const {
        const Loudness<T> kept{a.quiet + task * t_.most_tiles() * t_.central_pixels() * t_.lanes, a.largest + task * t_.lanes};
        std::fill_n(kept.quiet, b.tiles() * t_.central_pixels() * t_.lanes, T(0));
        std::fill_n(kept.largest, t_.lanes, T(0));
        return kept;
    }

    // Keeps the magnitudes of the central pixels in a plane of the patch, for one vector of channels.
    void keep_central(const TileBlock& b, const Patch& q, std::int64_t image, std::int64_t plane, const T* values,
                      const Loudness<T>& kept) const {
        for_each_central(
            b, q, image, plane, [&](std::int64_t pixel, std::int64_t step, std::int64_t to, std::int64_t to_step, std::int64_t n) {
                winograd_.keep_magnitudes({values + pixel * t_.lanes, step * t_.lanes, kept.quiet + to * t_.lanes, to_step * t_.lanes, n});
            });
    }

    // The same for n channels, from their planes. It uses one lane of each vector.
    void keep_central_of_planes(const TileBlock& b, const Patch& q, std::int64_t image, std::int64_t tile_plane, std::int64_t n,
                                const T* planes, const Loudness<T>& kept) const {
        const std::int64_t step = t_.axis[2].whole * t_.axis[2].stride;
        for (std::int64_t phase = 0; phase < t_.axis[0].input_phases(); ++phase) {
            const T* first = planes + phase * n * patches_.plane_size(q);
            const auto keep = [&](std::int64_t pixel, std::int64_t, std::int64_t to, std::int64_t to_step, std::int64_t tiles) {
                const std::int64_t row = pixel / q.columns, x = pixel % q.columns;
                const T* from = first + row * patches_.row_size(q) + patches_.column_of(x % step) * q.tiles_of_column + x / step;
                for (std::int64_t i = 0; i < tiles; ++i) kept.quiet[(to + i * to_step) * t_.lanes] = largest_of_channels(q, from + i, n);
            };
            for_each_central(b, q, image, tile_plane * t_.axis[0].stride + phase, keep);
        }
    }

    // Sets the verdicts: 1 means that the tile is left to the GEMM path.
    void judge(const TileBlock& b, const JudgeArrays<T>& a) const {
        if (calm(b, a)) return;
        T* values = a.magnitudes + (t_.most_pixels() + t_.lanes) * t_.lanes;
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = patches_.of(b, b.image + image);
            for (std::int64_t plane = 0; plane < b.planes() + t_.axis[0].runs - 1; ++plane) {
                for (std::int64_t phase = 0; phase < t_.axis[0].stride; ++phase) {
                    const std::int64_t at = plane * t_.axis[0].stride + phase;
                    magnitudes_of(b, q, plane, phase, a, values + at * q.pixels());
                }
            }
            for_each_tile(b, q, image, [&](std::int64_t number, const Tile& tile, std::int64_t phase) {
                a.verdict[number] = beyond(q, b, tile, phase, values) ? 1 : 0;
            });
        }
    }

    static std::int64_t number_of(const TileBlock& b, std::int64_t image, std::int64_t plane, std::int64_t row) {
        return ((image * b.planes() + plane - b.begin[0]) * b.rows() + row - b.begin[1]) * b.columns();
    }

  private:
    using Tile = std::array<std::int64_t, 3>;

    // The largest input whose transform, products and sums are surely finite.
    T loudest_input(double weight) const {
        const double room = 0.125 * static_cast<double>(std::numeric_limits<T>::max()) / winograd_growth(axes_of(t_.axis));
        const double sum = static_cast<double>(t_.runs() * t_.channels.total()) * weight;
        return static_cast<T>(sum > 1.0 ? room / sum : room);
    }

    // Calls f(pixel, step between pixels, index in `quiet`, step between indices, count) for each run of central pixels of neighbouring
    // tiles.
    template <class F>
    void for_each_central(const TileBlock& b, const Patch& q, std::int64_t image, std::int64_t plane, const F& f) const {
        for (std::int64_t out = 0; out < b.planes(); ++out) {
            if (central_plane(q, out) == plane) for_each_central_of_plane(b, q, image, b.begin[0] + out, f);
        }
    }

    // The middle one of the planes that a plane of outputs meets, or the nearest to it that is inside the input.
    std::int64_t central_plane(const Patch& q, std::int64_t out) const {
        const std::int64_t first = out * t_.axis[0].stride, kernel = t_.axis[0].kernel, middle = first + (kernel - 1) / 2;
        for (std::int64_t away = 0; away < kernel; ++away) {
            if (middle - away >= first && patches_.has_plane(q, middle - away)) return middle - away;
            if (middle + away < first + kernel && patches_.has_plane(q, middle + away)) return middle + away;
        }
        return middle;
    }

    template <class F>
    void for_each_central_of_plane(const TileBlock& b, const Patch& q, std::int64_t image, std::int64_t out_plane, const F& f) const {
        const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
        const std::int64_t step = columns.whole * t_.column_step(), tap = columns.phases, kept = t_.central_pixels();
        const int most_rows = rows.centrals(rows.whole), most_columns = columns.centrals(columns.whole);
        for (std::int64_t row = b.begin[1]; row < b.end[1]; ++row) {
            const int height = rows.real(row, q.phase[1]);
            if (height == 0) continue;
            const std::int64_t first_row = (row - b.begin[1]) * rows.whole * t_.row_step(), first = number_of(b, image, out_plane, row);
            for (std::int64_t phase = 0; phase < columns.phases; ++phase) {
                for (std::int64_t tile = b.begin[2]; tile < b.end[2];) {
                    const int width = columns.real(tile, phase);
                    if (width == 0) break;
                    std::int64_t end = tile + 1;
                    while (end < b.end[2] && columns.real(end, phase) == width) ++end;
                    const std::int64_t begin = tile - b.begin[2];
                    for (int i = 0; i < most_rows * most_columns; ++i) {
                        const std::int64_t y = rows.central(height, std::min(i / most_columns, rows.centrals(height) - 1));
                        const std::int64_t x = columns.central(width, std::min(i % most_columns, columns.centrals(width) - 1));
                        f((first_row + y) * q.columns + begin * step + phase + x * tap, step,
                          (first + begin * columns.phases + phase) * kept + i, columns.phases * kept, end - tile);
                    }
                    tile = end;
                }
            }
        }
    }

    // Calls f(number, tile, phase of its columns) for each tile that has outputs.
    template <class F>
    void for_each_tile(const TileBlock& b, const Patch& q, std::int64_t image, const F& f) const {
        for (std::int64_t plane = b.begin[0]; plane < b.end[0]; ++plane) {
            if (t_.axis[0].real(plane, q.phase[0]) == 0) continue;
            for (std::int64_t row = b.begin[1]; row < b.end[1]; ++row) {
                if (t_.axis[1].real(row, q.phase[1]) == 0) continue;
                std::int64_t number = number_of(b, image, plane, row);
                for (std::int64_t column = b.begin[2]; column < b.end[2]; ++column) {
                    for (std::int64_t phase = 0; phase < t_.axis[2].phases; ++phase, ++number) {
                        if (t_.axis[2].real(column, phase) > 0) f(number, Tile{plane, row, column}, phase);
                    }
                }
            }
        }
    }

    // A quick test: true if certainly no tile is left to the GEMM path. The receptive field of every output holds a central pixel of its
    // tile, and no value of a tile exceeds the largest of the block.
    bool calm(const TileBlock& b, const JudgeArrays<T>& a) const {
        const std::int64_t pixels = b.tiles() * t_.central_pixels();
        for (std::int64_t task = 1; task < t_.inputs.parts; ++task) {
            winograd_.keep_magnitudes(
                {a.quiet + task * t_.most_tiles() * t_.central_pixels() * t_.lanes, t_.lanes, a.quiet, t_.lanes, pixels});
            winograd_.keep_magnitudes({a.largest + task * t_.lanes, t_.lanes, a.largest, t_.lanes, 1});
        }
        T* values = a.magnitudes;
        winograd_.largest_lanes(a.largest, 1, values);
        const T loud = values[0];
        if (!(loud <= loudest_)) return false;
        if (loud == 0) return true;
        winograd_.largest_lanes(a.quiet, pixels, values);
        T least = loud;
        for (std::int64_t image = 0; image < b.images; ++image) {
            for_each_tile(b, patches_.of(b, b.image + image), image, [&](std::int64_t number, const Tile&, std::int64_t) {
                for (std::int64_t i = 0; i < t_.central_pixels(); ++i) least = std::min(least, values[number * t_.central_pixels() + i]);
            });
        }
        return least >= quietest_ && loud <= least * static_cast<T>(winograd_range);
    }

    // The largest magnitude of n channels at one place of their planes.
    T largest_of_channels(const Patch& q, const T* values, std::int64_t n) const {
        T most = 0;
        for (std::int64_t c = 0; c < n; ++c) most = larger_magnitude(most, std::abs(values[c * patches_.plane_size(q)]));
        return most;
    }

    // For each pixel of a plane of the patch, the largest magnitude of all channels.
    void magnitudes_of(const TileBlock& b, const Patch& q, std::int64_t tile_plane, std::int64_t phase, const JudgeArrays<T>& a,
                       T* to) const {
        const std::int64_t plane = tile_plane * t_.axis[0].stride + phase;
        if (phase >= t_.axis[0].input_phases() || !patches_.has_plane(q, plane)) {
            std::fill_n(to, q.pixels(), T(0));
            return;
        }
        if (t_.by_tiles) return magnitudes_by_tiles(b, q, tile_plane, phase, a.planes, to);
        std::fill_n(a.magnitudes, q.pixels() * t_.lanes, T(0));
        for (std::int64_t vector = 0; vector < t_.channels.units_of_phase; ++vector) {
            patches_.fill(q, plane, 0, q.rows, b.group, vector, vector > 0, a.patch, nullptr);
            winograd_.keep_magnitudes({a.patch, t_.lanes, a.magnitudes, t_.lanes, q.pixels()});
        }
        winograd_.largest_lanes(a.magnitudes, q.pixels(), to);
    }

    void magnitudes_by_tiles(const TileBlock& b, const Patch& q, std::int64_t tile_plane, std::int64_t phase, const TilePlanes<T>& planes,
                             T* to) const {
        const std::int64_t n = s_.in_channels, step = t_.axis[2].whole * t_.axis[2].stride;
        if (phase == 0 || !patches_.has_plane(q, tile_plane * t_.axis[0].stride + phase - 1))
            patches_.fill_planes(q, tile_plane, b.group, 0, n, planes, nullptr);
        for (std::int64_t row = 0; row < q.rows; ++row, to += q.columns) {
            const T* from = planes.planes + phase * n * patches_.plane_size(q) + row * patches_.row_size(q);
            for (std::int64_t x = 0; x < step; ++x) {
                const std::int64_t column = patches_.column_of(x);
                const T* values = from + column * q.tiles_of_column;
                for (std::int64_t at = x; at < q.columns; at += step) to[at] = column < 0 ? T(0) : largest_of_channels(q, values++, n);
            }
        }
    }

    // A box of pixels: first pixel, step and number of pixels along each axis.
    struct Reach {
        std::array<std::int64_t, 3> first, step, count;
    };
    static T largest(const Patch& q, const Reach& r, const T* values) {
        T most = 0;
        for (std::int64_t z = 0; z < r.count[0]; ++z) {
            for (std::int64_t y = 0; y < r.count[1]; ++y) {
                const T* row = values + ((r.first[0] + z * r.step[0]) * q.rows + r.first[1] + y * r.step[1]) * q.columns + r.first[2];
                for (std::int64_t x = 0; x < r.count[2]; ++x) most = larger_magnitude(most, row[x * r.step[2]]);
            }
        }
        return most;
    }

    // Is a tile to be left to the GEMM path? values: magnitudes of the pixels of the patch.
    bool beyond(const Patch& q, const TileBlock& b, const Tile& tile, std::int64_t phase, const T* values) const {
        Reach all, field;
        std::array<std::int64_t, 3> outputs, output_step;
        for (std::size_t a = 0; a < 3; ++a) {
            const AxisTiles& axis = t_.axis[a];
            const std::int64_t tap = a == 2 ? axis.phases : 1;  // other phases are not in the patch
            output_step[a] = std::max(axis.stride, tap);
            all.first[a] = (tile[a] - b.begin[a]) * axis.whole * output_step[a] + (a == 2 ? phase : 0);
            all.step[a] = tap;
            const std::int64_t steps = (axis.runs - 1) * axis.whole + axis.points_of(axis.size(tile[a]));
            all.count[a] = axis.stride * (steps - 1) + axis.input_phases();
            field.step[a] = tap;
            field.count[a] = axis.kernel;
            outputs[a] = axis.real(tile[a], q.phase[a] + (a == 2 ? phase : 0));
        }
        const T loud = largest(q, all, values);
        if (!(loud <= loudest_)) return true;
        if (loud == 0) return false;
        if (loud < quietest_) return true;
        for (std::int64_t z = 0; z < outputs[0]; ++z) {
            for (std::int64_t y = 0; y < outputs[1]; ++y) {
                for (std::int64_t x = 0; x < outputs[2]; ++x) {
                    const std::array<std::int64_t, 3> at{z, y, x};
                    for (std::size_t a = 0; a < 3; ++a) field.first[a] = all.first[a] + at[a] * output_step[a];
                    if (loud > largest(q, field, values) * static_cast<T>(winograd_range)) return true;
                }
            }
        }
        return false;
    }

    const ConvShape& s_;
    const WinogradTiling& t_;
    const WinogradKernels<T>& winograd_;
    const WinogradPatches<T>& patches_;
    const T loudest_, quietest_;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/direct.hpp"

#include <algorithm>
#include <cmath>

#include "algorithms/epilogue.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/stage.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/direct_tiling.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { sums, staged, passes, columns, residual_copy, slots };
using DirectWorkspace = Workspace<slots>;

DirectWorkspace::Sizes sizes(const Problem& p, const DirectTiling& t) {
    const ConvShape& s = p.shape;
    const std::int64_t element = size_of(p.dtype), vector = t.lanes * element;
    const std::array<std::int64_t, 3> taps{s.axis[0].kernel, s.axis[1].kernel, s.axis[2].kernel};
    DirectWorkspace::Sizes bytes{};
    bytes[sums] = (t.chunks.parts > 1 ? t.sums_of_block() : t.sums_of_tile()) * vector;
    bytes[staged] = staged_elements(s, t.copy_form(), t.longest_block(), taps, t.chunks.longest()) * element;
    bytes[passes] = t.most_passes(s) * static_cast<std::int64_t>(sizeof(DirectPass));
    bytes[columns] = t.columns * static_cast<std::int64_t>(sizeof(std::int64_t));
    bytes[residual_copy] = t.sums_of_tile() * vector;
    return bytes;
}

// With one channel of y both layouts are the same.
Problem in_either_layout(const Problem& problem, std::int64_t channels_of_y) {
    Problem p = problem;
    if (channels_of_y == 1) p.layout = Layout::channels_first;
    return p;
}

template <class T>
class DirectRun {
  public:
    DirectRun(const DirectExecution& e, const OperandsOf<T>& io, const DirectWorkspace& workspace)
        : p_(in_either_layout(e.problem, io.channels_of_y(e.problem.shape.groups * e.problem.shape.out_channels))),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          kernels_(direct_kernels_of<T>(e.kernels())),
          copying_(kernels_of<T>(e.kernels())),
          workspace_(workspace),
          epilogue_(p_, io),
          flat_x_(s_.flat_step(io.x.spatial)) {}

    // LOOP 1
    void task(std::int64_t index, int thread) const {
        Task k;
        k.pixels = t_.block(index % t_.blocks_of_map());
        index /= t_.blocks_of_map();
        k.group = index % s_.groups;
        k.image = index / s_.groups;
        k.first_pixel = (k.pixels.begin[0] * t_.map[1] + k.pixels.begin[1]) * t_.map[2] + k.pixels.begin[2];
        k.sums = workspace_.template get<T>(thread, sums);
        k.staged = workspace_.template get<T>(thread, staged);
        k.passes = workspace_.template get<DirectPass>(thread, passes);
        k.columns = workspace_.template get<std::int64_t>(thread, columns);
        k.residual = workspace_.template get<T>(thread, residual_copy);
        k.output = epilogue_.residual_in_place()
                       ? epilogue_.output(k.image, k.group * s_.out_channels, s_.out_channels, k.first_pixel, 1, nullptr)
                       : Output<T>{};
        compute(k);
    }

  private:
    struct Task {
        Box pixels;                // of t_.map
        std::int64_t first_pixel;  // its number in y
        std::int64_t group, image;
        T *sums, *staged, *residual;
        DirectPass* passes;
        std::int64_t* columns;
        Output<T> output;  // of the first pixel, where a residual stands as the output does
    };

    // LOOP 2
    void compute(const Task& k) const {
        TensorView<const T> x = io_.x;
        x.data += k.image * x.batch + k.group * s_.in_channels * x.channel;
        const bool readable = readable_in_place(k.pixels);
        for (std::int64_t i = 0; i < t_.chunks.parts; ++i) {
            const KBlock chunk = t_.chunk(s_, i);
            const CopyForm form = t_.copy_form();
            const Source<T> source =
                readable ? in_place(s_, t_.flat, flat_x_, x, k.pixels, chunk) : stage(p_, copying_, form, x, k.pixels, chunk, k.staged);
            DirectTile<T> tile{};
            tile.x = source.data;
            tile.w = io_.w + (k.group * s_.in_channels + chunk.channel_begin) * s_.taps() * s_.out_channels;
            tile.pass = k.passes;
            tile.accumulate = i > 0;
            tile.columns = t_.columns;
            tile.last_columns = t_.last_columns;
            tile.column = k.columns;
            tile.sums = k.sums;
            tile.channels_last = p_.layout == Layout::channels_last;
            if (readable) tile.fetch = fetched(k.pixels, i, x);
            for (std::int64_t c = 0; c < t_.columns; ++c) k.columns[c] = t_.flat ? 0 : source.steps.tap[2].offset(c);
            list_passes(k, chunk, source.steps, tile);
            tiles(k, source.steps, tile, readable, i == t_.chunks.parts - 1);
        }
    }

    bool readable_in_place(const Box& pixels) const {
        if (!t_.masked && pixels.length(2) % t_.lanes != 0) return false;
        if (t_.flat) return flat_x_ == 1;
        const Axis& width = s_.axis[2];
        if (io_.x.spatial[2] != 1 && width.input > 1) return false;
        if (width.stride != 1) return false;
        for (std::size_t i = 0; i < (t_.masked ? 2 : 3); ++i) {
            const Axis& a = s_.axis[i];
            if (a.at(pixels.begin[i], 0) < 0 || a.at(pixels.end[i] - 1, a.kernel - 1) >= a.input) return false;
        }
        return true;
    }

    // How far it is to the input of the next chunk, or of the rows below: what no processor foresees, because streams of one channel are
    // short (64 -> 3 channels, 3x3, 256x256: four times as fast); or of later tiles, because the streams are many (7x7 on 2048x2048: 30%).
    std::int64_t fetched(const Box& pixels, std::int64_t chunk, const TensorView<const T>& x) const {
        if (t_.chunks.parts == 1) return t_.kind == DirectRows::rows ? 2 * t_.vectors * t_.lanes : 0;
        if (chunk + 1 < t_.chunks.parts) return t_.chunks.length(chunk) * x.channel;
        const std::int64_t below = t_.flat ? pixels.length(2) : pixels.length(1) * s_.axis[1].stride * x.spatial[1];
        return below - t_.chunks.begin(chunk) * x.channel;
    }

    // Sums run over input channels, taps of the depth, phases of tap rows, tap rows and columns, in this order, whatever the passes are.
    void list_passes(const Task& k, const KBlock& chunk, const Steps& steps, DirectTile<T>& tile) const {
        const std::int64_t kernel = s_.axis[1].kernel, of_row = s_.axis[2].kernel * s_.out_channels;
        const auto offset = [&](std::size_t a, std::int64_t tap) { return t_.flat ? 0 : steps.tap[a].offset(tap); };
        tile.row_step = t_.kind == DirectRows::vectors ? t_.lanes : t_.row_step * steps.pixel[1];
        // Tap rows of a phase are one pass where they meet the tile's rows: not in a copy of single tap rows.
        bool together = t_.kind == DirectRows::rows && t_.tap_rows > 1;
        if (together) {
            const std::int64_t step = offset(1, t_.tap_step) - offset(1, 0);
            if (k.pixels.length(1) <= t_.row_step) {
                tile.row_step = step;  // of tap rows alone
            } else if (step != tile.row_step) {
                together = false;
            }
            for (std::int64_t t = t_.tap_step; together && t < kernel; ++t) together = offset(1, t) - offset(1, t - t_.tap_step) == step;
        }
        DirectPass* pass = k.passes;
        std::int64_t w = 0;
        for (std::int64_t c = 0; c < chunk.channels(); ++c) {
            for (std::int64_t d = 0; d < s_.axis[0].kernel; ++d) {
                const std::int64_t first = c * steps.k + offset(0, d);
                for_each_tap_row(kernel, t_.tap_step, [&](std::int64_t t) {
                    if (together && t >= t_.tap_step) {
                        ++pass[-1].tap_rows;
                    } else {
                        *pass++ = {first + offset(1, t), w, t_.kind == DirectRows::vectors ? t_.tap_rows : 1};
                    }
                    w += of_row;
                });
            }
        }
        tile.passes = pass - k.passes;
    }

    // LOOP 3
    void tiles(const Task& k, const Steps& steps, DirectTile<T>& tile, bool in_place, bool last) const {
        const T* first = tile.x;
        const std::int64_t apart = t_.kind == DirectRows::rows ? std::min(t_.row_step, k.pixels.length(1)) : 1;
        for (std::int64_t d = 0; d < k.pixels.length(0); ++d) {
            for (std::int64_t phase = 0; phase < apart; ++phase) {
                const EvenSplit rows = split_by(ceil_div(k.pixels.length(1) - phase, apart), t_.kind == DirectRows::rows ? t_.rows : 1);
                for (std::int64_t i = 0; i < rows.parts; ++i) {
                    const std::int64_t row = phase + rows.begin(i) * apart;
                    tile.x = first + d * steps.pixel[0] + row * steps.pixel[1];
                    tile.index = (d * t_.map[1] + row) * t_.map[2];
                    tile.y_row = apart * t_.map[2];
                    tile.rows = rows.length(i);
                    if (t_.kind == DirectRows::vectors) {
                        tiles_along_row(k, tile, last);
                    } else {
                        tiles_of_row(k, tile, in_place, last);
                    }
                }
            }
        }
    }

    void tiles_of_row(const Task& k, DirectTile<T>& tile, bool in_place, bool last) const {
        const std::int64_t begin = k.pixels.begin[2], end = k.pixels.end[2];
        std::int64_t at = begin;
        tile.vector_step = t_.lanes;
        tile.pixels = end - begin;
        const auto run_next = [&](std::int64_t vectors, bool edge) {
            run(k, tile, vectors, edge, last);
            const std::int64_t n = vectors * t_.lanes;
            tile.x += n;
            tile.index += n;
            tile.pixels -= n;
            at += n;
        };
        const auto edge = [&](std::int64_t until) {
            tile.width = t_.flat ? t_.map[2] : s_.axis[2].input;
            while (at < until) {
                tile.place = t_.flat ? at : s_.axis[2].at(at, 0);
                run_next(1, true);
            }
        };
        const bool edges = t_.masked && in_place;
        if (edges) edge(std::min(t_.begin, end));
        const std::int64_t left = (edges ? std::min(t_.end, end) : end) - at;
        const EvenSplit vectors = split_by(std::max<std::int64_t>(0, ceil_div(left, t_.lanes)), t_.vectors);
        for (std::int64_t i = 0; i < vectors.parts && vectors.n > 0; ++i) run_next(vectors.length(i), false);
        if (edges) edge(end);
    }

    void tiles_along_row(const Task& k, DirectTile<T>& tile, bool last) const {
        const std::int64_t vectors = ceil_div(k.pixels.length(2), t_.lanes), whole = vectors / t_.vectors;
        tile.pixels = k.pixels.length(2);
        tile.row_pixels = tile.y_row = t_.lanes;
        const auto run_all = [&](std::int64_t n, std::int64_t wide) {
            if (n == 0) return;
            const EvenSplit rows = split_by(n, t_.rows);
            for (std::int64_t i = 0; i < rows.parts; ++i) {
                tile.rows = rows.length(i);
                tile.vector_step = tile.rows * t_.lanes;
                run(k, tile, wide, false, last);
                const std::int64_t pixels = tile.vector_step * wide;
                tile.x += pixels;
                tile.index += pixels;
                tile.pixels -= pixels;
            }
        };
        run_all(whole, t_.vectors);
        run_all(vectors % t_.vectors, 1);
    }

    void run(const Task& k, DirectTile<T>& tile, std::int64_t vectors, bool edge, bool last) const {
        const auto m = static_cast<std::size_t>(s_.out_channels - 1), v = static_cast<std::size_t>(vectors - 1);
        const bool copy_residual = last && !epilogue_.residual_in_place();
        tile.output = last && !copy_residual ? &k.output : nullptr;
        const bool single = t_.kind == DirectRows::single;
        if (edge) {
            (single ? kernels_.edge_single : kernels_.edge_tile)[m](tile);
        } else {
            (single ? kernels_.single : kernels_.tile)[m][v](tile);
        }
        if (copy_residual) finish(k, tile, vectors);
        if (t_.chunks.parts > 1) tile.sums += s_.out_channels * t_.rows * vectors * t_.lanes;
    }

    // With a copy of the residual, of a row of the tile after the other, or of all where they are vectors of one row.
    void finish(const Task& k, DirectTile<T> tile, std::int64_t vectors) const {
        const auto m = static_cast<std::size_t>(s_.out_channels - 1), v = static_cast<std::size_t>(vectors - 1);
        const bool one_row = t_.kind == DirectRows::vectors;
        const std::int64_t rows = one_row ? 1 : tile.rows;
        const std::int64_t pixels = std::min(tile.pixels, vectors * t_.lanes * (one_row ? tile.rows : 1));
        for (std::int64_t r = 0; r < rows; ++r, tile.index += tile.y_row, tile.sums += vectors * t_.lanes) {
            const Output<T> output =
                epilogue_.output(k.image, k.group * s_.out_channels, s_.out_channels, k.first_pixel + tile.index, pixels, k.residual);
            DirectTile<T> part = tile;
            part.index = 0;
            part.output = &output;
            if (!one_row) part.rows = 1;
            kernels_.finish[m][v](part, static_cast<int>(t_.rows));
        }
    }

    const Problem p_;
    const ConvShape& s_;
    const DirectTiling& t_;
    const OperandsOf<T>& io_;
    const DirectKernels<T>& kernels_;
    const Kernels<T>& copying_;
    const DirectWorkspace& workspace_;
    const Epilogue<T> epilogue_;
    std::int64_t flat_x_;  // the step between pixels, where it is the same everywhere
};

// Returns the largest magnitude, NaN if one is.
template <class T>
T pack_taps(const Problem& p, const TensorView<const T>& w, T* to) {
    const ConvShape& s = p.shape;
    const auto& axis = s.axis;
    const auto offset = [&](std::size_t a, std::int64_t i) { return (p.flip ? axis[a].kernel - 1 - i : i) * w.spatial[a]; };
    T largest = 0;
    for (std::int64_t g = 0; g < s.groups; ++g) {
        for (std::int64_t c = 0; c < s.in_channels; ++c) {
            const T* from = w.data + g * s.out_channels * w.batch + c * w.channel;
            for (std::int64_t d = 0; d < axis[0].kernel; ++d) {
                for_each_tap_row(axis[1].kernel, direct_tap_step(s), [&](std::int64_t t) {
                    const T* row = from + offset(0, d) + offset(1, t);
                    for (std::int64_t i = 0; i < axis[2].kernel; ++i) {
                        for (std::int64_t o = 0; o < s.out_channels; ++o, ++to) {
                            *to = row[offset(2, i) + o * w.batch];
                            largest = larger_magnitude(largest, std::abs(*to));
                        }
                    }
                });
            }
        }
    }
    return largest;
}

}  // namespace

void convolve(const DirectExecution& e, const Operands& io, int threads) {
    count_kernel_run(e.kernels());
    with_real(e.problem.dtype, [&](auto zero) {
        const int used = e.threads(threads);
        const DirectWorkspace workspace(sizes(e.problem, e.tiling), slots_of(e.tiling.tasks, used));
        const auto operands = typed<decltype(zero)>(io);
        const DirectRun<decltype(zero)> run(e, operands, workspace);
        parallel_for(e.tiling.tasks, used, [&](std::int64_t task, int thread) { run.task(task, thread); });
    });
}

std::int64_t workspace_bytes(const DirectExecution& e, double, int threads) {
    if (e.problem.shape.empty()) return 0;
    const std::int64_t slots = e.problem.free_batch ? threads : slots_of(e.tiling.tasks, e.threads(threads));
    return DirectWorkspace::bytes_per_thread(sizes(e.problem, e.tiling)) * slots;
}

PackedWeights pack(const DirectExecution& e, const AnyView& w, int) {
    const ConvShape& s = e.problem.shape;
    return packed_by(e.problem.dtype, s.groups * s.out_channels * s.k(),
                     [&]<class T>(T* to) { return pack_taps(e.problem, typed<T>(w), to); });
}

void set_format(const DirectExecution& e, PackedFormat& format) {
    const ConvShape& s = e.problem.shape;
    format.k = order_k(s, s.k(), s.k());
    format.tap_step = direct_tap_step(s);
}

}  // namespace npconv

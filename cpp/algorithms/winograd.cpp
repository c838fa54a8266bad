// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/winograd_tiling.hpp, matrices in core/cook_toom.hpp, transforms in kernels/winograd.inl.
#include "algorithms/winograd.hpp"

#include <algorithm>
#include <array>
#include <atomic>

#include "algorithms/epilogue.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/winograd_judge.hpp"
#include "algorithms/winograd_patch.hpp"
#include "algorithms/winograd_products.hpp"
#include "core/parallel.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_arrays.hpp"

namespace npconv {
using namespace winograd_arrays;

namespace {

std::atomic<std::int64_t> fallback_tiles{0};
std::atomic<bool> checks{true};

constexpr int pitch = most_winograd_points;

int slots_of(const WinogradTiling& t, int threads) {
    const std::int64_t tasks = t.shared ? std::max(t.inputs.parts, t.chunks.parts) : t.blocks;
    return static_cast<int>(std::clamp<std::int64_t>(tasks, 1, threads));
}
int blocks_at_once(const WinogradTiling& t, int slots) { return t.shared ? 1 : slots; }

template <class T>
class WinogradRun {
  public:
    WinogradRun(const WinogradExecution& e, const Operands<T>& io, const BlockArrays& blocks, const ThreadArrays& threads,
                const GemmPieces<T>& pieces)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          kernels_(kernels_of<T>(e.kernels())),
          along_columns_(winograd_transforms<T>(e.kernels(), t_.axis[1])),
          along_rows_(winograd_transforms<T>(e.kernels(), t_.axis[2])),
          blocks_(blocks),
          threads_(threads),
          pieces_(pieces),
          epilogue_(p_, io),
          patches_(e, io.x),
          judge_(e, patches_, io.largest_weight),
          checked_(checks),
          products_(e, io.w) {}

    // A block by one thread.
    void block(std::int64_t index, int thread) const {
        const TileBlock b = t_.block(index, s_.groups);
        for (std::int64_t task = 0; task < t_.inputs.parts; ++task) input(b, task, thread, thread);
        judge(b, thread, thread);
        for (std::int64_t chunk = 0; chunk < t_.chunks.parts; ++chunk) output(b, chunk, thread, thread);
    }

    // V of some copies of the input. place: where the block has its arrays.
    void input(const TileBlock& b, std::int64_t task, int place, int thread) const {
        const Loudness<T> kept = checked_ ? judge_.begin(b, task, judged(place, thread)) : Loudness<T>{};
        const TileGrid grid = grid_of(t_, b, true);
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = patches_.of(b, b.image + image);
            for (std::int64_t plane = 0; plane < grid.planes; ++plane) {
                if (!patches_.has_planes(q, plane)) continue;  // its products are left out
                const InputPlane at{b, q, grid, image, plane, task, kept, block_array(place, v), thread};
                t_.by_tiles ? transform_tiles(at) : transform_vectors(at);
            }
        }
    }

    // Decides which tiles are left to the GEMM path.
    void judge(const TileBlock& b, int place, int thread) const {
        const JudgeArrays<T> arrays = judged(place, thread);
        std::fill_n(arrays.verdict, b.tiles(), static_cast<unsigned char>(0));
        if (checked_) judge_.judge(b, arrays);
    }

    // The outputs of a chunk of panels.
    void output(const TileBlock& b, std::int64_t chunk, int place, int thread) const {
        const std::int64_t first = t_.chunks.begin(chunk), end = first + t_.chunks.length(chunk);
        products_.multiply(b, list_planes(b, thread), first, end, arrays(place, thread));
        const TileGrid grid = grid_of(t_, b, false);
        const auto* flags = blocks_.template get<unsigned char>(place, verdict);
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = patches_.of(b, b.image + image);
            for (std::int64_t plane = b.begin[0]; plane < b.end[0]; ++plane) {
                if (t_.axis[0].real(plane, q.phase[0]) == 0) continue;
                for (std::int64_t row = b.begin[1]; row < b.end[1]; ++row) {
                    const int rows = t_.axis[1].real(row, q.phase[1]);
                    if (rows == 0) continue;
                    const OutputTiles at{
                        b, q, grid, image, plane, row, rows, first, end, flags + WinogradJudge<T>::number_of(b, image, plane, row), thread};
                    for (std::int64_t panel = first; panel < end; ++panel) transform_outputs(at, panel);
                    leave(at);
                }
            }
        }
    }

  private:
    typename WinogradProducts<T>::Arrays arrays(int place, int thread) const {
        return {block_array(place, v),
                thread_array(thread, m),
                thread_array(thread, weights),
                threads_.template get<std::int64_t>(thread, at),
                threads_.template get<std::int64_t>(thread, numbers),
                threads_.template get<Segment>(thread, segments)};
    }
    JudgeArrays<T> judged(int place, int thread) const {
        return {block_array(place, quiet),      block_array(place, largest),
                block_array(place, magnitudes), blocks_.template get<unsigned char>(place, verdict),
                thread_array(thread, patch),    planes(thread)};
    }
    TilePlanes<T> planes(int thread) const {
        return {thread_array(thread, planar), thread_array(thread, pixel_rows), threads_.template get<std::int64_t>(thread, column_places)};
    }
    T* block_array(int place, BlockArray slot) const { return blocks_.template get<T>(place, slot); }
    T* thread_array(int thread, ThreadArray slot) const { return threads_.template get<T>(thread, slot); }

    // Where the first of a run of tiles stands in V or M, for each of its points: those that use a point, in the order of the grid. row,
    // column: counted from the first of the block. `stride` between points, `tile` between tiles.
    template <class P>
    void find_places(const TileGrid& grid, std::int64_t image, std::int64_t plane, std::int64_t row, int height, std::int64_t column,
                     int width, P* base, std::int64_t stride, std::int64_t tile, std::array<P*, pitch * pitch>& places) const {
        const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
        for (int i = 0; i < rows.points_of(height); ++i) {
            const int row_point = rows.point(height, i);
            const std::int64_t before = (image * grid.planes + plane) * grid.rows[static_cast<std::size_t>(row_point)] + row;
            for (int j = 0; j < columns.points_of(width); ++j) {
                const int point = columns.point(width, j);
                places[static_cast<std::size_t>(i * pitch + j)] = base + (row_point * columns.points() + point) * stride +
                                                                  (before * grid.columns[static_cast<std::size_t>(point)] + column) * tile;
            }
        }
    }

    // Calls f(size, first tile, tiles) for the runs of equal tiles of a row, and of so many more of the input.
    template <class F>
    void for_each_run(const TileBlock& b, std::int64_t more, const F& f) const {
        const AxisTiles& columns = t_.axis[2];
        const std::int64_t end = b.end[2] + more;
        const std::int64_t whole = columns.alike ? end : std::min(end, columns.outputs / columns.whole);
        if (whole > b.begin[2]) f(columns.whole, b.begin[2], whole - b.begin[2]);
        if (whole < end) f(columns.size(whole), whole, end - whole);
    }

    // ---- input ----

    struct InputPlane {
        const TileBlock& b;
        const Patch& q;
        const TileGrid& grid;
        std::int64_t image, plane;  // of tiles
        std::int64_t task;
        const Loudness<T>& kept;
        T* v;
        int thread;
    };

    // Row by row, so that a row of tiles finds its pixels in the first-level cache.
    void transform_vectors(const InputPlane& in) const {
        const AxisTiles& rows = t_.axis[1];
        T* values = thread_array(in.thread, patch);
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
    void transform_tiles(const InputPlane& in) const {
        const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
        const std::int64_t first = t_.inputs.begin(in.task), n = t_.inputs.length(in.task);
        const std::int64_t row_size = patches_.row_size(in.q), tiles = in.grid.columns[0], step = in.grid.tiles(in.b.images);
        const TilePlanes<T> made = planes(in.thread);
        T* half = thread_array(in.thread, winograd_arrays::columns);
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
                                                                    in.q.tiles_of_column, rows.points(), tiles / t_.lanes, to,
                                                                    t_.v_stride(k)});
                    }
                }
            }
        }
        if (in.kept.quiet) judge_.keep_central_of_planes(in.b, in.q, in.image, in.plane, n, made.planes, in.kept);
    }

    // A row of tiles of a unit, whose pixels begin at (y, x) of the view.
    void transform_row(const InputPlane& in, const PatchView<T>& view, std::int64_t row, int height, std::int64_t y, std::int64_t x,
                       std::int64_t unit) const {
        const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
        const std::int64_t k = t_.units.run_of(unit), tile = t_.units.length(k) * t_.lanes;
        T* to = in.v + t_.v_begin(k) + (unit - t_.units.begin(k)) * t_.lanes;
        const std::int64_t pixel_row = view.columns * t_.lanes, step = view.column_step * t_.lanes;
        const T* from = view.values + (row * rows.whole * view.row_step + y) * pixel_row + x * t_.lanes;
        const bool in_place = !rows.axis().transforms() && view.column_step == 1;
        const std::int64_t half_stride = columns_stride(inputs_at_once * columns.whole + columns.taps() - 1, t_.lanes);
        T* half = thread_array(in.thread, winograd_arrays::columns);
        for (std::int64_t phase = 0; phase < columns.phases; ++phase) {
            for_each_run(in.b, columns.runs - 1, [&](int width, std::int64_t column, std::int64_t tiles) {
                std::array<T*, pitch * pitch> places;
                const std::int64_t first = column - in.b.begin[2];
                find_places(in.grid, in.image, in.plane, row, height, first * columns.phases + phase, width, to, t_.v_stride(k), tile,
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

    // ---- products ----

    // Which runs of taps along the depth meet an input, plane by plane of tiles.
    typename WinogradProducts<T>::Planes list_planes(const TileBlock& b, int thread) const {
        const std::int64_t runs = t_.axis[0].runs;
        auto* list = threads_.template get<PlaneRun>(thread, plane_runs);
        std::int64_t n = 0;
        if (runs == 1 && !s_.axis[0].padded()) {
            list[0] = {b.images * b.planes(), 0, 1};
            return {list, 1};
        }
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = patches_.of(b, b.image + image);
            for (std::int64_t plane = 0; plane < b.planes(); ++plane) {
                PlaneRun run{1, 0, runs};
                while (run.first_run < run.end_run && !patches_.has_planes(q, plane + run.first_run)) ++run.first_run;
                while (run.end_run > run.first_run && !patches_.has_planes(q, plane + run.end_run - 1)) --run.end_run;
                PlaneRun* last = n > 0 ? list + n - 1 : nullptr;
                if (last && last->first_run == run.first_run && last->end_run == run.end_run) {
                    ++last->planes;
                } else {
                    list[n++] = run;
                }
            }
        }
        return {list, n};
    }

    // ---- output ----

    struct OutputTiles {
        const TileBlock& b;
        const Patch& q;
        const TileGrid& grid;
        std::int64_t image, plane, row;  // of tiles
        int rows;                        // of outputs, that there are
        std::int64_t first_panel, end_panel;
        const unsigned char* flags;  // of the row's tiles
        int thread;
    };

    std::int64_t y_of(const OutputTiles& out, std::int64_t i) const {
        return (t_.axis[1].begin(out.row) + i) * t_.axis[1].phases + out.q.phase[1];
    }
    std::int64_t z_of(const OutputTiles& out) const { return out.plane * t_.axis[0].phases + out.q.phase[0]; }

    // A panel, of the tiles of a row.
    void transform_outputs(const OutputTiles& out, std::int64_t panel) const {
        const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
        const TileBlock& b = out.b;
        const int height = rows.size(out.row);
        const std::int64_t width_of_panel = t_.panels.length(panel) * t_.lanes, step = columns.phases * width_of_panel;
        const std::int64_t pixels = (b.end[2] - b.begin[2]) * columns.whole * columns.phases;  // of a row of `outputs`
        const T* sums =
            thread_array(out.thread, m) + (t_.panels.begin(panel) - t_.panels.begin(out.first_panel)) * t_.lanes * t_.most_tiles();
        T *half = thread_array(out.thread, halves), *result = thread_array(out.thread, outputs);
        struct Run {  // of equal tiles
            int width;
            std::int64_t first, tiles;
            std::array<const T*, pitch * pitch> places;  // of the first phase and vector
        };
        std::array<Run, 2> runs;
        std::size_t count = 0;
        for_each_run(b, 0, [&](int width, std::int64_t column, std::int64_t tiles) {
            Run& run = runs[count++];
            run.width = width;
            run.first = column - b.begin[2];
            run.tiles = tiles;
            find_places(out.grid, out.image, out.plane - b.begin[0], out.row - b.begin[1], height, run.first * columns.phases, width, sums,
                        t_.m_stride(), width_of_panel, run.places);
        });
        for (std::int64_t j = 0; j < t_.panels.length(panel); ++j) {
            for (std::int64_t phase = 0; phase < columns.phases; ++phase) {
                for (std::size_t i = 0; i < count; ++i) {
                    const Run& run = runs[i];
                    T* to = result + (run.first * columns.whole * columns.phases + phase) * t_.lanes;
                    for (std::int64_t done = 0; done < run.tiles; done += tiles_at_once) {
                        const std::int64_t n = std::min(tiles_at_once, run.tiles - done);
                        const std::int64_t offset = done * step + phase * width_of_panel + j * t_.lanes;
                        along_columns_.output_columns[height - 1]({run.places.data(), offset, step, columns.points_of(run.width), n, half});
                        along_rows_.output_rows[run.width - 1]({half, height, n, to, pixels * t_.lanes, columns.phases * t_.lanes});
                        to += n * run.width * columns.phases * t_.lanes;
                    }
                }
            }
            finish(out, panel, j, pixels, result);
        }
    }

    void finish(const OutputTiles& out, std::int64_t panel, std::int64_t j, std::int64_t pixels, const T* result) const {
        const AxisTiles &rows = t_.axis[1], &columns = t_.axis[2];
        const TileBlock& b = out.b;
        const std::int64_t channel = (t_.panels.begin(panel) + j) * t_.lanes;
        const std::int64_t channels = std::min<std::int64_t>(t_.lanes, s_.out_channels - channel);
        const auto store = [&](std::int64_t y, std::int64_t x, std::int64_t n, const T* from) {
            const std::int64_t pixel = (z_of(out) * rows.length + y) * columns.length + x;
            // Made in place: to copy what has just been written waits until all stores before are done.
            const PixelSums<T> done{
                from, t_.lanes, n,
                epilogue_.output(out.q.image, b.group * s_.out_channels + channel, channels, pixel, n, thread_array(out.thread, residual))};
            p_.layout == Layout::channels_last ? kernels_.finish_sums(done) : kernels_.transpose_sums(done);
        };
        const std::int64_t x = b.begin[2] * columns.whole * columns.phases, n = std::min(columns.length - x, pixels);
        const bool any = std::find(out.flags, out.flags + b.columns(), 1) != out.flags + b.columns();
        if (!any && n == columns.length && (n == pixels || out.rows == 1) && rows.phases == 1)
            return store(y_of(out, 0), x, out.rows * n, result);
        for (std::int64_t i = 0; i < out.rows; ++i) {
            const T* from = result + i * pixels * t_.lanes;
            if (!any) {
                store(y_of(out, i), x, n, from);
                continue;
            }
            for (std::int64_t begin = 0; begin < n;) {  // runs of pixels that are not left
                std::int64_t end = begin;
                while (end < n && !out.flags[tile_of_pixel(end)]) ++end;
                if (end > begin) store(y_of(out, i), x + begin, end - begin, from + begin * t_.lanes);
                begin = end + 1;
            }
        }
    }

    // Of the pixels of a row of a block.
    std::int64_t tile_of_pixel(std::int64_t x) const {
        const AxisTiles& columns = t_.axis[2];
        return x / columns.phases / columns.whole * columns.phases + x % columns.phases;
    }

    // What is left, to the GEMM path.
    void leave(const OutputTiles& out) const {
        const AxisTiles& columns = t_.axis[2];
        for (std::int64_t tile = 0; tile < out.b.columns(); ++tile) {
            if (!out.flags[tile]) continue;
            ++fallback_tiles;
            const std::int64_t column = out.b.begin[2] + tile / columns.phases, phase = tile % columns.phases;
            const std::int64_t n = columns.real(column, phase), at_once = columns.phases == 1 ? n : 1;
            for (std::int64_t i = 0; i < out.rows; ++i) {
                for (std::int64_t done = 0; done < n; done += at_once) {
                    const std::int64_t z = z_of(out), y = y_of(out, i), x = (columns.begin(column) + done) * columns.phases + phase;
                    const Box pixels{{z, y, x}, {z + 1, y + 1, x + at_once}};
                    for (std::int64_t panel = out.first_panel; panel < out.end_panel; ++panel)
                        pieces_.compute(pixels, out.q.image, out.b.group, panel, out.thread);
                }
            }
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const WinogradTiling& t_;
    const Kernels<T>& kernels_;
    const WinogradTransforms<T>& along_columns_;
    const WinogradTransforms<T>& along_rows_;
    const BlockArrays& blocks_;
    const ThreadArrays& threads_;
    const GemmPieces<T>& pieces_;
    const Epilogue<T> epilogue_;
    const WinogradPatches<T> patches_;
    const WinogradJudge<T> judge_;
    const bool checked_;
    const WinogradProducts<T> products_;
};

}  // namespace

std::int64_t winograd_workspace_bytes(const WinogradExecution& e, int threads) {
    const Problem& p = e.problem;
    const WinogradTiling& t = e.tiling;
    if (p.shape.empty()) return 0;
    // Of a free batch, a larger one has a block of this size for each thread.
    const int slots = p.free_batch && !t.shared ? threads : slots_of(t, p.free_batch ? threads : e.threads(threads));
    return BlockArrays::bytes_per_thread(block_arrays(t, p)) * blocks_at_once(t, slots) +
           (ThreadArrays::bytes_per_thread(thread_arrays(t, p)) + gemm_pieces_bytes(e.pieces)) * slots;
}

template <class T>
void run_winograd(const WinogradExecution& e, const Operands<T>& io, int threads) {
    const WinogradTiling& t = e.tiling;
    const std::int64_t groups = e.problem.shape.groups;
    const int used = e.threads(threads), slots = slots_of(t, used);
    const BlockArrays of_blocks(block_arrays(t, e.problem), blocks_at_once(t, slots));
    const ThreadArrays of_threads(thread_arrays(t, e.problem), slots);
    const GemmPieces<T> pieces(e.pieces, io, slots);
    const WinogradRun<T> run(e, io, of_blocks, of_threads, pieces);
    if (!t.shared) {
        parallel_for(t.blocks, used, [&](std::int64_t block, int thread) { run.block(block, thread); });
        return;
    }
    for (std::int64_t i = 0; i < t.blocks && !call_stopped(); ++i) {
        const TileBlock b = t.block(i, groups);
        parallel_for(t.inputs.parts, used, [&](std::int64_t task, int thread) { run.input(b, task, 0, thread); });
        if (call_stopped()) return;
        run.judge(b, 0, 0);
        parallel_for(t.chunks.parts, used, [&](std::int64_t chunk, int thread) { run.output(b, chunk, 0, thread); });
    }
}

std::int64_t winograd_fallback_tiles() { return fallback_tiles; }
void set_winograd_checks(bool on) { checks = on; }

template void run_winograd(const WinogradExecution&, const Operands<float>&, int);
template void run_winograd(const WinogradExecution&, const Operands<double>&, int);

}  // namespace npconv

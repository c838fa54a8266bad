// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/winograd_tiling.hpp, matrices in core/cook_toom.hpp, transforms in kernels/winograd.inl.
#include "algorithms/winograd.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <span>

#include "algorithms/epilogue.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/winograd_filters.hpp"
#include "algorithms/winograd_grid.hpp"
#include "algorithms/winograd_input.hpp"
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

int slots_of(const WinogradTiling& t, int threads) {
    const std::int64_t tasks = t.shared ? std::max(t.inputs.parts, t.chunks.parts) : t.blocks;
    return static_cast<int>(std::clamp<std::int64_t>(tasks, 1, threads));
}
int blocks_at_once(const WinogradTiling& t, int slots) { return t.shared ? 1 : slots; }

template <class T>
class WinogradRun {
  public:
    WinogradRun(const WinogradExecution& e, const OperandsOf<T>& io, const BlockArrays& blocks, const ThreadArrays& threads,
                const GemmBlocks& leftovers)
        : execution_(e),
          p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          kernels_(kernels_of<T>(e.kernels())),
          along_columns_(winograd_transforms<T>(e.kernels(), t_.axis[1])),
          along_rows_(winograd_transforms<T>(e.kernels(), t_.axis[2])),
          blocks_(blocks),
          threads_(threads),
          leftovers_(leftovers),
          epilogue_(p_, io),
          input_(e, io.x, io.largest_weight, checks, blocks, threads),
          w_(io.w) {}

    // A block by one thread.
    void block(std::int64_t index, int thread) const {
        const TileBlock b = t_.block(index, s_.groups);
        for (std::int64_t task = 0; task < t_.inputs.parts; ++task) input_.transform(b, task, thread, thread);
        input_.judge(b, thread, thread);
        for (std::int64_t chunk = 0; chunk < t_.chunks.parts; ++chunk) output(b, chunk, thread, thread);
    }

    const WinogradInput<T>& input() const { return input_; }

    // The outputs of a chunk of panels.
    void output(const TileBlock& b, std::int64_t chunk, int place, int thread) const {
        const std::int64_t first = t_.chunks.begin(chunk), end = first + t_.chunks.length(chunk);
        winograd_products(execution_, w_, b, list_planes(b, thread), first, end, arrays(place, thread));
        const TileGrid grid = grid_of(t_, b, false);
        const auto* flags = blocks_.template get<unsigned char>(place, verdict);
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = input_.patches().of(b, b.image + image);
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
    ProductArrays arrays(int place, int thread) const {
        return {block_array(place, v),
                thread_array(thread, m),
                thread_array(thread, weights),
                threads_.template get<std::int64_t>(thread, at),
                threads_.template get<std::int64_t>(thread, numbers),
                threads_.template get<Segment>(thread, segments)};
    }
    T* block_array(int place, BlockArray slot) const { return blocks_.template get<T>(place, slot); }
    T* thread_array(int thread, ThreadArray slot) const { return threads_.template get<T>(thread, slot); }

    // ---- products ----

    // Which runs of taps along the depth meet an input, plane by plane of tiles.
    std::span<const PlaneRun> list_planes(const TileBlock& b, int thread) const {
        const std::int64_t runs = t_.axis[0].runs;
        auto* list = threads_.template get<PlaneRun>(thread, plane_runs);
        std::size_t n = 0;
        if (runs == 1 && !s_.axis[0].padded()) {
            list[0] = {b.images * b.planes(), 0, 1};
            return {list, 1};
        }
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = input_.patches().of(b, b.image + image);
            for (std::int64_t plane = 0; plane < b.planes(); ++plane) {
                PlaneRun run{1, 0, runs};
                while (run.first_run < run.end_run && !input_.patches().has_planes(q, plane + run.first_run)) ++run.first_run;
                while (run.end_run > run.first_run && !input_.patches().has_planes(q, plane + run.end_run - 1)) --run.end_run;
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
            std::array<const T*, most_winograd_points * most_winograd_points> places;  // of the first phase and vector
        };
        std::array<Run, 2> runs;
        std::size_t count = 0;
        for_each_run(t_, b, 0, [&](int width, std::int64_t column, std::int64_t tiles) {
            Run& run = runs[count++];
            run.width = width;
            run.first = column - b.begin[2];
            run.tiles = tiles;
            find_places(t_, out.grid, out.image, out.plane - b.begin[0], out.row - b.begin[1], height, run.first * columns.phases, width,
                        sums, t_.m_stride(), width_of_panel, run.places);
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
                        leftovers_.compute({pixels, out.q.image, out.b.group, panel, 1, nullptr, {}}, out.thread);
                }
            }
        }
    }

    const WinogradExecution& execution_;
    const Problem& p_;
    const ConvShape& s_;
    const WinogradTiling& t_;
    const Kernels<T>& kernels_;
    const WinogradTransforms<T>& along_columns_;
    const WinogradTransforms<T>& along_rows_;
    const BlockArrays& blocks_;
    const ThreadArrays& threads_;
    const GemmBlocks& leftovers_;
    const Epilogue<T> epilogue_;
    const WinogradInput<T> input_;
    const T* w_;
};

}  // namespace

bool transforms_weights(const WinogradExecution& e, double largest) {
    return largest <= winograd_most(e.problem.dtype) && (largest == 0 || largest >= winograd_least(e.problem.dtype));
}

std::int64_t workspace_bytes(const WinogradExecution& e, double largest, int threads) {
    if (!transforms_weights(e, largest)) return workspace_bytes(e.whole, largest, threads);
    const Problem& p = e.problem;
    const WinogradTiling& t = e.tiling;
    if (p.shape.empty()) return 0;
    // Of a free batch, a larger one has a block of this size for each thread.
    const int slots = p.free_batch && !t.shared ? threads : slots_of(t, p.free_batch ? threads : e.threads(threads));
    return BlockArrays::bytes_per_thread(block_arrays(t, p)) * blocks_at_once(t, slots) +
           (ThreadArrays::bytes_per_thread(thread_arrays(t, p)) + bytes_of_gemm_blocks(e.pieces)) * slots;
}

namespace {

template <class Run>
void run_blocks(const Run& run, const WinogradExecution& e, int threads) {
    const WinogradTiling& t = e.tiling;
    if (!t.shared) {
        parallel_for(t.blocks, threads, [&](std::int64_t block, int thread) { run.block(block, thread); });
        return;
    }
    for (std::int64_t i = 0; i < t.blocks && !call_stopped(); ++i) {
        const TileBlock b = t.block(i, e.problem.shape.groups);
        parallel_for(t.inputs.parts, threads, [&](std::int64_t task, int thread) { run.input().transform(b, task, 0, thread); });
        if (call_stopped()) return;
        run.input().judge(b, 0, 0);
        parallel_for(t.chunks.parts, threads, [&](std::int64_t chunk, int thread) { run.output(b, chunk, 0, thread); });
    }
}

}  // namespace

void convolve(const WinogradExecution& e, const Operands& io, int threads) {
    if (!transforms_weights(e, io.largest_weight)) return convolve(e.whole, io, threads);
    count_kernel_run(e.kernels());
    count_winograd_run();
    const int used = e.threads(threads), slots = slots_of(e.tiling, used);
    const BlockArrays of_blocks(block_arrays(e.tiling, e.problem), blocks_at_once(e.tiling, slots));
    const ThreadArrays of_threads(thread_arrays(e.tiling, e.problem), slots);
    const std::unique_ptr<const GemmBlocks> leftovers = gemm_of_leftovers(e.pieces, io, slots);
    with_real(e.problem.dtype, [&](auto zero) {
        const auto operands = typed<decltype(zero)>(io);
        run_blocks(WinogradRun<decltype(zero)>(e, operands, of_blocks, of_threads, *leftovers), e, used);
    });
}

std::int64_t winograd_fallback_tiles() { return fallback_tiles; }
void set_winograd_checks(bool on) { checks = on; }

}  // namespace npconv

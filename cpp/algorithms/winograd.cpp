// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/winograd_tiling.hpp, matrices in core/cook_toom.hpp, transforms in kernels/winograd.inl.
#include "algorithms/winograd.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "algorithms/epilogue.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/winograd_patch.hpp"
#include "algorithms/winograd_products.hpp"
#include "core/parallel.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_arrays.hpp"
#include "plan/winograd_error.hpp"

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
    WinogradRun(const Problem& p, const WinogradTiling& t, const Operands<T>& io, const BlockArrays& blocks, const ThreadArrays& threads,
                const GemmPieces<T>& pieces)
        : p_(p),
          s_(p.shape),
          t_(t),
          kernels_(kernels_of<T>(*p.kernels)),
          winograd_(winograd_kernels_of<T>(*p.kernels)),
          transforms_(winograd_transforms<T>(p, t.whole)),
          blocks_(blocks),
          threads_(threads),
          pieces_(pieces),
          epilogue_(p, io),
          patches_(p, t, io.x),
          checked_(checks),
          products_(p, t, io.w),
          loudest_(loudest_input(io.largest_weight)) {}

    // A block by one thread.
    void block(std::int64_t index, int thread) const {
        const TileBlock b = t_.block(index, s_.groups);
        for (std::int64_t task = 0; task < t_.inputs.parts; ++task) input(b, task, thread, thread);
        judge(b, thread, thread);
        for (std::int64_t chunk = 0; chunk < t_.chunks.parts; ++chunk) output(b, chunk, thread, thread);
    }

    // V of some vectors of channels. place: where the block has its arrays.
    void input(const TileBlock& b, std::int64_t task, int place, int thread) const {
        const std::int64_t begin = t_.inputs.begin(task), end = begin + t_.inputs.length(task);
        const T* patch_values = thread_array(thread, patch);
        T* task_quiet = nullptr;
        T* task_largest = nullptr;
        if (checked_) {
            task_quiet = block_array(place, quiet) + task * t_.most_tiles() * central_pixels * t_.lanes;
            task_largest = block_array(place, largest) + task * t_.lanes;
            std::fill_n(task_quiet, b.tiles() * central_pixels * t_.lanes, T(0));
            std::fill_n(task_largest, t_.lanes, T(0));
        }
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = patches_.of(b, b.image + image);
            for (std::int64_t k = 0; k < t_.units.parts; ++k) {
                const std::int64_t first = t_.units.begin(k), last = first + t_.units.length(k);
                for (std::int64_t unit = std::max(begin, first); unit < std::min(end, last); ++unit) {
                    T* to = block_array(place, v) + t_.v_begin(k) + (unit - first) * t_.lanes;
                    std::int64_t filled = 0;
                    for (std::int64_t row = b.row; row < b.end_row; ++row) {
                        const std::int64_t needed = t_.rows.end(row) - t_.rows.begin(b.row) + winograd_taps - 1;
                        patches_.fill(q, filled, needed, b.group, unit, unit > begin, thread_array(thread, patch), task_largest);
                        filled = needed;
                        transform_row(b, q, image, row, k, patch_values, to, thread);
                    }
                    if (checked_) keep_central(b, q, image, patch_values, task_quiet);
                }
            }
        }
    }

    // Decides which tiles are left to the GEMM path.
    void judge(const TileBlock& b, int place, int thread) const {
        auto* flags = blocks_.template get<unsigned char>(place, verdict);
        std::fill_n(flags, b.tiles(), static_cast<unsigned char>(0));
        if (!checked_ || calm(b, place)) return;
        T* vectors = block_array(place, magnitudes);
        for (std::int64_t image = 0; image < b.images; ++image) {
            const Patch q = patches_.of(b, b.image + image);
            const std::int64_t pixels = q.rows * q.columns;
            std::fill_n(vectors, pixels * t_.lanes, T(0));
            for (std::int64_t unit = 0; unit < t_.units.n; ++unit) {
                patches_.fill(q, 0, q.rows, b.group, unit, unit > 0, thread_array(thread, patch), nullptr);
                winograd_.keep_magnitudes({thread_array(thread, patch), t_.lanes, vectors, t_.lanes, pixels});
            }
            T* values = vectors + pixels * t_.lanes;
            winograd_.largest_lanes(vectors, pixels, values);
            for (std::int64_t row = b.row; row < b.end_row; ++row) {
                for (std::int64_t column = b.column; column < b.end_column; ++column) {
                    const T* at_tile = values + (t_.rows.begin(row) - t_.rows.begin(b.row)) * q.columns + t_.columns.begin(column) -
                                       t_.columns.begin(b.column);
                    const bool flagged = beyond(at_tile, q.columns, t_.rows.size(row), t_.columns.size(column));
                    flags[number_of(b, image, row, column)] = flagged ? 1 : 0;
                }
            }
        }
    }

    // The outputs of a chunk of panels.
    void output(const TileBlock& b, std::int64_t chunk, int place, int thread) const {
        const std::int64_t first = t_.chunks.begin(chunk), end = first + t_.chunks.length(chunk);
        products_.multiply(b, first, end, arrays(place, thread));
        const auto* flags = blocks_.template get<unsigned char>(place, verdict);
        for (std::int64_t image = 0; image < b.images; ++image) {
            for (std::int64_t row = b.row; row < b.end_row; ++row) {
                const unsigned char* row_flags = flags + number_of(b, image, row, b.column);
                for (std::int64_t panel = first; panel < end; ++panel) {
                    for (std::int64_t j = 0; j < t_.panels.length(panel); ++j)
                        output_row(b, image, row, first, panel, j, row_flags, thread);
                }
                leave(b, image, row, first, end, row_flags, thread);
            }
        }
    }

  private:
    typename WinogradProducts<T>::Arrays arrays(int place, int thread) const {
        return {block_array(place, v), thread_array(thread, m), thread_array(thread, weights),
                threads_.template get<std::int64_t>(thread, at), threads_.template get<std::int64_t>(thread, numbers)};
    }
    T* block_array(int place, BlockArray slot) const { return blocks_.template get<T>(place, slot); }
    T* thread_array(int thread, ThreadArray slot) const { return threads_.template get<T>(thread, slot); }

    static std::int64_t number_of(const TileBlock& b, std::int64_t image, std::int64_t row, std::int64_t column) {
        return (image * b.rows() + row - b.row) * b.columns() + column - b.column;
    }

    // The largest input whose transform, products and sums are surely finite.
    T loudest_input(double weight) const {
        const double room = 0.125 * static_cast<double>(std::numeric_limits<T>::max()) / winograd_growth(t_.whole);
        const double sum = static_cast<double>(s_.in_channels) * weight;
        return static_cast<T>(sum > 1.0 ? room / sum : room);
    }

    // ---- input ----

    // Where the first of a run of tiles stands in V or M, for each of its points. `stride` between points, `tile` between tiles: those that
    // use a point, in the order image, row, column.
    template <class P>
    void find_places(const TileBlock& b, std::int64_t image, std::int64_t row, int in_row, std::int64_t column, P* base,
                     std::int64_t stride, std::int64_t tile, std::array<P*, pitch * pitch>& places) const {
        const int size = t_.rows.size(row);
        std::array<std::int64_t, pitch> tiles_of_row, offset;
        for (int j = 0; j < in_row + 2; ++j) {
            const auto at_j = static_cast<std::size_t>(j);
            const int point = t_.columns.point(in_row, j);
            tiles_of_row[at_j] = t_.columns.using_point(b.column, b.end_column, point) * tile;
            offset[at_j] = point * stride + (column - b.column) * tile;
        }
        for (int i = 0; i < size + 2; ++i) {
            const int point = t_.rows.point(size, i);
            const std::int64_t before = image * t_.rows.using_point(b.row, b.end_row, point) + row - b.row;
            P* at_i = base + point * t_.columns.points() * stride;
            for (int j = 0; j < in_row + 2; ++j) {
                const auto at_j = static_cast<std::size_t>(j);
                places[static_cast<std::size_t>(i * pitch + j)] = at_i + offset[at_j] + before * tiles_of_row[at_j];
            }
        }
    }

    // Calls f(size, first tile, tiles) for the runs of equal tiles of a row: whole ones, and a smaller one.
    template <class F>
    void for_each_run(const TileBlock& b, const F& f) const {
        const std::int64_t whole = std::min(b.end_column, t_.columns.outputs / t_.whole);
        if (whole > b.column) f(t_.whole, b.column, whole - b.column);
        if (whole < b.end_column) f(t_.columns.size(whole), whole, b.end_column - whole);
    }

    // values: the patch of one vector of channels. to: where that vector stands in V of point 0, tile 0.
    void transform_row(const TileBlock& b, const Patch& q, std::int64_t image, std::int64_t row, std::int64_t k, const T* values, T* to,
                       int thread) const {
        const int size = t_.rows.size(row), points = size + 2;
        const std::int64_t stride = columns_stride(std::min(inputs_at_once * t_.whole + winograd_taps - 1, q.columns), t_.lanes),
                           tile = t_.units.length(k) * t_.lanes;
        T* half = thread_array(thread, columns);
        const T* from = values + (t_.rows.begin(row) - t_.rows.begin(b.row)) * q.columns * t_.lanes;
        for_each_run(b, [&](int width, std::int64_t column, std::int64_t tiles) {
            std::array<T*, pitch * pitch> places;
            find_places(b, image, row, width, column, to, t_.v_stride(k), tile, places);
            const T* first = from + (t_.columns.begin(column) - t_.columns.begin(b.column)) * t_.lanes;
            for (std::int64_t done = 0; done < tiles; done += inputs_at_once) {
                const std::int64_t n = std::min(inputs_at_once, tiles - done);
                transforms_.input_columns[size - 1](
                    {first + done * width * t_.lanes, q.columns * t_.lanes, n * width + winograd_taps - 1, half, stride});
                transforms_.input_rows[width - 1]({half, stride, points, n, places.data(), done * tile, tile});
            }
        });
    }

    // ---- which tiles are left ----

    void keep_central(const TileBlock& b, const Patch& q, std::int64_t image, const T* values, T* to) const {
        for (std::int64_t row = b.row; row < b.end_row; ++row) {
            const auto rows = central(t_.rows.size(row));
            const std::int64_t first_row = t_.rows.begin(row) - t_.rows.begin(b.row);
            for_each_run(b, [&](int width, std::int64_t column, std::int64_t tiles) {
                const auto in_row = central(width);
                const std::int64_t first = t_.columns.begin(column) - t_.columns.begin(b.column);
                T* kept = to + number_of(b, image, row, column) * central_pixels * t_.lanes;
                for (std::size_t i = 0; i < central_pixels; ++i) {
                    const T* from = values + ((first_row + rows[i / 2]) * q.columns + first + in_row[i % 2]) * t_.lanes;
                    winograd_.keep_magnitudes(
                        {from, width * t_.lanes, kept + static_cast<std::int64_t>(i) * t_.lanes, central_pixels * t_.lanes, tiles});
                }
            });
        }
    }

    // Is surely no tile to be left? The receptive field of every output holds one of its tile's central pixels, and no tile is louder than
    // the block.
    bool calm(const TileBlock& b, int place) const {
        T* lanes_quiet = block_array(place, quiet);
        T* lanes_largest = block_array(place, largest);
        const std::int64_t pixels = b.tiles() * central_pixels;
        for (std::int64_t task = 1; task < t_.inputs.parts; ++task) {
            winograd_.keep_magnitudes(
                {lanes_quiet + task * t_.most_tiles() * central_pixels * t_.lanes, t_.lanes, lanes_quiet, t_.lanes, pixels});
            winograd_.keep_magnitudes({lanes_largest + task * t_.lanes, t_.lanes, lanes_largest, t_.lanes, 1});
        }
        T* values = block_array(place, magnitudes);
        winograd_.largest_lanes(lanes_largest, 1, values);
        const T loud = values[0];
        if (!(loud <= loudest_)) return false;
        if (loud == 0) return true;
        winograd_.largest_lanes(lanes_quiet, pixels, values);
        T least = values[0];
        for (std::int64_t i = 1; i < pixels; ++i) least = std::min(least, values[i]);
        return least >= quietest_ && loud <= least * static_cast<T>(winograd_range);
    }

    // magnitude: of the pixels of a tile's input.
    bool beyond(const T* magnitude, std::int64_t stride, int rows, int in_row) const {
        const auto of = [&](int row, int column, int height, int width) {
            T most = 0;
            for (int i = row; i < row + height; ++i) {
                for (int j = column; j < column + width; ++j) most = larger_magnitude(most, magnitude[i * stride + j]);
            }
            return most;
        };
        const T loud = of(0, 0, rows + 2, in_row + 2);
        if (!(loud <= loudest_)) return true;
        if (loud == 0) return false;
        if (loud < quietest_) return true;
        for (int i = 0; i < rows; ++i) {
            for (int j = 0; j < in_row; ++j) {
                const T field = of(i, j, winograd_taps, winograd_taps);
                if (loud > field * static_cast<T>(winograd_range)) return true;
            }
        }
        return false;
    }

    // ---- output ----

    // Vector j of a panel, of the tiles of a row.
    void output_row(const TileBlock& b, std::int64_t image, std::int64_t row, std::int64_t first_panel, std::int64_t panel, std::int64_t j,
                    const unsigned char* flags, int thread) const {
        const int size = t_.rows.size(row);
        const std::int64_t width = t_.panels.length(panel) * t_.lanes;
        const std::int64_t pixels = t_.columns.end(b.end_column - 1) - t_.columns.begin(b.column);  // of an output row of the block
        const T* sums =
            thread_array(thread, m) + (t_.panels.begin(panel) - t_.panels.begin(first_panel)) * t_.lanes * t_.most_tiles() + j * t_.lanes;
        T *half = thread_array(thread, halves), *result = thread_array(thread, outputs);
        for_each_run(b, [&](int in_row, std::int64_t column, std::int64_t tiles) {
            std::array<const T*, pitch * pitch> places;
            find_places(b, image, row, in_row, column, sums, t_.m_stride(), width, places);
            T* to = result + (t_.columns.begin(column) - t_.columns.begin(b.column)) * t_.lanes;
            for (std::int64_t done = 0; done < tiles; done += tiles_at_once) {
                const std::int64_t n = std::min(tiles_at_once, tiles - done);
                transforms_.output_columns[size - 1]({places.data(), done * width, width, in_row + 2, n, half});
                transforms_.output_rows[in_row - 1]({half, size, n, to, pixels * t_.lanes, t_.lanes});
                to += n * in_row * t_.lanes;
            }
        });
        const std::int64_t channel = (t_.panels.begin(panel) + j) * t_.lanes;
        const std::int64_t channels = std::min<std::int64_t>(t_.lanes, s_.out_channels - channel);
        const auto finish = [&](std::int64_t y, std::int64_t x, std::int64_t n, const T* from) {
            const Output<T> o = epilogue_.output(b.image + image, b.group * s_.out_channels + channel, channels, y * t_.columns.outputs + x,
                                                 n, thread_array(thread, residual));
            const PixelSums<T> done{from, t_.lanes, n, o};
            p_.layout == Layout::channels_last ? kernels_.finish_sums(done) : kernels_.transpose_sums(done);
        };
        const std::int64_t y = t_.rows.begin(row), x = t_.columns.begin(b.column);
        const bool any = std::find(flags, flags + b.columns(), 1) != flags + b.columns();
        if (!any && pixels == t_.columns.outputs) return finish(y, x, size * pixels, result);
        for (int i = 0; i < size; ++i) {
            for (std::int64_t c = 0; c < b.columns();) {  // runs of tiles that are not left
                std::int64_t end = c;
                while (end < b.columns() && !flags[end]) ++end;
                if (end > c) {
                    const std::int64_t from = t_.columns.begin(b.column + c) - x, to = t_.columns.end(b.column + end - 1) - x;
                    finish(y + i, x + from, to - from, result + (i * pixels + from) * t_.lanes);
                }
                c = end + 1;
            }
        }
    }

    // What is left, to the GEMM path.
    void leave(const TileBlock& b, std::int64_t image, std::int64_t row, std::int64_t first, std::int64_t end, const unsigned char* flags,
               int thread) const {
        for (std::int64_t c = 0; c < b.columns(); ++c) {
            if (!flags[c]) continue;
            ++fallback_tiles;
            const std::int64_t column = b.column + c;
            for (std::int64_t y = t_.rows.begin(row); y < t_.rows.end(row); ++y) {
                const Box pixels{{0, y, t_.columns.begin(column)}, {1, y + 1, t_.columns.end(column)}};
                for (std::int64_t panel = first; panel < end; ++panel) pieces_.compute(pixels, b.image + image, b.group, panel, thread);
            }
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const WinogradTiling& t_;
    const Kernels<T>& kernels_;
    const WinogradKernels<T>& winograd_;
    const WinogradTransforms<T>& transforms_;
    const BlockArrays& blocks_;
    const ThreadArrays& threads_;
    const GemmPieces<T>& pieces_;
    const Epilogue<T> epilogue_;
    const WinogradPatches<T> patches_;
    const bool checked_;
    const WinogradProducts<T> products_;
    const T loudest_;
    const T quietest_ = static_cast<T>(winograd_least(dtype_of_type<T>()));
};

}  // namespace

std::int64_t winograd_workspace_bytes(const Problem& p, int whole, int threads) {
    if (p.shape.empty()) return 0;
    const auto bytes = [&](std::int64_t batch, int used) {
        Problem images = p;
        images.shape.batch = batch;
        const WinogradTiling t = tile_winograd(images, whole);
        const int slots = slots_of(t, used);
        return BlockArrays::bytes_per_thread(block_arrays(t, p.dtype)) * blocks_at_once(t, slots) +
               (ThreadArrays::bytes_per_thread(thread_arrays(t, p.dtype)) + gemm_pieces_bytes(direct_problem(p))) * slots;
    };
    if (!p.free_batch) return bytes(p.shape.batch, worthwhile_threads(p, threads));
    // Of a few images, whose blocks the threads share, and of so many that more change nothing but the number of blocks.
    std::int64_t most = bytes(many_winograd_images(), threads);
    Problem many = p;
    many.shape.batch = many_winograd_images();
    const std::int64_t few = tile_winograd(many, whole).images_of_block * winograd_limits().enough_blocks;
    for (std::int64_t batch = 1; batch <= few; ++batch) most = std::max(most, bytes(batch, threads));
    return most;
}

template <class T>
void run_winograd(const Problem& p, int whole, const Operands<T>& io, int threads) {
    const WinogradTiling t = tile_winograd(p, whole);
    const int used = worthwhile_threads(p, threads), slots = slots_of(t, used);
    const BlockArrays of_blocks(block_arrays(t, p.dtype), blocks_at_once(t, slots));
    const ThreadArrays of_threads(thread_arrays(t, p.dtype), slots);
    const Problem direct = direct_problem(p);
    const GemmPieces<T> pieces(direct, io, slots);
    const WinogradRun<T> run(p, t, io, of_blocks, of_threads, pieces);
    if (!t.shared) {
        parallel_for(t.blocks, used, [&](std::int64_t block, int thread) { run.block(block, thread); });
        return;
    }
    for (std::int64_t i = 0; i < t.blocks; ++i) {
        const TileBlock b = t.block(i, p.shape.groups);
        parallel_for(t.inputs.parts, used, [&](std::int64_t task, int thread) { run.input(b, task, 0, thread); });
        run.judge(b, 0, 0);
        parallel_for(t.chunks.parts, used, [&](std::int64_t chunk, int thread) { run.output(b, chunk, 0, thread); });
    }
}

std::int64_t winograd_fallback_tiles() { return fallback_tiles; }
void set_winograd_checks(bool on) { checks = on; }

template void run_winograd(const Problem&, int, const Operands<float>&, int);
template void run_winograd(const Problem&, int, const Operands<double>&, int);

}  // namespace npconv

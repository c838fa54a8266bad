// SPDX-License-Identifier: BSD-3-Clause
// Tiling in plan/depthwise_tiling.hpp, the kernel in kernels/depthwise.inl.
#include "algorithms/depthwise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <variant>

#include "algorithms/depthwise_planes.hpp"
#include "algorithms/epilogue.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/kernel_runs.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { tap_runs, rows, tap_planes, row_tiles, copy, sums, residual_copy, slots };
using DepthwiseWorkspace = Workspace<slots>;

DepthwiseWorkspace::Sizes sizes(const Problem& p, const DepthwiseTiling& t) {
    const std::int64_t vector = t.lanes * size_of(p.dtype);
    DepthwiseWorkspace::Sizes bytes{};
    bytes[tap_runs] = t.most_rows() * t.most_tap_runs(p.shape) * static_cast<std::int64_t>(sizeof(TapRun));
    bytes[rows] = t.most_rows() * static_cast<std::int64_t>(sizeof(OutputRow));
    if (t.shares_rows) {
        bytes[tap_planes] = t.most_row_tiles() * p.shape.axis[0].kernel * static_cast<std::int64_t>(sizeof(TapPlane));
        bytes[row_tiles] = t.most_row_tiles() * static_cast<std::int64_t>(sizeof(RowTile));
    }
    bytes[copy] = copied_pixels(p, t.longest_block()) * t.together * vector;
    bytes[sums] = t.keeps_sums ? t.most_pixels() * t.together * vector : 0;
    bytes[residual_copy] = t.most_pixels() * t.together * vector;
    return bytes;
}

// Where a block finds its input: the first place of each axis, in input coordinates, and how many there are; and the elements between
// places.
struct Window {
    std::array<std::int64_t, 3> first{}, count{};
    std::array<std::int64_t, 3> stride{};
};

template <class T>
class DepthwiseRun {
  public:
    DepthwiseRun(const DepthwiseExecution& e, const OperandsOf<T>& io, const DepthwiseWorkspace& workspace)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          kernels_(kernels_of<T>(e.kernels())),
          channels_(kernel(t_, e.kernels())),
          row_tiles_(t_.group > 1 ? depthwise_kernels_of<T>(e.kernels()).grouped_row_tiles
                                  : depthwise_kernels_of<T>(e.kernels()).row_tiles),
          gather_(winograd_kernels_of<T>(e.kernels()).gather_channels),
          workspace_(workspace),
          epilogue_(p_, io),
          copied_(t_.copied || io.x.channel != 1),
          bordered_(p_.border != Border::zeros),
          shares_rows_(t_.shares_rows && io.finite_weights) {}

    // LOOP 1: tasks in the order image, chunk, block.
    void task(std::int64_t index, int thread) const {
        const Box pixels = t_.block(index % t_.blocks());
        index /= t_.blocks();
        const std::int64_t chunk = index % t_.chunks.parts, image = index / t_.chunks.parts;
        compute(pixels, image, t_.chunks.begin(chunk), t_.chunks.length(chunk), {}, thread);
    }

    void compute(const Box& pixels, std::int64_t image, std::int64_t first_vector, std::int64_t vectors, const ResultBlock& to,
                 int thread) const {
        const Window window = copied_ ? window_of_copy(pixels) : window_of_input();
        const Lists lists = list(pixels, window, thread);
        const TensorView<const T> x = image_of(image);
        const std::int64_t end = first_vector + vectors;
        if (!copied_) {
            const std::int64_t most = epilogue_.residual_in_place() ? vectors : t_.together;  // the copy has room for `together` vectors
            for (std::int64_t v = first_vector; v < end; v += most) {
                const Output<T> o = output(pixels, image, v, std::min(most, end - v), to, thread);
                run(lists, x.data + v * t_.lanes, t_.lanes, v, o);
            }
            return;
        }
        T* copies = workspace_.template get<T>(thread, copy);
        const std::int64_t copy_size = window.count[0] * window.stride[0];
        for (std::int64_t v = first_vector; v < end; v += t_.together) {  // LOOP 2
            const std::int64_t count = std::min(t_.together, end - v);
            for (std::int64_t i = 0; i < count; ++i) copy_window(x, window, v + i, copies + i * copy_size);
            const Output<T> o = output(pixels, image, v, count, to, thread);
            if (!t_.keeps_sums) {
                run(lists, copies, copy_size, v, o);
                continue;
            }
            T* block_sums = workspace_.template get<T>(thread, sums);
            Output<T> kept{};
            kept.y = block_sums;
            kept.y_stride = kept.channels = count * t_.lanes;
            run(lists, copies, copy_size, v, kept);
            kernels_.transpose_sums({block_sums, kept.y_stride, pixels.pixels(), o});
        }
    }

  private:
    using Kernel = void (*)(const DepthwiseChannels<T>&);

    // What the kernel is told of a block.
    using Lists = std::variant<DepthwiseChannels<T>, DepthwiseRowTiles<T>>;

    // vector: elements between vectors of channels, of which v is the first.
    void run(const Lists& lists, const T* x, std::int64_t vector, std::int64_t v, const Output<T>& o) const {
        const auto with = [&](auto d) {
            d.x = x;
            d.vector = vector;
            d.w = io_.w + v * t_.lanes * s_.k();
            d.output = o;
            return d;
        };
        if (shares_rows_) {
            row_tiles_(with(std::get<1>(lists)));
        } else {
            channels_(with(std::get<0>(lists)));
        }
    }

    Lists list(const Box& pixels, const Window& window, int thread) const {
        if (shares_rows_) return in_row_tiles(pixels, window, thread);
        return in_rows(pixels, window, thread);
    }

    DepthwiseRowTiles<T> in_row_tiles(const Box& pixels, const Window& window, int thread) const {
        DepthwiseRowTiles<T> d{};
        d.pixel = window.stride[2];
        d.row = window.stride[1];
        d.group = t_.group;
        d.taps = s_.taps();
        d.pixels = pixels.length(2);
        const std::int64_t place = s_.axis[2].at(pixels.begin[2], 0) - window.first[2];
        d.begin = -place;
        d.end = window.count[2] - place;
        auto* planes = workspace_.template get<TapPlane>(thread, tap_planes);
        auto* tiles = workspace_.template get<RowTile>(thread, row_tiles);
        d.tiles = list_row_tiles(pixels, window, place, planes, tiles);
        d.plane = planes;
        d.tile = tiles;
        return d;
    }

    DepthwiseChannels<T> in_rows(const Box& pixels, const Window& window, int thread) const {
        DepthwiseChannels<T> d{};
        d.pixel = window.stride[2] * (t_.by_tap ? s_.axis[2].stride : 1);
        d.taps = s_.taps();
        d.group = t_.group;
        d.every_tap = !io_.finite_weights;
        d.pixels = pixels.length(2);
        d.rows = pixels.length(0) * pixels.length(1);
        auto* taps = workspace_.template get<TapRun>(thread, tap_runs);
        auto* row = workspace_.template get<OutputRow>(thread, rows);
        list_rows(pixels, window, taps, row);
        d.tap = taps;
        d.row = row;
        return d;
    }

    static Kernel kernel(const DepthwiseTiling& t, const KernelTable& table) {
        const auto& kernels = depthwise_kernels_of<T>(table);
        if (t.group > 1) return kernels.groups[t.step - 1];
        const auto& of_step = kernels.channels[t.step - 1];
        const Kernel own = t.taps.shorter == t.taps.longest() ? of_step[t.taps.longest()] : nullptr;  // all runs are as long
        return own ? own : of_step[0];
    }

    std::int64_t all_channels() const { return s_.groups * s_.out_channels; }

    // Of vectors of channels of a block.
    Output<T> output(const Box& pixels, std::int64_t image, std::int64_t vector, std::int64_t vectors, const ResultBlock& to,
                     int thread) const {
        const std::int64_t channel = vector * t_.lanes, channels = std::min(vectors * t_.lanes, all_channels() - channel);
        const std::int64_t first = (pixels.begin[0] * s_.axis[1].output + pixels.begin[1]) * s_.axis[2].output + pixels.begin[2];
        Output<T> o = epilogue_.output(image, channel, channels, first, pixels.pixels(), workspace_.template get<T>(thread, residual_copy));
        if (to.values) {
            o.y = static_cast<T*>(to.values) + channel;
            o.y_stride = to.stride;
        }
        return o;
    }

    TensorView<const T> image_of(std::int64_t image) const {
        TensorView<const T> x = io_.x;
        x.data += image * x.batch;
        return x;
    }

    Window window_of_input() const {
        Window w;
        for (std::size_t a = 0; a < 3; ++a) {
            w.count[a] = s_.axis[a].input;
            w.stride[a] = io_.x.spatial[a];
        }
        return w;
    }

    Window window_of_copy(const Box& pixels) const {
        Window w;
        for (std::size_t a = 0; a < 3; ++a) {
            const Axis& axis = s_.axis[a];
            const std::int64_t begin = axis.at(pixels.begin[a], 0), end = axis.at(pixels.end[a] - 1, axis.kernel - 1) + 1;
            const bool zeros = !bordered_;
            w.first[a] = zeros ? std::clamp<std::int64_t>(begin, 0, axis.input) : begin;
            w.count[a] = (zeros ? std::clamp<std::int64_t>(end, w.first[a], axis.input) : end) - w.first[a];
        }
        w.stride = {w.count[1] * w.count[2] * t_.lanes, w.count[2] * t_.lanes, t_.lanes};
        return w;
    }

    // The tiles of rows of outputs of a block, each with the planes of taps that it meets. Returns how many they are.
    std::int64_t list_row_tiles(const Box& pixels, const Window& window, std::int64_t place, TapPlane* plane, RowTile* tile) const {
        const auto& axis = s_.axis;
        const std::int64_t height = pixels.length(1), width = pixels.length(2);
        const EvenSplit tiles = split_by(height, depthwise_rows);
        std::int64_t n = 0;
        for (std::int64_t d = pixels.begin[0]; d < pixels.end[0]; ++d) {
            for (std::int64_t i = 0; i < tiles.parts; ++i, ++tile) {
                tile->first = n;
                tile->rows = tiles.length(i);
                tile->index = ((d - pixels.begin[0]) * height + tiles.begin(i)) * width;
                const std::int64_t line = axis[1].at(pixels.begin[1] + tiles.begin(i), 0) - window.first[1];
                for (std::int64_t t = 0; t < axis[0].kernel; ++t) {
                    const std::int64_t depth = axis[0].at(d, t) - window.first[0];
                    if (depth < 0 || depth >= window.count[0]) continue;
                    plane[n++] = {depth * window.stride[0] + line * window.stride[1] + place * window.stride[2], -line,
                                  window.count[1] - line, t * axis[1].kernel * axis[2].kernel};
                }
                tile->last = n;
            }
        }
        return pixels.length(0) * tiles.parts;
    }

    // The rows of outputs of a block, each with the rows of taps that it meets.
    void list_rows(const Box& pixels, const Window& window, TapRun* taps, OutputRow* row) const {
        const auto& axis = s_.axis;
        const std::int64_t width = axis[2].output;
        std::int64_t n = 0, index = 0;
        for (std::int64_t d = pixels.begin[0]; d < pixels.end[0]; ++d) {
            for (std::int64_t h = pixels.begin[1]; h < pixels.end[1]; ++h, ++row) {
                row->first = n;
                row->index = index;
                row->begin = std::numeric_limits<std::int64_t>::min();
                row->end = std::numeric_limits<std::int64_t>::max();
                index += pixels.length(2);
                for (std::int64_t i = 0; i < axis[0].kernel * axis[1].kernel; ++i) {
                    const std::int64_t plane = axis[0].at(d, i / axis[1].kernel) - window.first[0];
                    const std::int64_t line = axis[1].at(h, i % axis[1].kernel) - window.first[1];
                    const bool present = plane >= 0 && plane < window.count[0] && line >= 0 && line < window.count[1];
                    if (!present && io_.finite_weights) continue;
                    for (std::int64_t run = 0; run < t_.taps.parts; ++run, ++n) {
                        const std::int64_t tap = t_.taps.begin(run), place = axis[2].at(pixels.begin[2], tap) - window.first[2];
                        TapRun& t = taps[n];
                        t.w = i * axis[2].kernel + tap;
                        t.taps = t_.taps.length(run);
                        t.x = t.begin = t.end = 0;
                        if (present) {
                            t.x = plane * window.stride[0] + line * window.stride[1] + place * window.stride[2];
                            t.begin = -place;
                            t.end = window.count[2] - place;
                            if (t_.by_tap) {
                                const Inside in = inside(place, axis[2].stride, window.count[2], 0, width);
                                t.begin = in.begin;
                                t.end = in.end;
                            }
                        }
                        row->begin = std::max(row->begin, t.begin);
                        row->end = std::min(row->end, t.end);
                    }
                }
                row->last = n;
            }
        }
    }

    // A vector of channels of all places of a window.
    void copy_window(const TensorView<const T>& x, const Window& w, std::int64_t vector, T* to) const {
        const std::int64_t channel = vector * t_.lanes;
        const auto channels = static_cast<int>(std::min<std::int64_t>(t_.lanes, all_channels() - channel));
        const auto& axis = s_.axis;
        const bool whole_rows = w.first[2] == 0 && w.count[2] == axis[2].input && x.spatial[1] == w.count[2] * x.spatial[2];
        for (std::int64_t d = 0; d < w.count[0]; ++d, to += w.stride[0]) {
            const std::int64_t plane = border_source(w.first[0] + d, axis[0].input, p_.border);
            const T* from = x.data + plane * x.spatial[0];
            if (!bordered_) {  // all inside
                from += w.first[1] * x.spatial[1] + w.first[2] * x.spatial[2];
                const bool one = whole_rows;
                gather(from, x, one ? 1 : w.count[1], one ? w.count[1] * w.count[2] : w.count[2], channel, channels, to);
                continue;
            }
            for (std::int64_t h = 0; h < w.count[1]; ++h) {
                const T* line = from + border_source(w.first[1] + h, axis[1].input, p_.border) * x.spatial[1];
                copy_line(line, x, w, channel, channels, to + h * w.stride[1]);
            }
        }
    }

    // A row with its border.
    void copy_line(const T* from, const TensorView<const T>& x, const Window& w, std::int64_t channel, int channels, T* to) const {
        const std::int64_t input = s_.axis[2].input;
        const Inside in = inside(w.first[2], 1, input, 0, w.count[2]);
        const auto one = [&](std::int64_t i) {
            gather(from + border_source(w.first[2] + i, input, p_.border) * x.spatial[2], x, 1, 1, channel, channels, to + i * t_.lanes);
        };
        for (std::int64_t i = 0; i < in.begin; ++i) one(i);
        if (in.end > in.begin)
            gather(from + (w.first[2] + in.begin) * x.spatial[2], x, 1, in.end - in.begin, channel, channels, to + in.begin * t_.lanes);
        for (std::int64_t i = in.end; i < w.count[2]; ++i) one(i);
    }

    // Rows of pixels; several output channels may have one input channel.
    void gather(const T* from, const TensorView<const T>& x, std::int64_t lines, std::int64_t pixels, std::int64_t channel, int channels,
                T* to) const {
        const std::int64_t lanes = t_.lanes;
        if (t_.multiplier == 1) {
            gather_(
                {from + channel * x.channel, x.spatial[1], x.spatial[2], x.channel, lines, pixels, channels, to, pixels * lanes, nullptr});
            return;
        }
        std::array<std::int64_t, most_lanes> at{};  // of each lane's channel
        for (std::int64_t c = 0; c < channels; ++c) at[static_cast<std::size_t>(c)] = (channel + c) / t_.multiplier * x.channel;
        for (std::int64_t line = 0; line < lines; ++line) {
            for (std::int64_t i = 0; i < pixels; ++i, to += lanes) {
                const T* pixel = from + line * x.spatial[1] + i * x.spatial[2];
                for (std::int64_t c = 0; c < lanes; ++c) to[c] = c < channels ? pixel[at[static_cast<std::size_t>(c)]] : T(0);
            }
        }
    }

    static constexpr std::size_t most_lanes = 16;

    const Problem& p_;
    const ConvShape& s_;
    const DepthwiseTiling& t_;
    const OperandsOf<T>& io_;
    const Kernels<T>& kernels_;
    Kernel channels_;
    void (*row_tiles_)(const DepthwiseRowTiles<T>&);
    void (*gather_)(const ChannelVectors<T>&);
    const DepthwiseWorkspace& workspace_;
    const Epilogue<T> epilogue_;
    const bool copied_, bordered_, shares_rows_;
};

template <class T>
class ChannelBlocks final : public DepthwiseBlocks {
  public:
    ChannelBlocks(const DepthwiseExecution& e, const Operands& io, int threads)
        : chunks_(e.tiling.chunks),
          operands_(typed<T>(io)),
          workspace_(sizes(e.problem, e.tiling), threads),
          run_(e, operands_, workspace_) {}
    void compute(const Box& pixels, std::int64_t image, const ResultBlock& to, int thread) const override {
        for (std::int64_t c = 0; c < chunks_.parts; ++c) run_.compute(pixels, image, chunks_.begin(c), chunks_.length(c), to, thread);
    }

  private:
    const SpreadSplit& chunks_;
    const OperandsOf<T> operands_;
    const DepthwiseWorkspace workspace_;
    const DepthwiseRun<T> run_;
};

// Returns the largest magnitude.
template <class T>
T pack_channels(const DepthwiseExecution& e, const TensorView<const T>& w, std::int64_t elements, T* to) {
    const ConvShape& s = e.problem.shape;
    const std::int64_t taps = s.taps(), channels = s.groups * s.out_channels, lanes = e.tiling.lanes_of_channel();
    std::fill_n(to, elements, T(0));
    Problem of_channel = e.problem;
    of_channel.shape.in_channels = 1;
    T largest = 0;
    for_each_tap(of_channel, w, order_k(of_channel.shape, taps, taps).block(0), [&](std::int64_t offset, std::int64_t tap) {
        T* vector = to + tap * lanes;
        for (std::int64_t c = 0; c < channels; c += lanes) {
            const std::int64_t used = std::min(lanes, channels - c);
            for (std::int64_t i = 0; i < s.in_channels; ++i, vector += taps * lanes) {
                for (std::int64_t lane = 0; lane < used; ++lane) {
                    const T value = w.data[(c + lane) * w.batch + i * w.channel + offset];
                    vector[lane] = value;
                    largest = larger_magnitude(largest, std::abs(value));
                }
            }
        }
    });
    return largest;
}

}  // namespace

void convolve(const DepthwiseExecution& e, const Operands& io, int threads) {
    count_kernel_run(e.kernels());
    const int used = e.threads(threads), slots = slots_of(e.tiling.tasks, used);
    if (e.tiling.lane == Lane::pixel) return run_depthwise_planes(e, io, used, slots);
    with_real(e.problem.dtype, [&](auto zero) {
        const DepthwiseWorkspace workspace(sizes(e.problem, e.tiling), slots);
        const auto operands = typed<decltype(zero)>(io);
        const DepthwiseRun<decltype(zero)> run(e, operands, workspace);
        parallel_for(e.tiling.tasks, used, [&](std::int64_t task, int thread) { run.task(task, thread); });
    });
}

std::int64_t workspace_bytes(const DepthwiseExecution& e, double, int threads) {
    if (e.problem.shape.empty()) return 0;
    return bytes_of_depthwise_blocks(e) * (e.problem.free_batch ? threads : slots_of(e.tiling.tasks, e.threads(threads)));
}

PackedWeights pack(const DepthwiseExecution& e, const AnyView& w, int) {
    const std::int64_t elements = e.tiling.channels * e.problem.shape.k() * e.tiling.lanes_of_channel();
    return packed_by(e.problem.dtype, elements, [&]<class T>(T* to) { return pack_channels(e, typed<T>(w), elements, to); });
}

void set_format(const DepthwiseExecution& e, PackedFormat& format) {
    const ConvShape& s = e.problem.shape;
    format.k = order_k(s, s.k(), s.k());
    format.lane = e.tiling.lane;
}

std::unique_ptr<const DepthwiseBlocks> depthwise_blocks(const DepthwiseExecution& e, const Operands& io, int threads) {
    if (e.tiling.lane == Lane::pixel) return depthwise_plane_blocks(e, io, threads);
    return with_real(e.problem.dtype, [&](auto zero) -> std::unique_ptr<const DepthwiseBlocks> {
        return std::make_unique<ChannelBlocks<decltype(zero)>>(e, io, threads);
    });
}

std::int64_t bytes_of_depthwise_blocks(const DepthwiseExecution& e) {
    return e.tiling.lane == Lane::pixel ? bytes_of_depthwise_planes(e) : DepthwiseWorkspace::bytes_per_thread(sizes(e.problem, e.tiling));
}

}  // namespace npconv

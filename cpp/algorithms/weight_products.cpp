// SPDX-License-Identifier: BSD-3-Clause
// Tiling in plan/weight_gradient_tiling.hpp, the microkernel in kernels/gemm.inl.
#include "algorithms/weight_products.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "algorithms/bordered_row.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/weight_gradient_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { panel, copy, at, index, segments, places, sums, slots };
using Arrays = Workspace<slots>;

// Of a sum in parts the sums are not of a thread but of a task.
Arrays::Sizes sizes(const Problem& p, const WeightGradientTiling& t) {
    const std::int64_t element = size_of(p.dtype), integer = sizeof(std::int64_t), pixels = t.pixels_of_block();
    Arrays::Sizes bytes{};
    bytes[panel] = pixels * t.width() * element;
    bytes[copy] = t.windowed ? p.shape.in_channels * t.window_of_channel() * element : 0;
    bytes[at] = bytes[index] = t.channels.longest() * (t.windowed ? p.shape.taps() : 1) * integer;
    bytes[segments] = t.listed_once ? 0 : (t.runs + 1) * static_cast<std::int64_t>(sizeof(Segment));
    bytes[places] = pixels * integer;
    bytes[sums] = t.parts.parts == 1 ? t.sums_of_task() * element : 0;
    return bytes;
}

std::int64_t bytes_of_parts(const Problem& p, const WeightGradientTiling& t) {
    if (t.parts.parts == 1) return 0;
    return t.tasks * Arrays::rounded(t.sums_of_task() * size_of(p.dtype));
}

// The runs of pixels of all blocks and taps.
std::int64_t bytes_of_lists(const Problem& p, const WeightGradientTiling& t) {
    if (!t.listed_once) return 0;
    return t.blocks_of_image() * p.shape.taps() * (t.runs + 1) * static_cast<std::int64_t>(sizeof(Segment));
}

// Which part of the result a task computes.
struct Share {
    std::int64_t group, panel, channels, taps, part;
};

template <class T>
class WeightGradient {
  public:
    // turned: of a result whose channels in and out have changed places.
    WeightGradient(const Execution<WeightGradientTiling>& e, const OperandsOf<T>& io, bool turned, const Arrays& arrays, T* parts,
                   Segment* lists)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          turned_(turned),
          kernels_(kernels_of<T>(e.kernels())),
          arrays_(arrays),
          parts_(parts),
          lists_(lists) {
        flat_grad_ = s_.flat_step(io.grad.spatial);
        // Of pixels that are far apart in a border of zeros it may be any number.
        const auto stride = static_cast<std::uint64_t>(s_.axis[2].stride), pixel = static_cast<std::uint64_t>(io.x.spatial[2]);
        step_ = s_.axis[2].output > 1 ? static_cast<std::int64_t>(stride * pixel) : 0;
    }

    // Before all tasks, of each block, if the lists are made once.
    void list_block(std::int64_t block) const {
        for (std::int64_t tap = 0; tap < s_.taps(); ++tap) {
            list(tap, t_.block(block).first, t_.block(block).count, lists_ + (block * s_.taps() + tap) * (t_.runs + 1));
        }
    }

    // LOOP 1
    void task(std::int64_t number, int thread) const {
        const Share share = share_of(number);
        T* into = parts_ ? sums_of(number) : arrays_.template get<T>(thread, sums);
        compute(share, into, thread);
        if (!parts_) store(share, into);
    }

    // Of a sum in parts, those of one share of the result: added in order, to the first one.
    void add_parts(std::int64_t number) const {
        T* first = sums_of(number * t_.parts.parts);
        for (std::int64_t i = 1; i < t_.parts.parts; ++i) {
            const T* more = sums_of(number * t_.parts.parts + i);
            for (std::int64_t j = 0; j < t_.sums_of_task(); ++j) first[j] += more[j];
        }
        store(share_of(number * t_.parts.parts), first);
    }

  private:
    Share share_of(std::int64_t number) const {
        Share share{};
        share.part = number % t_.parts.parts;
        number /= t_.parts.parts;
        share.taps = number % t_.taps.parts;
        number /= t_.taps.parts;
        share.channels = number % t_.channels.parts;
        number /= t_.channels.parts;
        share.panel = number % t_.panels.parts;
        share.group = number / t_.panels.parts;
        return share;
    }

    T* sums_of(std::int64_t task) const {
        return parts_ +
               task * (Arrays::rounded(t_.sums_of_task() * static_cast<std::int64_t>(sizeof(T))) / static_cast<std::int64_t>(sizeof(T)));
    }

    std::int64_t width(const Share& share) const { return t_.panels.length(share.panel) * t_.lanes; }
    // Output channels of a share, within its group.
    std::int64_t first_output(const Share& share) const { return t_.panels.begin(share.panel) * t_.lanes; }
    std::int64_t outputs(const Share& share) const { return std::min(width(share), s_.out_channels - first_output(share)); }

    // LOOPS 2 to 4. Sums are [channel][tap][output channel].
    void compute(const Share& share, T* into, int thread) const {
        const std::int64_t channels = t_.channels.length(share.channels), taps = t_.taps.length(share.taps),
                           vectors = t_.panels.length(share.panel);
        std::int64_t* channel_at = arrays_.template get<std::int64_t>(thread, at);
        std::int64_t* row = arrays_.template get<std::int64_t>(thread, index);
        for (std::int64_t c = 0; c < channels; ++c) {
            if (t_.windowed) {
                place_taps(c, channel_at + c * taps, row + c * taps);
            } else {
                channel_at[c] = c * io_.x.channel;
                row[c] = c * taps;
            }
        }
        const T* w = arrays_.template get<T>(thread, panel);
        const EvenSplit tiles = split_by(channels * (t_.windowed ? taps : 1), t_.mr);
        const std::int64_t begin = t_.parts.begin(share.part), end = begin + t_.parts.length(share.part);
        if (begin == end) std::fill_n(into, channels * taps * width(share), T(0));
        for (std::int64_t b = begin; b < end && !call_stopped(); ++b) {
            const std::int64_t image = b / t_.blocks_of_image();
            const auto [first, pixels] = t_.block(b % t_.blocks_of_image());
            copy_panel(share, image, first, pixels, thread);
            GemmTile<T> tile{};
            tile.x = io_.x.data + image * io_.x.batch + (share.group * s_.in_channels + t_.channels.begin(share.channels)) * io_.x.channel;
            tile.k_stride = step_;
            tile.w = w;
            tile.accumulate = b > begin;
            if (t_.windowed) {
                tile.x = arrays_.template get<T>(thread, copy);
                tile.k_stride = t_.row > 1 ? s_.axis[2].stride : 0;
                copy_window(share.group, image, first, pixels / t_.row, arrays_.template get<T>(thread, copy));
                list_rows(pixels / t_.row, arrays_.template get<Segment>(thread, segments));
            }
            // Of those that a tile does not have as its rows, taps whose lists exist at the same time.
            const std::int64_t steps = t_.windowed ? 1 : taps, together = t_.listed_once ? steps : 1;
            for (std::int64_t i = 0; i < steps; i += together) {
                if (!t_.windowed && !t_.listed_once) {
                    list(t_.taps.begin(share.taps) + i, first, pixels, arrays_.template get<Segment>(thread, segments));
                }
                tile.at = channel_at;
                tile.index = row;
                for (std::int64_t n = 0; n < tiles.parts; n += tile.tiles) {
                    const std::int64_t rows = tiles.length(n);
                    tile.tiles = together > 1 ? 1 : tiles.alike(n);
                    for (std::int64_t j = i; j < i + together; ++j) {
                        const Segment* runs = runs_of(b % t_.blocks_of_image(), t_.taps.begin(share.taps) + j, thread);
                        tile.segment = runs + 1;
                        tile.segments = runs->length;
                        tile.sums = into + (p_.flip ? steps - 1 - j : j) * width(share);
                        kernels_.channel_tile[vectors - 1][rows - 1](tile);
                    }
                    tile.at += tile.tiles * rows;
                    tile.index += tile.tiles * rows;
                }
            }
        }
    }

    // Few channels: where the taps of one meet the window, and the rows of the sums.
    void place_taps(std::int64_t channel, std::int64_t* place, std::int64_t* row) const {
        const std::int64_t taps = s_.taps(), height = s_.axis[1].kernel, width = s_.axis[2].kernel;
        for (std::int64_t t = 0; t < taps; ++t) {
            const std::int64_t d = t / width / height * s_.axis[0].dilation, h = t / width % height * s_.axis[1].dilation,
                               w = t % width * s_.axis[2].dilation;
            place[t] = channel * t_.window_of_channel() + (d * t_.window[1] + h) * t_.window[2] + w;
            row[t] = channel * taps + (p_.flip ? taps - 1 - t : t);
        }
    }

    // What rows of outputs meet of x, with the border: [channel][depth][row][column].
    void copy_window(std::int64_t group, std::int64_t image, std::int64_t first, std::int64_t rows, T* to) const {
        const auto o = s_.coordinates(first);
        const std::int64_t height = (rows - 1) * s_.axis[1].stride + (s_.axis[1].kernel - 1) * s_.axis[1].dilation + 1;
        for (std::int64_t c = 0; c < s_.in_channels; ++c) {
            const T* x = io_.x.data + image * io_.x.batch + (group * s_.in_channels + c) * io_.x.channel;
            for (std::int64_t d = 0; d < t_.window[0]; ++d) {
                const std::int64_t plane = border_source(s_.axis[0].at(o[0], 0) + d, s_.axis[0].input, p_.border);
                T* row = to + (c * t_.window[0] + d) * t_.window[1] * t_.window[2];
                for (std::int64_t h = 0; h < height; ++h, row += t_.window[2]) {
                    const std::int64_t place = border_source(s_.axis[1].at(o[1], 0) + h, s_.axis[1].input, p_.border);
                    const T* from = plane < 0 || place < 0 ? nullptr : x + plane * io_.x.spatial[0] + place * io_.x.spatial[1];
                    copy_bordered_row(from, io_.x.spatial[2], s_.axis[2], p_.border, s_.axis[2].at(0, 0), t_.window[2], row);
                }
            }
        }
    }

    // g of a block of pixels and a panel of channels: [pixel][channel], vectors filled up with zeros.
    void copy_panel(const Share& share, std::int64_t image, std::int64_t first, std::int64_t pixels, int thread) const {
        const TensorView<const T>& g = io_.grad;
        T* to = arrays_.template get<T>(thread, panel);
        const std::int64_t count = outputs(share), stride = width(share);
        const T* from = g.data + image * g.batch + (share.group * s_.out_channels + first_output(share)) * g.channel;
        if (flat_grad_ == 1) {  // channels first
            std::int64_t* place = arrays_.template get<std::int64_t>(thread, places);
            std::iota(place, place + pixels, std::int64_t{0});
            fetch_next(from + first + pixels, g.channel, count, std::min(pixels, s_.pixels() - first - pixels));
            for (std::int64_t v = 0; v < stride; v += t_.lanes) {
                kernels_.pack_vectors({from + v * g.channel + first, g.channel, count - v, t_.lanes, pixels, place, to + v, stride});
            }
            return;
        }
        for (std::int64_t i = 0; i < pixels; ++i, to += stride) {
            const auto o = s_.coordinates(first + i);
            const T* pixel =
                from + (flat_grad_ != 0 ? (first + i) * flat_grad_ : o[0] * g.spatial[0] + o[1] * g.spatial[1] + o[2] * g.spatial[2]);
            if (g.channel == 1) {
                std::copy_n(pixel, count, to);
            } else {
                for (std::int64_t c = 0; c < count; ++c) to[c] = pixel[c * g.channel];
            }
            std::fill_n(to + count, stride - count, T(0));
        }
    }

    // Of the next block of pixels, which is a few lines of each channel: no stream that a processor foresees.
    static void fetch_next(const T* from, std::int64_t channel, std::int64_t channels, std::int64_t pixels) {
        constexpr std::int64_t line = 64 / sizeof(T);
        for (std::int64_t c = 0; c < channels; ++c) {
            for (std::int64_t i = 0; i < pixels; i += line) __builtin_prefetch(from + c * channel + i);
        }
    }

    // Of a copied window the runs are its rows.
    void list_rows(std::int64_t rows, Segment* to) const {
        *to = {0, 0, rows};
        for (std::int64_t i = 0; i < rows; ++i) to[i + 1] = {i * s_.axis[1].stride * t_.window[2], i * t_.row, t_.row};
    }

    const Segment* runs_of(std::int64_t block, std::int64_t tap, int thread) const {
        if (t_.listed_once) return lists_ + (block * s_.taps() + tap) * (t_.runs + 1);
        return arrays_.template get<Segment>(thread, segments);
    }

    // The pixels of a block that meet x by a tap, in runs: of a border of zeros there are none. The first element tells how many there are.
    void list(std::int64_t tap, std::int64_t first, std::int64_t pixels, Segment* to) const {
        const Axis& width = s_.axis[2];
        const std::array<std::int64_t, 3> k{tap / width.kernel / s_.axis[1].kernel, tap / width.kernel % s_.axis[1].kernel,
                                            tap % width.kernel};
        Segment* segment = to + 1;
        std::int64_t n = 0;
        const std::int64_t step = step_;
        const auto add = [&](std::int64_t offset, std::int64_t place, std::int64_t length) {
            if (n > 0 && segment[n - 1].k + segment[n - 1].length == place &&
                segment[n - 1].offset + segment[n - 1].length * step == offset) {
                segment[n - 1].length += length;
            } else {
                segment[n++] = {offset, place, length};
            }
        };
        auto o = s_.coordinates(first);
        for (std::int64_t done = 0; done < pixels;) {
            const std::int64_t run = std::min(pixels - done, width.output - o[2]);
            const std::int64_t d = border_source(s_.axis[0].at(o[0], k[0]), s_.axis[0].input, p_.border);
            const std::int64_t h = border_source(s_.axis[1].at(o[1], k[1]), s_.axis[1].input, p_.border);
            if (d >= 0 && h >= 0) {
                const std::int64_t row = d * io_.x.spatial[0] + h * io_.x.spatial[1], begin = o[2], end = o[2] + run;
                const auto one = [&](std::int64_t i) {
                    const std::int64_t w = border_source(width.at(i, k[2]), width.input, p_.border);
                    if (w >= 0) add(row + w * io_.x.spatial[2], done + i - begin, 1);
                };
                const Inside in = inside(width.at(0, k[2]), width.stride, width.input, begin, end);
                const bool zeros = p_.border == Border::zeros;
                for (std::int64_t i = begin; i < in.begin && !zeros; ++i) one(i);
                if (in.end > in.begin) add(row + width.at(in.begin, k[2]) * io_.x.spatial[2], done + in.begin - begin, in.end - in.begin);
                for (std::int64_t i = std::max(in.end, begin); i < end && !zeros; ++i) one(i);
            }
            done += run;
            o[2] = 0;
            if (++o[1] == s_.axis[1].output) {
                o[1] = 0;
                ++o[0];
            }
        }
        *to = {0, 0, n};
    }

    // Sums -> result.
    void store(const Share& share, const T* from) const {
        const std::int64_t taps = s_.taps(), of_task = t_.taps.length(share.taps);
        const std::int64_t first = p_.flip ? taps - t_.taps.begin(share.taps) - of_task : t_.taps.begin(share.taps);
        const std::int64_t channel = t_.channels.begin(share.channels), channels = t_.channels.length(share.channels);
        if (turned_) {
            T* out = io_.y + (share.group * s_.in_channels + channel) * s_.out_channels + first_output(share);
            kernels_.finish_sums(
                {from, width(share), channels, {out, s_.out_channels, nullptr, nullptr, 0, outputs(share), Activation::none, T(0), T(0)}});
            return;
        }
        T* out = io_.y + ((share.group * s_.out_channels + first_output(share)) * s_.in_channels + channel) * taps + first;
        const Output<T> to{out, s_.in_channels * taps, nullptr, nullptr, 0, outputs(share), Activation::none, T(0), T(0)};
        if (of_task == taps) {
            kernels_.transpose_sums({from, width(share), channels * taps, to});
        } else {
            for (std::int64_t c = 0; c < channels; ++c) {
                Output<T> of_channel = to;
                of_channel.y += c * taps;
                kernels_.transpose_sums({from + c * of_task * width(share), width(share), of_task, of_channel});
            }
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const WeightGradientTiling& t_;
    const OperandsOf<T>& io_;
    const bool turned_;
    const Kernels<T>& kernels_;
    const Arrays& arrays_;
    T* parts_;
    Segment* lists_;
    std::int64_t flat_grad_ = 0, step_ = 0;  // between pixels: of g, where it is the same everywhere; of x
};

template <class T>
void run(const Execution<WeightGradientTiling>& e, const OperandsOf<T>& io, bool turned, int threads) {
    const Problem& p = e.problem;
    const WeightGradientTiling& t = e.tiling;
    const int used = e.threads(threads);
    const Buffer parts(static_cast<std::size_t>(bytes_of_parts(p, t))), lists(static_cast<std::size_t>(bytes_of_lists(p, t)));
    const Arrays arrays(sizes(p, t), slots_of(t.tasks, used));
    const WeightGradient<T> gradient(e, io, turned, arrays, t.parts.parts > 1 ? parts.as<T>() : nullptr, lists.as<Segment>());
    if (t.listed_once) parallel_for(t.blocks_of_image(), used, [&](std::int64_t block, int) { gradient.list_block(block); });
    parallel_for(t.tasks, used, [&](std::int64_t task, int thread) { gradient.task(task, thread); });
    if (t.parts.parts > 1) parallel_for(t.tasks / t.parts.parts, used, [&](std::int64_t share, int) { gradient.add_parts(share); });
}

}  // namespace

void run_weight_products(const Execution<WeightGradientTiling>& e, const Operands& io, bool turned, int threads) {
    with_real(e.problem.dtype, [&](auto zero) { run(e, typed<decltype(zero)>(io), turned, threads); });
}

std::int64_t weight_products_workspace_bytes(const Execution<WeightGradientTiling>& e, int threads) {
    const Problem& p = e.problem;
    const WeightGradientTiling& t = e.tiling;
    const int slots_used = p.free_batch ? threads : slots_of(t.tasks, e.threads(threads));
    return Arrays::bytes_per_thread(sizes(p, t)) * slots_used + bytes_of_parts(p, t) + bytes_of_lists(p, t);
}

}  // namespace npconv

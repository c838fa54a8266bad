// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/lp_gradient.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "algorithms/long_windows.hpp"
#include "algorithms/window_axes.hpp"
#include "core/buffer.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 16 << 10;    // elements
constexpr Size memory_bytes = 4 << 20;      // of a block and its results
constexpr Size promised_bytes = 6'000'000;  // with the memory of the kernels
constexpr Size most_repeats = 16;           // times that tiles may read what neighbours read, too

// v^e, without a call where the exponent is one of those that p = 1, 2, 3 bring.
double power_of(double v, double e) {
    return e == 0 ? 1 : e == 1 ? v : e == 2 ? v * v : e == -1 ? 1 / v : e == -2 ? 1 / (v * v) : std::pow(v, e);
}

// Is v what a power of another number is, with all its digits?
bool ordinary(double v) { return std::isnormal(v) && std::abs(v) < 0x1p1000 && std::abs(v) > 0x1p-1000; }

// A box of the input and the results whose windows meet it, of some channels of an image, or of all the input. Their copies here are
// channels first.
template <class X>
class Block {
  public:
    Block(const PoolShape& shape, double power, const PoolCall& call) : s_(shape), p_(power), call_(call) {
        s_.batch = 1;
        call_.layout = Layout::channels_first;
        call_.dtype = DType::f64;
        for (std::size_t i = 0; i < 3; ++i) inputs_[i] = {0, s_.axis[i].input};
        goal_ = inputs_;
    }

    // The part of it that gives the gradients of the inputs begin..end of each axis.
    Block part(const std::array<Size, 3>& begin, const std::array<Size, 3>& end) const {
        Block b = *this;
        for (std::size_t i = 0; i < 3; ++i) {
            const Axis& whole = s_.axis[i];
            Axis& a = b.s_.axis[i];
            const WindowAxes windows(s_);
            Size first, last, unused;
            windows.outputs_of(i, begin[i], first, unused);
            windows.outputs_of(i, end[i] - 1, unused, last);
            b.unseen_ |= last <= first;
            // Not after the first input, which some window may leave out.
            first = std::clamp<Size>(std::min(first, (begin[i] + whole.pad_before) / whole.stride), 0, whole.output - 1);
            last = std::max(last, first + 1);
            const Size start = whole.at(first, 0), stop = whole.at(last - 1, whole.kernel - 1) + 1;
            const Size low = std::clamp<Size>(std::min(start, begin[i]), 0, begin[i]);
            const Size high = std::clamp<Size>(std::max(stop, end[i]), end[i], whole.input);
            a.input = high - low;
            a.output = last - first;
            a.pad_before = low - start;
            b.inputs_[i] = {low, high};
            b.outputs_[i] = first;
            b.goal_[i] = {begin[i], end[i]};
        }
        return b;
    }

    // Numbers that one channel takes: its inputs and results.
    Size numbers() const { return s_.inputs() + s_.outputs(); }
    Size goal() const { return length(0) * length(1) * length(2); }
    bool fits() const {
        const auto bytes = bytes_of_norms_and_gradients(s_, *call_.on);
        return bytes && *bytes + std::max<Size>(numbers() * 8, std::min<Size>(memory_bytes, s_.channels * numbers() * 8)) <= promised_bytes;
    }

    // y: the whole input, elements `pixel` apart, channels `channel`.
    void run(Size channels, double* memory, const TensorView<const X>& x, const TensorView<const X>& g, X* y, Size pixel, Size channel) {
        s_.channels = channels;
        if (unseen_) {
            each_goal(x, y, pixel, channel, [](Size, Size, const std::array<Size, 3>&, double, X& to) { to = 0; });
            return;
        }
        double *v = memory, *t = memory + channels * s_.inputs();
        norms(x, v, t, 1);
        std::atomic<bool> odd_norms{false}, odd_values{false};  // whose powers overflow or vanish
        const auto terms = [&] {
            rows(&Axis::output, [&](Size to, Size c, Size d, Size h, Size width) {
                const X* from = at_output(g, c, d, h);
                bool all = true;
                for (Size w = 0; w < width; ++w) {
                    double& norm = t[to + w];
                    const double factor = norm == 0 ? 0 : power_of(norm, 1 - p_);
                    all &= norm == 0 || ordinary(factor) || !std::isfinite(norm);
                    norm = norm == 0 ? 0 : static_cast<double>(from[w * g.spatial[2]]) * factor;
                }
                if (!all) odd_norms = true;
            });
            avg_pool_gradient(s_, {true, 1}, call_, {dense_view(t, &Axis::output), v});
        };
        const auto slope_of = [&](double value) { return value == 0 ? 0 : std::copysign(power_of(std::abs(value), p_ - 1), value); };
        const auto is_odd = [&](double value, double scale) {
            return value != 0 && std::isfinite(value) && !ordinary(slope_of(value * scale));
        };
        const auto put = [&](double scale) {
            each_goal(x, y, pixel, channel, [&](Size number, Size, const std::array<Size, 3>&, double value, X& to) {
                const double slope = slope_of(value * scale);
                if (!ordinary(slope) && is_odd(value, scale)) odd_values = true;
                to = static_cast<X>(v[number] * slope);
            });
        };
        terms();
        put(1);
        if (!odd_norms && !odd_values) return;
        // Elements are brought to about 1, as the gradient does not depend on their size. Where their sizes differ so much that powers
        // still overflow or vanish, quotients are raised to powers, window by window.
        double scale = 1;
        if (odd_norms) {
            scale = scale_of(x);
            odd_norms = odd_values = false;
            norms(x, v, t, scale);
            terms();
            put(scale);
        }
        if ((!odd_norms && !odd_values) || (odd_norms && taps() > most_taps)) return;
        norms(x, v, t, 1);
        each_goal(x, y, pixel, channel, [&](Size, Size c, const std::array<Size, 3>& at, double value, X& to) {
            if (value == 0 ? odd_norms && p_ > 1 : odd_norms || is_odd(value, scale))
                to = static_cast<X>(std::copysign(1.0, value) * quotients(std::abs(value), c, at, g, t));
        });
    }

    // A power of two that brings the largest finite element to about 1.
    double scale_of(const TensorView<const X>& x) const {
        double most = 0;
        for (Size c = 0; c < s_.channels; ++c) {
            for (Size d = 0; d < s_.axis[0].input; ++d) {
                for (Size h = 0; h < s_.axis[1].input; ++h) {
                    const X* row = at_input(x, c, d + inputs_[0].begin, h + inputs_[1].begin);
                    for (Size w = 0; w < s_.axis[2].input; ++w) {
                        const double v = std::abs(static_cast<double>(row[w * x.spatial[2]]));
                        if (std::isfinite(v)) most = std::max(most, v);
                    }
                }
            }
        }
        return most > 0 ? std::ldexp(1.0, -std::clamp(std::ilogb(most), -1000, 1000)) : 1;
    }

  private:
    struct Range {
        Size begin = 0, end = 1;
    };
    static constexpr Size most_taps = 1024;

    Size length(std::size_t i) const { return goal_[i].end - goal_[i].begin; }
    Size taps() const { return s_.axis[0].kernel * s_.axis[1].kernel * s_.axis[2].kernel; }
    const X* at_input(const TensorView<const X>& a, Size c, Size d, Size h) const {
        return a.data + c * a.channel + d * a.spatial[0] + h * a.spatial[1] + inputs_[2].begin * a.spatial[2];
    }
    const X* at_output(const TensorView<const X>& a, Size c, Size d, Size h) const {
        return a.data + c * a.channel + (d + outputs_[0]) * a.spatial[0] + (h + outputs_[1]) * a.spatial[1] + outputs_[2] * a.spatial[2];
    }

    // t = the norms of x * scale, which v copies.
    void norms(const TensorView<const X>& x, double* v, double* t, double scale) const {
        rows(&Axis::input, [&](Size to, Size c, Size d, Size h, Size width) {
            const X* from = at_input(x, c, d + inputs_[0].begin, h + inputs_[1].begin);
            for (Size w = 0; w < width; ++w) v[to + w] = static_cast<double>(from[w * x.spatial[2]]) * scale;
        });
        pool(s_, {.kind = PoolKind::norm, .power = p_}, call_, {dense_view(v, &Axis::input), t});
    }

    // The sum of g * (v / norm)^(p-1) over the windows that hold an input.
    double quotients(double v, Size c, const std::array<Size, 3>& input, const TensorView<const X>& g, const double* norms) const {
        const Axis* a = s_.axis.data();
        Size i[3];
        for (std::size_t k = 0; k < 3; ++k) i[k] = input[k] - inputs_[k].begin;
        const auto output = [&](std::size_t k, Size tap) {
            const Size start = i[k] + a[k].pad_before - (a[k].kernel - 1 - tap) * a[k].dilation;
            return start >= 0 && start % a[k].stride == 0 && start / a[k].stride < a[k].output ? start / a[k].stride : -1;
        };
        double sum = 0;
        for (Size kd = 0; kd < a[0].kernel; ++kd) {
            const Size d = output(0, kd);
            for (Size kh = 0; d >= 0 && kh < a[1].kernel; ++kh) {
                const Size h = output(1, kh);
                for (Size kw = 0; h >= 0 && kw < a[2].kernel; ++kw) {
                    const Size w = output(2, kw);
                    if (w < 0) continue;
                    const double norm = norms[((c * a[0].output + d) * a[1].output + h) * a[2].output + w];
                    if (norm == 0) continue;
                    sum += static_cast<double>(at_output(g, c, d, h)[w * g.spatial[2]]) * power_of(v / norm, p_ - 1);
                }
            }
        }
        return sum;
    }

    // body(offset in a copy, channel, depth, height, width) for each row.
    template <class Body>
    void rows(Size Axis::*size, const Body& body) const {
        const Size depth = s_.axis[0].*size, height = s_.axis[1].*size, width = s_.axis[2].*size;
        const int threads = s_.channels * depth * height * width < worth_threads ? 1 : call_.threads;
        parallel_for(s_.channels * depth * height, threads,
                     [&](Size row, int) { body(row * width, row / height / depth, row / height % depth, row % height, width); });
    }
    // body(offset in a copy of inputs, channel, place on the axes of the whole, its value, its gradient) for the inputs that are asked for.
    template <class Body>
    void each_goal(const TensorView<const X>& x, X* y, Size pixel, Size channel, const Body& body) const {
        const Size height = s_.axis[1].input, width = s_.axis[2].input, depth = s_.axis[0].input;
        const int threads = s_.channels * goal() < worth_threads ? 1 : call_.threads;
        parallel_for(s_.channels * length(0) * length(1), threads, [&](Size row, int) {
            const Size c = row / length(1) / length(0), d = row / length(1) % length(0) + goal_[0].begin;
            const Size h = row % length(1) + goal_[1].begin, before = goal_[2].begin - inputs_[2].begin;
            const Size from = ((c * depth + d - inputs_[0].begin) * height + h - inputs_[1].begin) * width + before;
            const X* value = at_input(x, c, d, h) + before * x.spatial[2];
            X* to = y + c * channel + ((d * whole_[1] + h) * whole_[2] + goal_[2].begin) * pixel;
            for (Size i = 0; i < length(2); ++i)
                body(from + i, c, {d, h, goal_[2].begin + i}, static_cast<double>(value[i * x.spatial[2]]), to[i * pixel]);
        });
    }
    AnyView dense_view(const double* data, Size Axis::*size) const {
        const Size w = s_.axis[2].*size, h = s_.axis[1].*size;
        return {data, 0, s_.axis[0].*size * h * w, {h * w, w, 1}};
    }

    PoolShape s_;
    double p_;
    PoolCall call_;
    std::array<Range, 3> inputs_, goal_;  // of the copies; those whose gradients are asked for
    std::array<Size, 3> outputs_{};       // the first
    bool unseen_ = false;                 // no window meets the part: its gradients are zero, its copies are not bounded
    std::array<Size, 3> whole_{s_.axis[0].input, s_.axis[1].input, s_.axis[2].input};
};

// Tiles of a plane that is too large for the memory of a block; none where windows are too large for that.
template <class X>
bool cut(const Block<X>& block, const PoolShape& s, std::array<EvenSplit, 3>& tiles) {
    std::array<Size, 3> length{s.axis[0].input, s.axis[1].input, s.axis[2].input};
    // The most that a tile sees: windows that begin before it and end behind it, and the window before where there are gaps.
    const auto numbers_of = [&](const std::array<Size, 3>& n) {
        Size inputs = 1, outputs = 1;
        for (std::size_t i = 0; i < 3; ++i) {
            const Axis& a = s.axis[i];
            const Size span = (a.kernel - 1) * a.dilation + 1, before = std::max(span, a.stride);
            inputs *= std::min(a.input, n[i] + before + span);
            outputs *= std::min(a.output, (n[i] + before) / a.stride + 2);
        }
        return inputs + outputs;
    };
    while (numbers_of(length) > memory_bytes / 8) {
        std::size_t best = 3;
        Size least = numbers_of(length);
        for (std::size_t i = 0; i < 3; ++i) {
            std::array<Size, 3> next = length;
            next[i] = ceil_div(next[i], 2);
            const Size numbers = numbers_of(next);
            if (length[i] > 1 && numbers < least) {
                best = i;
                least = numbers;
            }
        }
        if (best == 3) return false;
        length[best] = ceil_div(length[best], 2);
    }
    std::array<Size, 3> begin, end;  // of a tile in the middle
    for (std::size_t i = 0; i < 3; ++i) {
        begin[i] = (s.axis[i].input - length[i]) / 2;
        end[i] = begin[i] + length[i];
    }
    const Block<X> tile = block.part(begin, end);
    for (std::size_t i = 0; i < 3; ++i) tiles[i] = split_by(s.axis[i].input, length[i]);
    return numbers_of(length) <= most_repeats * 2 * tile.goal() && tile.fits();
}

template <class X>
class Gradient {
  public:
    Gradient(const PoolShape& shape, double p, const PoolCall& call, const AnyView& x, const AnyView& g, void* y, Size y_batch)
        : s_(shape), p_(p), call_(call), x_(typed<X>(x)), g_(typed<X>(g)), y_(static_cast<X*>(y)), y_batch_(y_batch), block_(s_, p, call) {}

    void run() {
        const Size plane = block_.numbers() * 8;
        if (plane <= memory_bytes && block_.fits()) {
            const EvenSplit blocks = split_by(s_.channels, std::clamp<Size>(memory_bytes / plane, 1, s_.channels));
            const Buffer memory(static_cast<std::size_t>(blocks.longest() * plane));
            for (Size image = 0; image < s_.batch; ++image) {
                for (Size i = 0; i < blocks.parts; ++i) run_block(block_, image, blocks.begin(i), blocks.length(i), memory);
            }
            return;
        }
        std::array<EvenSplit, 3> tiles;
        if (!cut(block_, s_, tiles)) {
            const LongTiling tiling = tile_long_pool(s_, call_.layout, LongKind::norm_gradient, 8);
            if (tiling.fits()) {
                return run_sliding_norm_gradient(tiling, p_, scale(), call_, untyped(x_), untyped(g_), y_, y_batch_);
            }
            for (std::size_t i = 0; i < 3; ++i) tiles[i] = EvenSplit(s_.axis[i].input, 1);
        }
        const bool whole = tiles[0].parts * tiles[1].parts * tiles[2].parts == 1;
        const Buffer memory(static_cast<std::size_t>(whole ? plane : memory_bytes));
        for (Size image = 0; image < s_.batch; ++image) {
            for (Size c = 0; c < s_.channels; ++c) each_tile(tiles, [&](const Block<X>& tile) { run_block(tile, image, c, 1, memory); });
        }
    }

  private:
    static TensorView<const X> from(TensorView<const X> view, Size image, Size c) {
        view.data += image * view.batch + c * view.channel;
        return view;
    }

    void run_block(Block<X> block, Size image, Size c, Size channels, const Buffer& memory) const {
        const bool last = call_.layout == Layout::channels_last;
        const Size pixel = last ? s_.channels : 1, channel = last ? 1 : s_.inputs();
        block.run(channels, memory.template as<double>(), from(x_, image, c), from(g_, image, c), y_ + image * y_batch_ + c * channel,
                  pixel, channel);
    }

    template <class Body>
    void each_tile(const std::array<EvenSplit, 3>& tiles, const Body& body) const {
        const Size height = tiles[1].parts, width = tiles[2].parts;
        for (Size tile = 0; tile < tiles[0].parts * height * width; ++tile) {
            const Size number[3] = {tile / width / height, tile / width % height, tile % width};
            std::array<Size, 3> begin, end;
            for (std::size_t i = 0; i < 3; ++i) {
                begin[i] = tiles[i].begin(number[i]);
                end[i] = tiles[i].begin(number[i] + 1);
            }
            body(block_.part(begin, end));
        }
    }

    // The smallest of all images, so that no element overflows.
    double scale() const {
        double scale = 1;
        for (Size image = 0; p_ != 1 && image < s_.batch; ++image) {
            const double one = block_.scale_of(from(x_, image, 0));
            if (image == 0 || one < scale) scale = one;
        }
        return scale;
    }

    PoolShape s_;
    double p_;
    PoolCall call_;
    TensorView<const X> x_, g_;
    X* y_;
    Size y_batch_;
    Block<X> block_;
};

}  // namespace

void lp_pool_gradient(const PoolShape& s, double p, const PoolCall& call, const AnyView& x, const AnyView& g, void* y, Size y_batch) {
    if (s.planes() == 0) return;
    with_real(call.dtype, [&]<class X>(X) { Gradient<X>(s, p, call, x, g, y, y_batch).run(); });
}

}  // namespace npconv

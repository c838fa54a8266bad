// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/lp_gradient.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "algorithms/long_windows.hpp"
#include "core/buffer.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "core/window_axes.hpp"
#include "plan/lp_gradient_tiling.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 16 << 10;  // elements

// v^e, without a call where the exponent is one of those that p = 1, 2, 3 bring.
double power_of(double v, double e) {
    return e == 0 ? 1 : e == 1 ? v : e == 2 ? v * v : e == -1 ? 1 / v : e == -2 ? 1 / (v * v) : std::pow(v, e);
}

// Is v what a power of another number is, with all its digits?
bool ordinary(double v) { return std::isnormal(v) && std::abs(v) < 0x1p1000 && std::abs(v) > 0x1p-1000; }

// A block of some channels, whose copies here are channels first.
template <class X>
class Block {
  public:
    Block(const LpBlock& block, const PoolShape& whole, Size channels, double power, const PoolCall& call)
        : block_(block), s_(block.shape), whole_{whole.axis[0].input, whole.axis[1].input, whole.axis[2].input}, p_(power), call_(call) {
        s_.channels = channels;
        call_.layout = Layout::channels_first;
        call_.dtype = DType::f64;
    }

    // y: the whole input, elements `pixel` apart, channels `channel`.
    void run(double* memory, const TensorView<const X>& x, const TensorView<const X>& g, X* y, Size pixel, Size channel) const {
        if (block_.unseen) {
            each_goal(x, y, pixel, channel, [](Size, Size, const std::array<Size, 3>&, double, X& to) { to = 0; });
            return;
        }
        double *v = memory, *t = memory + s_.channels * s_.inputs();
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
                    const X* row = at_input(x, c, d + block_.inputs[0].begin, h + block_.inputs[1].begin);
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
    static constexpr Size most_taps = 1024;

    Size length(std::size_t i) const { return block_.goal[i].length(); }
    Size taps() const { return s_.axis[0].kernel * s_.axis[1].kernel * s_.axis[2].kernel; }
    const X* at_input(const TensorView<const X>& a, Size c, Size d, Size h) const {
        return a.data + c * a.channel + d * a.spatial[0] + h * a.spatial[1] + block_.inputs[2].begin * a.spatial[2];
    }
    const X* at_output(const TensorView<const X>& a, Size c, Size d, Size h) const {
        return a.data + c * a.channel + (d + block_.outputs[0]) * a.spatial[0] + (h + block_.outputs[1]) * a.spatial[1] +
               block_.outputs[2] * a.spatial[2];
    }

    // t = the norms of x * scale, which v copies.
    void norms(const TensorView<const X>& x, double* v, double* t, double scale) const {
        rows(&Axis::input, [&](Size to, Size c, Size d, Size h, Size width) {
            const X* from = at_input(x, c, d + block_.inputs[0].begin, h + block_.inputs[1].begin);
            for (Size w = 0; w < width; ++w) v[to + w] = static_cast<double>(from[w * x.spatial[2]]) * scale;
        });
        pool(s_, {.kind = PoolKind::norm, .power = p_}, call_, {dense_view(v, &Axis::input), t});
    }

    // The sum of g * (v / norm)^(p-1) over the windows that hold an input.
    double quotients(double v, Size c, const std::array<Size, 3>& input, const TensorView<const X>& g, const double* norms) const {
        const Axis* a = s_.axis.data();
        const auto output = [&](std::size_t k, Size tap) {
            return output_at(a[k], input[k] - block_.inputs[k].begin, a[k].kernel - 1 - tap);
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
        const int threads = s_.channels * length(0) * length(1) * length(2) < worth_threads ? 1 : call_.threads;
        parallel_for(s_.channels * length(0) * length(1), threads, [&](Size row, int) {
            const Size c = row / length(1) / length(0), d = row / length(1) % length(0) + block_.goal[0].begin;
            const Size h = row % length(1) + block_.goal[1].begin, before = block_.goal[2].begin - block_.inputs[2].begin;
            const Size from = ((c * depth + d - block_.inputs[0].begin) * height + h - block_.inputs[1].begin) * width + before;
            const X* value = at_input(x, c, d, h) + before * x.spatial[2];
            X* to = y + c * channel + ((d * whole_[1] + h) * whole_[2] + block_.goal[2].begin) * pixel;
            for (Size i = 0; i < length(2); ++i)
                body(from + i, c, {d, h, block_.goal[2].begin + i}, static_cast<double>(value[i * x.spatial[2]]), to[i * pixel]);
        });
    }
    AnyView dense_view(const double* data, Size Axis::*size) const {
        const Size w = s_.axis[2].*size, h = s_.axis[1].*size;
        return {data, 0, s_.axis[0].*size * h * w, {h * w, w, 1}};
    }

    LpBlock block_;
    PoolShape s_;
    std::array<Size, 3> whole_;
    double p_;
    PoolCall call_;
};

template <class X>
struct Gradient {
    const LpGradientExecution& e;
    const PoolShape& shape;
    const double p;
    const PoolCall& call;
    const TensorView<const X> x, g;
    X* const y;
    const Size y_batch;

    void run() const {
        const Buffer memory(static_cast<std::size_t>(e.bytes));
        for (Size image = 0; image < shape.batch; ++image) {
            for (Size i = 0; i < e.channels.parts; ++i)
                each_block([&](const LpBlock& block) { run_block(block, image, i, memory.template as<double>()); });
        }
    }

    // The smallest of all images, so that no element overflows.
    double scale() const {
        const Block<X> all(e.whole, shape, shape.channels, p, call);
        double scale = 1;
        for (Size image = 0; p != 1 && image < shape.batch; ++image) {
            const double one = all.scale_of(from(x, image, 0));
            if (image == 0 || one < scale) scale = one;
        }
        return scale;
    }

    static TensorView<const X> from(TensorView<const X> view, Size image, Size c) {
        view.data += image * view.batch + c * view.channel;
        return view;
    }

    void run_block(const LpBlock& block, Size image, Size channels, double* memory) const {
        const bool last = call.layout == Layout::channels_last;
        const Size pixel = last ? shape.channels : 1, channel = last ? 1 : shape.inputs(), c = e.channels.begin(channels);
        Block<X>(block, shape, e.channels.length(channels), p, call)
            .run(memory, from(x, image, c), from(g, image, c), y + image * y_batch + c * channel, pixel, channel);
    }

    template <class Body>
    void each_block(const Body& body) const {
        if (!e.tiles) return body(e.whole);
        const std::array<EvenSplit, 3>& tiles = *e.tiles;
        const Size height = tiles[1].parts, width = tiles[2].parts;
        for (Size tile = 0; tile < tiles[0].parts * height * width; ++tile) {
            const Size number[3] = {tile / width / height, tile / width % height, tile % width};
            std::array<Part, 3> goal;
            for (std::size_t i = 0; i < 3; ++i) goal[i] = {tiles[i].begin(number[i]), tiles[i].begin(number[i] + 1)};
            body(e.whole.part(goal));
        }
    }
};

}  // namespace

void lp_pool_gradient(const PoolShape& s, double p, const PoolCall& call, const AnyView& x, const AnyView& g, void* y, Size y_batch) {
    if (s.planes() == 0) return;
    const LpGradientExecution e = plan_lp_gradient(s, call.layout, *call.on);
    with_real(call.dtype, [&]<class X>(X) {
        const Gradient<X> gradient{e, s, p, call, typed<X>(x), typed<X>(g), static_cast<X*>(y), y_batch};
        if (e.sliding)
            run_sliding_norm_gradient(*e.sliding, p, gradient.scale(), call, x, g, y, y_batch);
        else
            gradient.run();
    });
}

}  // namespace npconv

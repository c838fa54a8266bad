// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/each_window.hpp"

#include <algorithm>
#include <cmath>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/norms.hpp"
#include "algorithms/pairwise_sum.hpp"
#include "algorithms/reversed.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "kernels/registry.hpp"
#include "plan/pool_divisors.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size enough_tasks = 64;

template <class X>
struct Windows {
    static constexpr Size run = 1024;    // values that a kernel pools at once; of a copy, too
    static constexpr Size at_once = 64;  // channels

    const WindowAxes& axes;
    const PoolShape& shape;
    const PoolCall& call;
    const PoolData<X> io;
    const PoolKernels<X>& kernels = pool_kernels_of<X>(*call.on->kernels);
    const bool last = call.channels_last(shape);
    const std::array<Size, 3>& step = io.x.spatial;

    // body(image, channel (0: all, channels last), number of the output, its window) for every output, in parallel.
    template <class Body>
    void each(const Body& body) const {
        const Size planes = last ? shape.batch : shape.planes(), outputs = shape.outputs();
        const Size parts = std::clamp<Size>(enough_tasks / std::max<Size>(planes, 1), 1, outputs);
        const EvenSplit split(outputs, parts);
        const Size work = std::max(shape.inputs(), outputs) * shape.planes();
        count_kernel_run(*call.on->kernels);
        parallel_for(planes * parts, work < (32 << 10) ? 1 : call.threads, [&](Size task, int) {
            const Size plane = task / parts, image = last ? plane : plane / shape.channels, channel = last ? 0 : plane % shape.channels;
            for (Size o = split.begin(task % parts); o < split.begin(task % parts + 1); ++o) body(image, channel, o, axes.box(o));
        });
    }

    const X* plane(Size image, Size channel) const { return io.x.data + image * io.x.batch + channel * io.x.channel; }
    // In y, or in the dense array of places.
    Size result(Size image, Size channel, Size o, Size batch) const {
        return image * batch + (last ? o * shape.channels + channel : channel * shape.outputs() + o);
    }

    // n elements of a row of a window: where the first stands, and its place in the plane.
    struct RowPart {
        Size offset, place, n;
    };
    // body(RowPart) of the rows of a window, in parts of at most `most` elements.
    template <class Body>
    void each_part(const Box& b, Size most, const Body& body) const {
        b.each_row([&](Size i, Size j) {
            for (Size k = 0; k < b.w.count; k += most) {
                const Size w = b.w.first + k * b.w.step;
                body(RowPart{i * step[0] + j * step[1] + w * step[2], (i * shape.axis[1].input + j) * shape.axis[2].input + w,
                             std::min(most, b.w.count - k)});
            }
        });
    }

    // n elements that stand `apart`, as they are pooled: of minima in reverse order. Where they are, if they can be read there.
    static const X* ordered(bool minima, const X* from, Size apart, Size n, X* copy) {
        return !minima && (apart == 1 || n == 1) ? from : copied(minima, from, apart, n, copy);
    }
    static const X* copied(bool minima, const X* from, Size apart, Size n, X* copy) {
        if (!minima)
            for (Size i = 0; i < n; ++i) copy[i] = from[i * apart];
        else if (apart == 1)
            for (Size i = 0; i < n; ++i) copy[i] = reversed(from[i]);
        else
            for (Size i = 0; i < n; ++i) copy[i] = reversed(from[i * apart]);
        return copy;
    }
    // The same of n pixels of some channels that stand `apart`, which becomes their distance here.
    const X* ordered_pixels(bool minima, const X* from, Size& apart, Size n, Size channels, X* copy) const {
        if (!minima && io.x.channel == 1) return from;
        for (Size p = 0; p < n; ++p) copied(minima, from + p * apart, io.x.channel, channels, copy + p * channels);
        apart = channels;
        return copy;
    }

    void extremes(bool minima) const {
        each([&](Size image, Size channel, Size o, const Box& b) {
            if (last)
                extremes_of_pixel(minima, image, o, b);
            else
                extreme(minima, image, channel, o, b);
        });
    }

    // The part of a row that has the maximum, by whole parts; then the first place in it that has it, of NaNs the last.
    void extreme(bool minima, Size image, Size channel, Size o, const Box& b) const {
        const X* x = plane(image, channel);
        const Size apart = b.w.step * step[2];
        X best = lowest<X>(), copy[run];
        RowPart found{0, -1, 0};
        each_part(b, run, [&](const RowPart& part) {
            const X v = kernels.maximum_of_run(ordered(minima, x + part.offset, apart, part.n, copy), part.n);
            if (found.n > 0 && !newer(best, v)) return;
            best = v;
            found = part;
        });
        if (found.n > 0 && (io.places || best == X(0) || best != best)) {
            const X* row = ordered(minima, x + found.offset, apart, found.n, copy);
            const Size k = place_of(row, found.n, best);
            best = row[k];
            found.place += k * b.w.step;
        }
        io.y[result(image, channel, o, io.y_batch)] = minima ? reversed(best) : best;
        if (io.places) io.places[result(image, channel, o, shape.channels * shape.outputs())] = found.place;
    }

    void extremes_of_pixel(bool minima, Size image, Size o, const Box& b) const {
        X copy[run];
        for (Size c = 0; c < shape.channels; c += run) {
            const Size n = std::min(run, shape.channels - c);
            const X* x = plane(image, c);
            X* y = io.y + result(image, c, o, io.y_batch);
            Size* places = io.places ? io.places + result(image, c, o, shape.channels * shape.outputs()) : nullptr;
            bool first = true;
            std::fill_n(y, n, lowest<X>());
            if (places) std::fill_n(places, n, Size{-1});
            each_part(b, places ? 1 : std::max<Size>(run / n, 1), [&](const RowPart& part) {
                Size apart = b.w.step * step[2];
                const X* from = ordered_pixels(minima, x + part.offset, apart, part.n, n, copy);
                if (!places) {
                    if (first) std::copy_n(from, n, y);
                    kernels.join_pixels(from, apart, part.n, n, y);
                }
                for (Size l = 0; places && l < n; ++l) {
                    if (!first && !newer(y[l], from[l])) continue;
                    y[l] = from[l];
                    places[l] = part.place;
                }
                first = false;
            });
            for (Size l = 0; minima && l < n; ++l) y[l] = reversed(y[l]);
        }
    }

    // finish(sum, number of the output, its window) of the sums of value(element); as_they_are: of the elements.
    template <class Value, class Finish>
    void sums(const Value& value, bool as_they_are, const Finish& finish) const {
        const Size channels = last ? shape.channels : 1;
        each([&](Size image, Size channel, Size o, const Box& b) {
            for (Size c = 0; c < channels; c += at_once) {
                const Size n = std::min(at_once, channels - c);
                const X* x = plane(image, channel + c);
                X* y = io.y + result(image, channel + c, o, io.y_batch);
                double total[at_once];
                sum(x, n, b, value, as_they_are, total);
                if (as_they_are && !std::all_of(total, total + n, [](double v) { return std::isfinite(v); }))
                    sum(x, n, b, value, false, total);  // what is infinite may be the float32 sums of a few
                for (Size l = 0; l < n; ++l) y[l] = static_cast<X>(finish(total[l], o, b));
            }
        });
    }

    template <class Value>
    void sum(const X* x, Size channels, const Box& b, const Value& value, bool as_they_are, double* total) const {
        PairwiseSums<at_once> sums(channels);
        const Size stride = b.w.step * step[2];
        double some[at_once];
        each_part(b, last ? run / at_once : run, [&](const RowPart& part) {
            const X* pixels = x + part.offset;
            if (as_they_are) {
                sum_pixels(pixels, stride, part.n, channels, some);
                return sums.add(some);
            }
            for (Size p = 0; p < part.n; ++p) {
                for (Size c = 0; c < channels; ++c) some[c] = value(pixels[p * stride + c * io.x.channel]);
                sums.add(some);
            }
        });
        sums.total(total);
    }

    void sum_pixels(const X* pixels, Size stride, Size n, Size channels, double* some) const {
        X copy[run];
        if (!last) {
            some[0] = kernels.sum_of_run(ordered(false, pixels, stride, n, copy), n);
            return;
        }
        const X* from = ordered_pixels(false, pixels, stride, n, channels, copy);
        kernels.sums_of_pixels(from, stride, n, channels, some);
    }
};

}  // namespace

void pool_each_window(const WindowAxes& axes, const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands& io) {
    if (rule.kind == PoolKind::maximum || rule.kind == PoolKind::minimum) {
        const bool minima = rule.kind == PoolKind::minimum;
        return with_type(call.dtype, [&]<class X>(X) { Windows<X>{axes, shape, call, PoolData<X>(io)}.extremes(minima); });
    }
    with_real(call.dtype, [&]<class X>(X) {
        const Windows<X> windows{axes, shape, call, PoolData<X>(io)};
        if (rule.kind == PoolKind::norm) {
            const double p = rule.power;
            return windows.sums([p](X v) { return raised(std::abs(static_cast<double>(v)), p); }, false,
                                [p](double sum, Size, const Box&) { return root(sum, p); });
        }
        const WindowDivisors divisors(shape, rule.average);
        windows.sums([](X v) { return static_cast<double>(v); }, true,
                     [&](double sum, Size o, const Box& b) {
                         return sum / (rule.average.of_window ? static_cast<double>(b.cells()) : divisors.of(axes.place(o)));
                     });
    });
}

}  // namespace npconv

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
        parallel_for(planes * parts, threads_for(work, call.threads), [&](Size task, int) {
            const Size plane = task / parts, image = last ? plane : plane / shape.channels, channel = last ? 0 : plane % shape.channels;
            for (Size o = split.begin(task % parts); o < split.begin(task % parts + 1); ++o) body(image, channel, o, axes.box(o));
        });
    }

    const X* plane(Size image, Size channel) const { return io.x.data + image * io.x.batch + channel * io.x.channel; }
    // body(offset of the first element of a row of the window).
    template <class Body>
    void each_row(const WindowBox& b, const Body& body) const {
        b.each_row([&](Size i, Size j) { body(i * step[0] + j * step[1] + b.w.first * step[2]); });
    }
    // In y, or in the dense array of places.
    Size result(Size image, Size channel, Size o, Size batch) const {
        return image * batch + (last ? o * shape.channels + channel : channel * shape.outputs() + o);
    }

    // n elements of a row of a window, from (d, h, w) on.
    struct RowPart {
        Size d, h, w, n;
    };
    Size offset(const RowPart& p) const { return p.d * step[0] + p.h * step[1] + p.w * step[2]; }
    Size place(const RowPart& p) const { return (p.d * shape.axis[1].input + p.h) * shape.axis[2].input + p.w; }
    // body(RowPart) of the rows of a window, in parts of at most `most` elements.
    template <class Body>
    void each_part(const WindowBox& b, Size most, const Body& body) const {
        b.each_row([&](Size i, Size j) {
            for (Size k = 0; k < b.w.count; k += most) body(RowPart{i, j, b.w.first + k * b.w.step, std::min(most, b.w.count - k)});
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
        each([&](Size image, Size channel, Size o, const WindowBox& b) {
            if (last)
                extremes_of_pixel(minima, image, o, b);
            else
                extreme(minima, image, channel, o, b);
        });
    }

    // The part of a row that has the maximum, by whole parts; then the first place in it that has it, of NaNs the last.
    void extreme(bool minima, Size image, Size channel, Size o, const WindowBox& b) const {
        const X* x = plane(image, channel);
        const Size apart = b.w.step * step[2];
        X best = lowest<X>(), copy[run];
        RowPart found{};
        Size at = -1;
        each_part(b, run, [&](const RowPart& part) {
            const X v = kernels.maximum_of_run(ordered(minima, x + offset(part), apart, part.n, copy), part.n);
            if (found.n > 0 && !newer(best, v)) return;
            best = v;
            found = part;
        });
        if (found.n > 0 && (io.places || best == X(0) || best != best)) {
            const X* row = ordered(minima, x + offset(found), apart, found.n, copy);
            const Size k = place_of(row, found.n, best);
            best = row[k];
            at = place(found) + k * b.w.step;
        }
        io.y[result(image, channel, o, io.y_batch)] = minima ? reversed(best) : best;
        if (io.places) io.places[result(image, channel, o, shape.channels * shape.outputs())] = at;
    }

    void extremes_of_pixel(bool minima, Size image, Size o, const WindowBox& b) const {
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
                const X* from = ordered_pixels(minima, x + offset(part), apart, part.n, n, copy);
                if (!places) {
                    if (first) std::copy_n(from, n, y);
                    kernels.join_pixels(from, apart, part.n, n, y);
                }
                for (Size l = 0; places && l < n; ++l) {
                    if (!first && !newer(y[l], from[l])) continue;
                    y[l] = from[l];
                    places[l] = place(part);
                }
                first = false;
            });
            for (Size l = 0; minima && l < n; ++l) y[l] = reversed(y[l]);
        }
    }

    // finish(sum, number of the output, its window) of the sums of value(element); as_they_are: of the elements.
    template <class Value, class Finish>
    void sums(const Value& value, bool as_they_are, const Finish& finish) const {
        each([&](Size image, Size channel, Size o, const WindowBox& b) {
            const X* x = plane(image, channel);
            if (!last) {
                PairwiseSum sum;
                each_row(b, [&](Size row) { sum_row(x + row, b.w, value, as_they_are, sum); });
                double total = sum.total();
                if (as_they_are && !std::isfinite(total)) {  // perhaps by the float32 sums of a few
                    PairwiseSum exact;
                    each_row(b, [&](Size row) { sum_row(x + row, b.w, value, false, exact); });
                    total = exact.total();
                }
                io.y[result(image, channel, o, io.y_batch)] = static_cast<X>(finish(total, o, b));
                return;
            }
            X* y = io.y + result(image, 0, o, io.y_batch);
            for (Size c = 0; c < shape.channels; c += at_once) {
                const Size n = std::min(at_once, shape.channels - c);
                PairwiseSums<at_once> sum(n);
                each_row(b, [&](Size row) { sum_pixels(x + row + c * io.x.channel, n, b.w, value, as_they_are, sum); });
                double total[at_once];
                sum.total(total);
                if (as_they_are && !std::all_of(total, total + n, [](double v) { return std::isfinite(v); })) {
                    PairwiseSums<at_once> exact(n);
                    each_row(b, [&](Size row) { sum_pixels(x + row + c * io.x.channel, n, b.w, value, false, exact); });
                    exact.total(total);
                }
                for (Size l = 0; l < n; ++l) y[c + l] = static_cast<X>(finish(total[l], o, b));
            }
        });
    }

    template <class Value>
    void sum_row(const X* row, const Window& w, const Value& value, bool as_they_are, PairwiseSum& sum) const {
        const Size stride = w.step * step[2];
        for (Size k = 0; k < w.count; k += run) {
            const Size n = std::min(run, w.count - k);
            if (!as_they_are) {
                for (Size l = 0; l < n; ++l) sum.add(value(row[(k + l) * stride]));
            } else if (stride == 1 || n == 1) {
                sum.add(kernels.sum_of_run(row + k * stride, n));
            } else {
                X copy[run];
                for (Size l = 0; l < n; ++l) copy[l] = row[(k + l) * stride];
                sum.add(kernels.sum_of_run(copy, n));
            }
        }
    }

    template <class Value>
    void sum_pixels(const X* row, Size channels, const Window& w, const Value& value, bool as_they_are, PairwiseSums<at_once>& sum) const {
        const Size stride = w.step * step[2], most = run / at_once;
        double some[at_once];
        for (Size k = 0; k < w.count; k += most) {
            const Size n = std::min(most, w.count - k);
            const X* pixels = row + k * stride;
            if (!as_they_are) {
                for (Size p = 0; p < n; ++p) {
                    for (Size c = 0; c < channels; ++c) some[c] = value(pixels[p * stride + c * io.x.channel]);
                    sum.add(some);
                }
                continue;
            }
            X copy[run];
            Size apart = stride;
            const X* from = ordered_pixels(false, pixels, apart, n, channels, copy);
            kernels.sums_of_pixels(from, apart, n, channels, some);
            sum.add(some);
        }
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
                                [p](double sum, Size, const WindowBox&) { return root(sum, p); });
        }
        const WindowDivisors divisors(shape, rule.average);
        windows.sums([](X v) { return static_cast<double>(v); }, true,
                     [&](double sum, Size o, const WindowBox& b) {
                         return sum / (rule.average.of_window ? static_cast<double>(b.cells()) : divisors.of(axes.place(o)));
                     });
    });
}

}  // namespace npconv

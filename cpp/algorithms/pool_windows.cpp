// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/pool_windows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "algorithms/global_pool.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/norms.hpp"
#include "algorithms/pairwise_sum.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size enough_tasks = 64;

template <class X>
constexpr X lowest() {
    return std::numeric_limits<X>::has_infinity ? -std::numeric_limits<X>::infinity() : std::numeric_limits<X>::lowest();
}

template <class X>
bool is_nan(X v) {
    return v != v;
}
template <class X>
bool newer(X first, X second) {
    return second > first || is_nan(second);
}

struct Box {
    Window d, h, w;
    Size cells() const { return d.count * h.count * w.count; }
};

template <class X>
struct Windows {
    const WindowAxes& axes;
    const PoolShape& shape;
    const PoolCall& call;
    const PoolOperands<X>& io;
    const PoolKernels<X>& kernels;
    bool last;  // channels last
    const std::array<Size, 3>& step;

    Windows(const WindowAxes& a, const PoolShape& s, const PoolCall& c, const PoolOperands<X>& o)
        : axes(a),
          shape(s),
          call(c),
          io(o),
          kernels(pool_kernels_of<X>(*c.kernels)),
          last(c.layout == Layout::channels_last && s.channels > 1),
          step(o.x.spatial) {}

    // body(image, channel (0: all, channels last), number of the output, its window) for every output, in parallel.
    template <class Body>
    void each(const Body& body) const {
        const Size height = shape.axis[1].output, width = shape.axis[2].output;
        const Size planes = last ? shape.batch : shape.planes(), outputs = shape.outputs();
        const Size parts = std::clamp<Size>(enough_tasks / std::max<Size>(planes, 1), 1, outputs);
        const EvenSplit split(outputs, parts);
        const Size work = std::max(shape.inputs(), outputs) * shape.planes();
        count_kernel_run(*call.kernels);
        parallel_for(planes * parts, work < (32 << 10) ? 1 : call.threads, [&](Size task, int) {
            const Size plane = task / parts, image = last ? plane : plane / shape.channels, channel = last ? 0 : plane % shape.channels;
            for (Size o = split.begin(task % parts); o < split.begin(task % parts + 1); ++o) {
                const Box box{axes.at(0, o / width / height), axes.at(1, o / width % height), axes.at(2, o % width)};
                body(image, channel, o, box);
            }
        });
    }

    const X* plane(Size image, Size channel) const { return io.x.data + image * io.x.batch + channel * io.x.channel; }
    Size row_at(const Box& b, Size i, Size j) const {
        return (b.d.first + i * b.d.step) * step[0] + (b.h.first + j * b.h.step) * step[1] + b.w.first * step[2];
    }
    Size place_of(const Box& b, Size i, Size j, Size k) const {
        return ((b.d.first + i * b.d.step) * shape.axis[1].input + b.h.first + j * b.h.step) * shape.axis[2].input + b.w.first +
               k * b.w.step;
    }
    X* result(Size image, Size channel, Size o) const {
        return io.y + image * io.y_batch + (last ? o * shape.channels : channel * shape.outputs() + o);
    }
    Size* place(Size image, Size channel, Size o) const {
        return io.places + image * shape.channels * shape.outputs() + (last ? o * shape.channels : channel * shape.outputs() + o);
    }

    void maxima() const {
        each([&](Size image, Size channel, Size o, const Box& b) {
            if (last)
                maxima_of_pixel(image, o, b);
            else
                maximum(image, channel, o, b);
        });
    }

    // The row of the window that has the maximum, by whole rows; then the first place in it that has it, of NaNs the last.
    void maximum(Size image, Size channel, Size o, const Box& b) const {
        const X* x = plane(image, channel);
        const Size stride = b.w.step * step[2], n = b.w.count;
        X best = lowest<X>();
        Size best_i = -1, best_j = 0;
        for (Size i = 0; n > 0 && i < b.d.count; ++i) {
            for (Size j = 0; j < b.h.count; ++j) {
                const X* row = x + row_at(b, i, j);
                X v;
                if (stride == 1 || n == 1) {
                    v = kernels.maximum_of_run(row, n);
                } else {
                    v = row[0];
                    for (Size k = 1; k < n; ++k) {
                        if (newer(v, row[k * stride])) v = row[k * stride];
                    }
                }
                if (best_i >= 0 && !newer(best, v)) continue;
                best = v;
                best_i = i;
                best_j = j;
            }
        }
        Size at = -1;
        if (best_i >= 0 && (io.places || best == X(0) || is_nan(best))) {
            const X* row = x + row_at(b, best_i, best_j);
            Size k = is_nan(best) ? n - 1 : 0;
            if (is_nan(best)) {
                while (!is_nan(row[k * stride])) --k;
            } else {
                while (row[k * stride] != best) ++k;
            }
            best = row[k * stride];
            at = place_of(b, best_i, best_j, k);
        }
        *result(image, channel, o) = best;
        if (io.places) *place(image, channel, o) = at;
    }

    void maxima_of_pixel(Size image, Size o, const Box& b) const {
        const X* x = plane(image, 0);
        X* y = result(image, 0, o);
        Size* places = io.places ? place(image, 0, o) : nullptr;
        const Size channels = shape.channels;
        std::fill_n(y, channels, lowest<X>());
        if (places) std::fill_n(places, channels, Size{-1});
        bool first = true;
        for (Size i = 0; i < b.d.count; ++i) {
            for (Size j = 0; j < b.h.count; ++j) {
                const X* row = x + row_at(b, i, j);
                if (!places && io.x.channel == 1 && b.w.count > 0) {
                    if (first) std::copy_n(row, channels, y);
                    kernels.join_pixels(row, b.w.step * step[2], b.w.count, channels, y);
                    first = false;
                    continue;
                }
                for (Size k = 0; k < b.w.count; ++k) {
                    const X* pixel = row + k * b.w.step * step[2];
                    const Size at = place_of(b, i, j, k);
                    for (Size c = 0; c < channels; ++c) {
                        const X v = pixel[c * io.x.channel];
                        if (!first && !newer(y[c], v)) continue;
                        y[c] = v;
                        if (places) places[c] = at;
                    }
                    first = false;
                }
            }
        }
    }

    // finish(sum, number of the output, its window) of the sums of value(element); as_they_are: of the elements.
    template <class Value, class Finish>
    void sums(const Value& value, bool as_they_are, const Finish& finish) const {
        each([&](Size image, Size channel, Size o, const Box& b) {
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
                *result(image, channel, o) = static_cast<X>(finish(total, o, b));
                return;
            }
            X* y = result(image, 0, o);
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

    static constexpr Size run = 1024;    // values that a kernel sums at once; of a copy, too
    static constexpr Size at_once = 64;  // channels

    template <class Body>
    void each_row(const Box& b, const Body& body) const {
        for (Size i = 0; i < b.d.count; ++i) {
            for (Size j = 0; j < b.h.count; ++j) body(row_at(b, i, j));
        }
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
            if (io.x.channel == 1) {
                kernels.sums_of_pixels(pixels, stride, n, channels, some);
            } else {
                X copy[run];
                for (Size p = 0; p < n; ++p) {
                    for (Size c = 0; c < channels; ++c) copy[p * channels + c] = pixels[p * stride + c * io.x.channel];
                }
                kernels.sums_of_pixels(copy, channels, n, channels, some);
            }
            sum.add(some);
        }
    }
};

// What an average of window `o` divides by.
double divisor_of(const AverageRule& rule, const PoolShape& shape, Size o, const Box& window) {
    if (rule.divisor) return static_cast<double>(*rule.divisor);
    if (rule.of_window) return static_cast<double>(window.cells());
    const Size w = shape.axis[2].output, h = shape.axis[1].output;
    return static_cast<double>(counted_taps(shape.axis[0], o / w / h, rule.count_include_pad)) *
           static_cast<double>(counted_taps(shape.axis[1], o / w % h, rule.count_include_pad)) *
           static_cast<double>(counted_taps(shape.axis[2], o % w, rule.count_include_pad));
}

// Adaptive windows that are all alike and do not overlap, as an ordinary pooling; of sums only short ones, which lose no digits.
bool regular(const PoolShape& shape, Size longest, PoolShape& ordinary) {
    ordinary = shape;
    for (std::size_t i = 0; i < 3; ++i) {
        Axis& a = ordinary.axis[i];
        if (a.input % a.output != 0 || a.input / a.output > longest) return false;
        a.kernel = a.stride = a.input / a.output;
    }
    return true;
}

constexpr Size short_window = 8;
constexpr AverageRule of_window{true, std::nullopt, true};

}  // namespace

Window WindowAxes::at(std::size_t axis, Size o) const {
    const Axis& a = axis_[axis];
    if (adaptive_) {
        const Size first = o * a.input / a.output;
        return {first, ceil_div((o + 1) * a.input, a.output) - first, 1};
    }
    const Inside taps = inside(a.at(o, 0), a.dilation, a.input, 0, a.kernel);
    return {a.at(o, taps.begin), taps.end - taps.begin, a.dilation};
}

void WindowAxes::outputs_of(std::size_t axis, Size i, Size& begin, Size& end) const {
    const Axis& a = axis_[axis];
    if (adaptive_) {
        begin = i * a.output / a.input;
        end = ceil_div((i + 1) * a.output, a.input);
        return;
    }
    // o * stride <= i + pad_before <= o * stride + span
    const Size from = i + a.pad_before, span = (a.kernel - 1) * a.dilation;
    begin = from > span ? ceil_div(from - span, a.stride) : 0;
    end = std::min(from / a.stride + 1, a.output);
    begin = std::min(begin, end);
}

template <class X>
void max_of_windows(const WindowAxes& axes, const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    Windows<X>(axes, shape, call, io).maxima();
}

template <class X>
void avg_of_windows(const WindowAxes& axes, const AverageRule& rule, const PoolShape& shape, const PoolCall& call,
                    const PoolOperands<X>& io) {
    Windows<X>(axes, shape, call, io)
        .sums([](X v) { return static_cast<double>(v); }, true,
              [&](double sum, Size o, const Box& b) { return sum / divisor_of(rule, shape, o, b); });
}

template <class X>
void norm_of_windows(const WindowAxes& axes, double power, const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    Windows<X>(axes, shape, call, io)
        .sums([power](X v) { return raised(std::abs(static_cast<double>(v)), power); }, false,
              [power](double sum, Size, const Box&) { return root(sum, power); });
}

// Calls f(output) for the windows with a tap among some columns, fewer than the dilation: most windows around them have none. The order is
// that of the outputs for each column: the last taps first.
template <class F>
void outputs_by_tap(const Axis& w, Size first_column, Size width, const F& f) {
    const Size first = first_column + w.pad_before, last = first + width - 1;
    // Earlier taps lie before the columns even in the last window: with padding of 2^60 there are as many of them.
    const Size least = ceil_div(std::max<Size>(first - (w.output - 1) * w.stride, 0), w.dilation);
    for (Size k = std::min(w.kernel - 1, last / w.dilation); k >= least; --k) {
        const Size begin = first > k * w.dilation ? ceil_div(first - k * w.dilation, w.stride) : 0;
        const Size end = std::min(w.output, (last - k * w.dilation) / w.stride + 1);
        for (Size o = begin; o < end; ++o) f(o);
    }
}

// Row by row of the results, whose shares are first added up along the width: each input takes from the outputs whose windows hold it, in
// their order. Some columns of the input at a time.
template <class X>
void spread_windows(const WindowAxes& axes, const AverageRule& rule, const PoolShape& shape, const PoolCall& call,
                    const PoolOperands<X>& io) {
    constexpr Size most_channels = 4096, most_columns = 64 << 10, few_windows = 4096;
    const PoolKernels<X>& kernels = pool_kernels_of<X>(*call.kernels);
    const bool last = call.layout == Layout::channels_last && shape.channels > 1;
    const Axis &d = shape.axis[0], &h = shape.axis[1], &w = shape.axis[2];
    const EvenSplit columns = split_by(w.input, most_columns);
    const EvenSplit blocks = split_by(last ? shape.channels : 1, std::clamp<Size>(most_columns / columns.longest(), 1, most_channels));
    const Size planes = last ? shape.batch * blocks.parts : shape.planes(), pixel = last ? shape.channels : 1;
    const EvenSplit rows(h.input, std::clamp<Size>(enough_tasks / planes, 1, std::max<Size>(h.input / 8, 1)));
    const int threads = shape.planes() * shape.inputs() < (32 << 10) ? 1 : call.threads;
    constexpr Size bytes = sizeof(X);
    const bool one_row = d.input == 1 && h.input == 1;  // which is then added up where it belongs
    // The windows of the width are asked for again and again.
    const Buffer memory(w.output <= few_windows ? static_cast<std::size_t>(w.output) * sizeof(Window) : 0);
    Window* const across = memory.as<Window>();
    for (Size o = 0; across && o < w.output; ++o) across[o] = axes.at(2, o);
    const Workspace<2> workspace({one_row ? 0 : columns.longest() * blocks.longest() * bytes, blocks.longest() * bytes}, threads);
    const auto& step = io.x.spatial;
    count_kernel_run(*call.kernels);
    parallel_for(planes * rows.parts * columns.parts, threads, [&](Size task, int slot) {
        const Size first_column = columns.begin(task % columns.parts), width = columns.length(task % columns.parts);
        task /= columns.parts;
        const Size plane = task / rows.parts, first_row = rows.begin(task % rows.parts), end_row = rows.begin(task % rows.parts + 1);
        const Size image = last ? plane / blocks.parts : plane / shape.channels;
        const Size channel = last ? blocks.begin(plane % blocks.parts) : plane % shape.channels;
        const Size n = last ? blocks.length(plane % blocks.parts) : 1;
        const X* g = io.x.data + image * io.x.batch + channel * io.x.channel;
        X* y = io.y + image * io.y_batch + (last ? channel : channel * shape.inputs());
        const auto row_of = [&](Size id, Size ih) { return y + ((id * h.input + ih) * w.input + first_column) * pixel; };
        X* const line = one_row ? row_of(0, 0) : workspace.template get<X>(slot, 0);
        const Size step_of_line = one_row ? pixel : n;
        X* const share = workspace.template get<X>(slot, 1);
        for (Size id = 0; id < d.input; ++id) {
            for (Size ih = first_row; ih < end_row; ++ih) {
                if (pixel == n)
                    std::fill_n(row_of(id, ih), width * n, X(0));
                else
                    for (Size iw = 0; iw < width; ++iw) std::fill_n(row_of(id, ih) + iw * pixel, n, X(0));
            }
        }
        Size low, high, left, right, unused;
        axes.outputs_of(1, first_row, low, unused);
        axes.outputs_of(1, end_row - 1, unused, high);
        axes.outputs_of(2, first_column, left, unused);
        axes.outputs_of(2, first_column + width - 1, unused, right);
        for (Size od = 0; od < d.output; ++od) {
            const Window wd = axes.at(0, od);
            for (Size oh = low; oh < high; ++oh) {
                const Window wh = axes.at(1, oh);
                if (one_row && (wd.count == 0 || wh.count == 0)) continue;
                if (!one_row) std::fill_n(line, width * n, X(0));
                const auto add = [&](Size ow) {
                    const Window ww = across ? across[ow] : axes.at(2, ow);
                    const double divisor = divisor_of(rule, shape, (od * h.output + oh) * w.output + ow, {wd, wh, ww});
                    const X* from = g + od * step[0] + oh * step[1] + ow * step[2];
                    const Inside taps = inside(ww.first - first_column, ww.step, width, 0, ww.count);
                    const Size first = ww.first - first_column;
                    if (n == 1) {
                        const X one = static_cast<X>(static_cast<double>(*from) / divisor);
                        for (Size k = taps.begin; k < taps.end; ++k) line[(first + k * ww.step) * step_of_line] += one;
                        return;
                    }
                    for (Size c = 0; c < n; ++c) share[c] = static_cast<X>(static_cast<double>(from[c * io.x.channel]) / divisor);
                    for (Size k = taps.begin; k < taps.end; ++k) kernels.add(share, n, line + (first + k * ww.step) * step_of_line);
                };
                if (w.dilation > width) {
                    outputs_by_tap(w, first_column, width, add);
                } else {
                    for (Size ow = left; ow < right; ++ow) add(ow);
                }
                for (Size i = 0; !one_row && i < wd.count; ++i) {
                    for (Size j = 0; j < wh.count; ++j) {
                        const Size ih = wh.first + j * wh.step;
                        if (ih < first_row || ih >= end_row) continue;
                        X* to = row_of(wd.first + i * wd.step, ih);
                        if (pixel == n) {
                            kernels.add(line, width * n, to);
                        } else {
                            for (Size iw = 0; iw < width; ++iw) kernels.add(line + iw * n, n, to + iw * pixel);
                        }
                    }
                }
            }
        }
    });
}

template <class X>
void adaptive_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    PoolShape ordinary;
    if (shape.empty()) return;
    if (regular(shape, shape.inputs(), ordinary) && shape.outputs() > 1) return pool(ordinary, {.places = io.places != nullptr}, call, io);
    if (!io.places && shape.outputs() == 1) return global_max_pool(shape, call, io);
    max_of_windows(WindowAxes::adaptive(shape), shape, call, io);
}

template <class X>
void adaptive_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    PoolShape ordinary;
    if (shape.empty()) return;
    if (regular(shape, short_window, ordinary) && shape.outputs() > 1) return pool(ordinary, {.kind = PoolKind::average}, call, io);
    if (shape.outputs() == 1) return global_avg_pool(shape, call, io);
    avg_of_windows(WindowAxes::adaptive(shape), of_window, shape, call, io);
}

template <class X>
void adaptive_avg_pool_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    PoolShape ordinary;
    if (shape.empty()) return;
    if (shape.outputs() == 1) return fill_global_gradient(shape, call, io);
    if (regular(shape, shape.inputs(), ordinary)) return avg_pool_gradient(ordinary, {}, call, io);
    spread_windows(WindowAxes::adaptive(shape), of_window, shape, call, io);
}

#define NPCONV_MAX_OF_WINDOWS(X)                                                                                \
    template void max_of_windows(const WindowAxes&, const PoolShape&, const PoolCall&, const PoolOperands<X>&); \
    template void adaptive_max_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&);
NPCONV_MAX_OF_WINDOWS(float)
NPCONV_MAX_OF_WINDOWS(double)
NPCONV_MAX_OF_WINDOWS(std::int8_t)
NPCONV_MAX_OF_WINDOWS(std::uint8_t)
NPCONV_MAX_OF_WINDOWS(std::int16_t)
NPCONV_MAX_OF_WINDOWS(std::int32_t)
NPCONV_MAX_OF_WINDOWS(std::int64_t)
#undef NPCONV_MAX_OF_WINDOWS
#define NPCONV_SUM_OF_WINDOWS(X)                                                                                                    \
    template void avg_of_windows(const WindowAxes&, const AverageRule&, const PoolShape&, const PoolCall&, const PoolOperands<X>&); \
    template void norm_of_windows(const WindowAxes&, double, const PoolShape&, const PoolCall&, const PoolOperands<X>&);            \
    template void spread_windows(const WindowAxes&, const AverageRule&, const PoolShape&, const PoolCall&, const PoolOperands<X>&); \
    template void adaptive_avg_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&);                                     \
    template void adaptive_avg_pool_gradient(const PoolShape&, const PoolCall&, const PoolOperands<X>&);
NPCONV_SUM_OF_WINDOWS(float)
NPCONV_SUM_OF_WINDOWS(double)
#undef NPCONV_SUM_OF_WINDOWS

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradient of averages, window by window: row by row of the results, whose shares are first added up along the width. Each input takes
// from the outputs whose windows hold it, in their order. Some columns of the input at a time.
#include <algorithm>

#include "algorithms/each_window.hpp"
#include "algorithms/kernel_runs.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/pool_divisors.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size enough_tasks = 64, most_channels = 4096, most_columns = 64 << 10, few_windows = 4096;

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

template <class X>
struct Spread {
    const WindowAxes& axes;
    const PoolShape& shape;
    const AverageRule& rule;
    const PoolData<X> io;
    const PoolKernels<X>& kernels;
    const bool last;
    const Axis &d = shape.axis[0], &h = shape.axis[1], &w = shape.axis[2];
    const WindowDivisors divisors{shape, rule};
    const bool one_row = d.input == 1 && h.input == 1;  // which is then added up where it belongs
    const EvenSplit columns = split_by(w.input, most_columns);
    const EvenSplit blocks = split_by(last ? shape.channels : 1, std::clamp<Size>(most_columns / columns.longest(), 1, most_channels));
    const Size planes = last ? shape.batch * blocks.parts : shape.planes(), pixel = last ? shape.channels : 1;
    const EvenSplit rows{h.input, std::clamp<Size>(enough_tasks / planes, 1, std::max<Size>(h.input / 8, 1))};

    // Some columns of some rows of a plane (channels last: of n channels of an image), in all slices.
    struct Part {
        const X* g;
        X* y;
        Size n, first_column, width, first_row, end_row;
    };
    Part part_of(Size task) const {
        Part p;
        p.first_column = columns.begin(task % columns.parts);
        p.width = columns.length(task % columns.parts);
        task /= columns.parts;
        const Size plane = task / rows.parts;
        p.first_row = rows.begin(task % rows.parts);
        p.end_row = rows.begin(task % rows.parts + 1);
        const Size image = last ? plane / blocks.parts : plane / shape.channels;
        const Size channel = last ? blocks.begin(plane % blocks.parts) : plane % shape.channels;
        p.n = last ? blocks.length(plane % blocks.parts) : 1;
        p.g = io.x.data + image * io.x.batch + channel * io.x.channel;
        p.y = io.y + image * io.y_batch + (last ? channel : channel * shape.inputs()) + p.first_column * pixel;
        return p;
    }
    X* row_of(const Part& p, Size id, Size ih) const { return p.y + (id * h.input + ih) * w.input * pixel; }

    // line: a row of results of all columns. across: the windows of the width, or null.
    void run(const Part& p, const Window* across, X* line, X* share) const {
        if (one_row) line = p.y;
        for (Size id = 0; id < d.input; ++id) {
            for (Size ih = p.first_row; ih < p.end_row; ++ih) {
                X* row = row_of(p, id, ih);
                for (Size iw = 0; iw < (pixel == p.n ? 1 : p.width); ++iw)
                    std::fill_n(row + iw * pixel, pixel == p.n ? p.width * p.n : p.n, X(0));
            }
        }
        Size low, high, left, right, unused;
        axes.outputs_of(1, p.first_row, low, unused);
        axes.outputs_of(1, p.end_row - 1, unused, high);
        axes.outputs_of(2, p.first_column, left, unused);
        axes.outputs_of(2, p.first_column + p.width - 1, unused, right);
        for (Size od = 0; od < d.output; ++od) {
            const Window wd = axes.at(0, od);
            for (Size oh = low; oh < high; ++oh) {
                const Window wh = axes.at(1, oh);
                if (one_row && (wd.count == 0 || wh.count == 0)) continue;
                if (!one_row) std::fill_n(line, p.width * p.n, X(0));
                const auto add = [&](Size ow) { add_share(p, {od, oh, ow}, {wd, wh, across ? across[ow] : axes.at(2, ow)}, line, share); };
                if (w.dilation > p.width) {
                    outputs_by_tap(w, p.first_column, p.width, add);
                } else {
                    for (Size ow = left; ow < right; ++ow) add(ow);
                }
                if (!one_row) add_line(p, {wd, wh, {}}, line);
            }
        }
    }

    // The share that an output gives to each column of its window.
    void add_share(const Part& p, const std::array<Size, 3>& o, const WindowBox& b, X* line, X* share) const {
        const double divisor = rule.of_window ? static_cast<double>(b.cells()) : divisors.of(o);
        const X* from = p.g + o[0] * io.x.spatial[0] + o[1] * io.x.spatial[1] + o[2] * io.x.spatial[2];
        const Size first = b.w.first - p.first_column, step = one_row ? pixel : p.n;
        const Inside taps = inside(first, b.w.step, p.width, 0, b.w.count);
        if (p.n == 1) {
            const X one = static_cast<X>(static_cast<double>(*from) / divisor);
            for (Size k = taps.begin; k < taps.end; ++k) line[(first + k * b.w.step) * step] += one;
            return;
        }
        for (Size c = 0; c < p.n; ++c) share[c] = static_cast<X>(static_cast<double>(from[c * io.x.channel]) / divisor);
        for (Size k = taps.begin; k < taps.end; ++k) kernels.add(share, p.n, line + (first + k * b.w.step) * step);
    }

    void add_line(const Part& p, const WindowBox& b, const X* line) const {
        b.each_row([&](Size id, Size ih) {
            if (ih < p.first_row || ih >= p.end_row) return;
            X* to = row_of(p, id, ih);
            if (pixel == p.n) return kernels.add(line, p.width * p.n, to);
            for (Size iw = 0; iw < p.width; ++iw) kernels.add(line + iw * p.n, p.n, to + iw * pixel);
        });
    }

    void run_all(const PoolCall& call) const {
        const int threads = threads_for(shape.planes() * shape.inputs(), call.threads);
        // The windows of the width are asked for again and again.
        const Buffer memory(w.output <= few_windows ? static_cast<std::size_t>(w.output) * sizeof(Window) : 0);
        Window* const across = memory.as<Window>();
        for (Size o = 0; across && o < w.output; ++o) across[o] = axes.at(2, o);
        constexpr Size bytes = sizeof(X);
        const Workspace<2> workspace({one_row ? 0 : columns.longest() * blocks.longest() * bytes, blocks.longest() * bytes}, threads);
        count_kernel_run(*call.on->kernels);
        parallel_for(planes * rows.parts * columns.parts, threads, [&](Size task, int slot) {
            run(part_of(task), across, workspace.template get<X>(slot, 0), workspace.template get<X>(slot, 1));
        });
    }
};

}  // namespace

void spread_each_window(const WindowAxes& axes, const PoolShape& shape, const AverageRule& rule, const PoolCall& call,
                        const PoolOperands& io) {
    with_real(call.dtype, [&]<class X>(X) {
        Spread<X>{axes, shape, rule, PoolData<X>(io), pool_kernels_of<X>(*call.on->kernels), call.channels_last(shape)}.run_all(call);
    });
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/pooling.hpp"

#include <algorithm>
#include <utility>

#include "algorithms/each_window.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/long_windows.hpp"
#include "algorithms/norms.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/pool_divisors.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr std::size_t buffers = PoolTiling::buffers;

template <class X>
using Kernel = void (*)(const PoolBlock<X>&);

template <class X>
Kernel<X> kernel_of(PoolOp op, const PoolKernels<X>& k) {
    const Kernel<X> kernels[] = {k.maximum, k.maximum_and_place, k.sum, k.sum_of_powers};
    return kernels[static_cast<int>(op)];
}

// Divisors of an average, as far as they differ along an axis; the rest is one number.
template <class X>
struct Divisors {
    const WindowDivisors windows;
    const std::array<bool, 3>& differ;
    X common = 1;

    explicit Divisors(const PoolExecution& e) : windows(e.problem.shape, e.problem.rule.average), differ(e.pool.counted) {
        const std::optional<Size>& divisor = e.problem.rule.average.divisor;
        if (divisor) common = static_cast<X>(*divisor);
        for (std::size_t i = 0; i < 3 && !divisor; ++i) {
            if (!differ[i]) common *= static_cast<X>(windows.count(i, 0));
        }
    }
    void fill(std::size_t i, Size begin, Size end, X* to) const {
        for (Size o = begin; o < end; ++o) to[o - begin] = static_cast<X>(windows.count(i, o));
    }
};

// What outputs begin..end of an axis see of the input.
std::pair<Size, Size> part_seen(const PoolAxis& a, Size begin, Size end) {
    const Size reach = (a.kernel - 1) * a.dilation, after = end - 1 + a.pad_before;
    const Size low = a.spread ? ceil_div(std::max<Size>(begin + a.pad_before - reach, 0), a.stride) : begin * a.stride - a.pad_before;
    const Size high = a.spread ? after / a.stride + 1 : (end - 1) * a.stride - a.pad_before + reach + 1;
    const Size first = std::clamp<Size>(low, 0, a.input);
    return std::pair(first, std::clamp<Size>(high, first, a.input));
}

// Copies a box of x, n pixels of `unit` channels on each axis that stand `step` apart, and makes it what the kernel reads.
template <class X>
void copy_box(const PoolBlock<X>& block, const X* from, const std::array<Size, 3>& n, const std::array<Size, 3>& step, PoolBlock<X>& b) {
    X* to = static_cast<X*>(block.raw.values);
    b.x = to;
    for (Size i = 0; i < n[0]; ++i) {
        for (Size j = 0; j < n[1]; ++j) {
            for (Size k = 0; k < n[2]; ++k) {
                const X* pixel = from + i * step[0] + j * step[1] + k * step[2];
                for (Size c = 0; c < b.unit; ++c) *to++ = pixel[c * block.x_channel];
            }
        }
    }
    b.x_channel = 1;
    b.x_step[2] = b.unit;
    b.x_step[1] = n[2] * b.unit;
    b.x_step[0] = n[1] * b.x_step[1];
}

// Output pixel by output pixel, from copies of the taps that are in the input: for windows that are dilated far.
template <class X>
void run_by_pixel(Kernel<X> kernel, const PoolBlock<X>& block) {
    PoolBlock<X> b = block;
    std::array<Size, 3> n, step;
    const auto see = [&](std::size_t i, Size o) {
        const PoolAxis& a = block.axis[i];
        const Size first = o * a.stride - a.pad_before;
        const Inside taps = inside(first, a.dilation, a.input, 0, a.kernel);
        n[i] = taps.end - taps.begin;
        step[i] = a.dilation * block.x_step[i];
        b.axis[i] = {n[i], a.output, n[i], 1, 1, o, false, false, 0};
        b.begin[i] = o;
        b.end[i] = o + 1;
        return (first + taps.begin * a.dilation) * block.x_step[i];
    };
    for (Size d = block.begin[0]; d < block.end[0]; ++d) {
        const Size slice = see(0, d);
        for (Size h = block.begin[1]; h < block.end[1]; ++h) {
            const Size row = see(1, h);
            for (Size w = block.begin[2]; w < block.end[2]; ++w) {
                const Size pixel = see(2, w);
                copy_box(block, block.x + slice + row + pixel, n, step, b);
                kernel(b);
            }
        }
    }
}

// Output row by output row, from copies of the rows of x that it pools: for kernels that want elements side by side.
template <class X>
void run_gathered(Kernel<X> kernel, const PoolBlock<X>& block) {
    PoolBlock<X> b = block;
    const std::array<Size, 3> step{block.x_step[0], block.x_step[1], block.x_step[2]};
    const auto [w0, w1] = part_seen(b.axis[2], b.begin[2], b.end[2]);
    for (Size d = block.begin[0]; d < block.end[0]; ++d) {
        const auto [d0, d1] = part_seen(b.axis[0], d, d + 1);
        for (Size h = block.begin[1]; h < block.end[1]; ++h) {
            const auto [h0, h1] = part_seen(b.axis[1], h, h + 1);
            copy_box(block, block.x + d0 * step[0] + h0 * step[1] + w0 * step[2], {d1 - d0, h1 - h0, w1 - w0}, step, b);
            b.x -= d0 * b.x_step[0] + h0 * b.x_step[1] + w0 * b.x_step[2];
            b.begin[0] = d;
            b.end[0] = d + 1;
            b.begin[1] = h;
            b.end[1] = h + 1;
            kernel(b);
        }
    }
}

using PoolWorkspace = Workspace<PoolExecution::arrays>;

// What is the same in all blocks of a run.
template <class X>
PoolBlock<X> common_block(const PoolExecution& e, const PoolData<X>& io, const Divisors<X>* divisors) {
    const PoolTiling& t = e.tiling;
    const PoolRule& rule = e.problem.rule;
    PoolBlock<X> b{};
    const auto& step = io.x.spatial;
    std::copy(step.begin(), step.end(), b.x_step);
    if (t.axis[2].input == 1) b.x_step[2] = 1;  // never followed, and side by side as good as any
    std::copy(t.axis.begin(), t.axis.end(), b.axis);
    b.x_channel = io.x.channel;
    b.y_pixel = t.channels_last ? e.pool.channels : 1;
    if (rule.kind == PoolKind::minimum) b.before = PoolBefore::flip;
    if (rule.kind == PoolKind::norm) {
        b.before = PoolBefore::power;
        b.after = PoolAfter::root;
    }
    if (rule.kind == PoolKind::average && e.pool.divided_before)
        b.before = PoolBefore::divide;
    else if (rule.kind == PoolKind::average)
        b.after = PoolAfter::divide;
    b.divisor = divisors ? divisors->common : X(1);
    b.power = rule.power;
    b.whole_steps = t.whole_steps;
    b.few_taps = t.few_taps;
    b.strips = t.strips;
    b.dense = t.dense;
    b.slab_rows = t.slab_rows;
    b.slot = t.slot;
    b.row_pitch = t.row_pitch;
    b.line = t.line;
    b.lead = t.lead;
    return b;
}

// The blocks of an execution, and how one is run.
template <class X>
struct Blocks {
    const PoolExecution& e;
    const PoolData<X> io;
    const Divisors<X>* divisors;  // of averages
    const PoolTiling& t = e.tiling;
    const Kernel<X> kernel = kernel_of(e.pool.op, pool_kernels_of<X>(e.kernels()));
    const Size lanes =
        t.channels.n == e.pool.channels ? 1 : ceil_div(e.pool.channels, t.channels.n);  // channels are split by whole vectors

    void run(int of_call) const {
        const PoolBlock<X> common = common_block(e, io, divisors);
        const int used = e.threads(of_call);
        const PoolWorkspace workspace(e.bytes_of_arrays(), used);
        count_kernel_run(e.kernels());
        parallel_for(t.tasks(), used, [&](Size task, int slot) { run_task(common, task, workspace, slot); });
    }

    void run_task(const PoolBlock<X>& common, Size task, const PoolWorkspace& workspace, int slot) const {
        const Size channels = e.pool.channels, outputs = t.axis[0].output * t.axis[1].output * t.axis[2].output;
        PoolBlock<X> b = common;
        const auto next = [&task](const SpreadSplit& split, Size& begin, Size& end) {
            const Size i = task % split.parts;
            task /= split.parts;
            begin = split.begin(i);
            end = split.begin(i + 1);
        };
        for (std::size_t i = 3; i-- > 0;) next(i == 2 ? t.width : i == 1 ? t.height : t.depth, b.begin[i], b.end[i]);
        Size first = 0, last = 1;
        next(t.channels, first, last);
        first *= lanes;
        last = std::min(last * lanes, std::max<Size>(channels, 1));
        b.unit = t.channels_last ? last - first : 1;
        PoolBuffer* const buffer[buffers] = {&b.raw,         &b.staged, &b.partial,       &b.picked, &b.rows,
                                             &b.rows_so_far, &b.slices, &b.slices_so_far, &b.result};
        for (std::size_t i = 0; i < buffers; ++i) *buffer[i] = {workspace.get<char>(slot, i), workspace.get<char>(slot, buffers + i)};
        b.row_tag = workspace.get<Size>(slot, 2 * buffers);
        b.slice_tag = workspace.get<Size>(slot, 2 * buffers + 1);
        for (Size plane = task * t.planes_of_task; plane < std::min((task + 1) * t.planes_of_task, t.planes); ++plane) {
            const Size image = t.channels_last ? plane : plane / channels, channel = t.channels_last ? first : plane % channels;
            const Size within = t.channels_last ? channel : channel * outputs;
            b.x = io.x.data + image * io.x.batch + channel * io.x.channel;
            b.y = io.y + image * io.y_batch + within;
            if (io.places) b.places = io.places + image * channels * outputs + within;
            run_block(b, workspace, slot);
        }
    }

    // With tables of the divisors that the block needs, some rows and slices at a time where there are many.
    void run_block(const PoolBlock<X>& whole, const PoolWorkspace& workspace, int slot) const {
        PoolBlock<X> b = whole;
        const auto differ = [&](std::size_t i) { return divisors && divisors->differ[i]; };
        const auto take = [&](std::size_t i, Size begin, Size end) {
            b.begin[i] = begin;
            b.end[i] = end;
            if (!differ(i)) return;
            const auto [first, last] = e.pool.divided_before ? part_seen(t.axis[i], begin, end) : std::pair(begin, end);
            X* const table = workspace.get<X>(slot, 2 * buffers + 2 + i);
            divisors->fill(i, first, last, table);
            b.counted[i] = table - first;
        };
        const auto at_once = [&](std::size_t i) { return differ(i) ? PoolTiling::rows_at_once : whole.end[i] - whole.begin[i]; };
        take(2, whole.begin[2], whole.end[2]);
        for (Size d = whole.begin[0]; d < whole.end[0]; d += at_once(0)) {
            take(0, d, std::min(d + at_once(0), whole.end[0]));
            for (Size h = whole.begin[1]; h < whole.end[1]; h += at_once(1)) {
                take(1, h, std::min(h + at_once(1), whole.end[1]));
                if (t.by_pixel)
                    run_by_pixel(kernel, b);
                else if (t.gathered)
                    run_gathered(kernel, b);
                else
                    kernel(b);
            }
        }
    }
};

template <class X>
void run_kernels(const PoolExecution& e, const PoolOperands& io, int threads) {
    if (e.problem.rule.kind != PoolKind::average) return Blocks<X>{e, PoolData<X>(io), nullptr}.run(threads);
    const Divisors<X> divisors(e);
    Blocks<X>{e, PoolData<X>(io), &divisors}.run(threads);
}

}  // namespace

void run_pool(const PoolExecution& e, const PoolOperands& io, int threads) {
    const PoolProblem& p = e.problem;
    if (e.way == PoolWay::sliding) {
        run_sliding_pool(e, io, threads);
    } else if (e.way == PoolWay::windows) {
        const PoolCall call{p.dtype, p.layout, e.on, threads};
        if (p.gradient)
            spread_each_window(WindowAxes(p.shape), p.shape, p.rule.average, call, io);
        else
            pool_each_window(WindowAxes(p.shape), p.shape, p.rule, call, io);
    } else {
        with_type(p.dtype, [&]<class X>(X) { run_kernels<X>(e, io, threads); });
    }
    if (p.rule.kind == PoolKind::norm) mend_norms(e, io, threads);
}

void pool(const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands& io) {
    if (shape.empty()) return;
    const bool neighbours = side_by_side(call.layout, shape.channels, shape.axis[2].input, io.x);
    run_pool(plan_pool({shape, rule, call.dtype, call.layout, false, neighbours}, *call.on), io, call.threads);
}

void avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands& io) {
    if (shape.empty()) return;
    const bool neighbours = side_by_side(call.layout, shape.channels, shape.axis[2].output, io.x);
    const PoolRule average{.kind = PoolKind::average, .average = rule};
    run_pool(plan_pool({shape, average, call.dtype, call.layout, true, neighbours}, *call.on), io, call.threads);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/pooling.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/long_windows.hpp"
#include "algorithms/min_pool.hpp"
#include "algorithms/norms.hpp"
#include "algorithms/pool_windows.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

// Work below which a second thread costs more than it takes over, in elements read.
constexpr Size worth_threads = 32 << 10;

PoolAxis forward(const Axis& a) { return {a.input, a.output, a.kernel, a.stride, a.dilation, a.pad_before, false, false, 0}; }

// The gradient of an average is a pooling of the gradients of the results. At stride 1 it is a sliding window again.
PoolAxis backward(const Axis& a) {
    if (a.stride == 1) return {a.output, a.input, a.kernel, 1, a.dilation, a.dilation * (a.kernel - 1) - a.pad_before, false, false, 0};
    return {a.output, a.input, a.kernel, a.stride, a.dilation, a.pad_before, true, false, 0};
}

bool any(const std::array<bool, 3>& differ) { return differ[0] || differ[1] || differ[2]; }

template <class X>
using Kernel = void (*)(const PoolBlock<X>&);

template <class X>
Kernel<X> kernel_of(PoolOp op, const PoolKernels<X>& k) {
    switch (op) {
        case PoolOp::maximum: return k.maximum;
        case PoolOp::maximum_and_place: return k.maximum_and_place;
        case PoolOp::sum: return k.sum;
        case PoolOp::sum_of_powers: break;
    }
    return k.sum_of_powers;
}

// What is the same in all blocks of a run.
template <class X>
struct Terms {
    PoolBefore before = PoolBefore::nothing;
    PoolAfter after = PoolAfter::nothing;
    const Divisors<X>* divisors = nullptr;
    double power = 1;
};

// What outputs begin..end of an axis see of the input.
std::pair<Size, Size> part_seen(const PoolAxis& a, Size begin, Size end) {
    const Size reach = (a.kernel - 1) * a.dilation, after = end - 1 + a.pad_before;
    const Size low = a.spread ? ceil_div(std::max<Size>(begin + a.pad_before - reach, 0), a.stride) : begin * a.stride - a.pad_before;
    const Size high = a.spread ? after / a.stride + 1 : (end - 1) * a.stride - a.pad_before + reach + 1;
    const Size first = std::clamp<Size>(low, 0, a.input);
    return std::pair(first, std::clamp<Size>(high, first, a.input));
}

// Output pixel by output pixel, from copies of the taps that are in the input: for windows that are dilated far. flip: of minima.
template <class X>
void run_by_pixel(Kernel<X> kernel, const PoolBlock<X>& block, bool flip) {
    PoolBlock<X> b = block;
    X* const copy = static_cast<X*>(block.raw.values);
    Inside taps[3];
    const auto see = [&](std::size_t i, Size o) {
        const PoolAxis& a = block.axis[i];
        const Size first = o * a.stride - a.pad_before;
        taps[i] = inside(first, a.dilation, a.input, 0, a.kernel);
        const Size n = taps[i].end - taps[i].begin;
        b.axis[i] = {n, a.output, n, 1, 1, o, false, false, 0};
        b.begin[i] = o;
        b.end[i] = o + 1;
        return (first + taps[i].begin * a.dilation) * block.x_step[i];
    };
    b.x = copy;
    b.x_channel = 1;
    for (Size d = block.begin[0]; d < block.end[0]; ++d) {
        const Size slice = see(0, d);
        for (Size h = block.begin[1]; h < block.end[1]; ++h) {
            const Size row = see(1, h);
            for (Size w = block.begin[2]; w < block.end[2]; ++w) {
                const Size pixel = see(2, w);
                X* to = copy;
                for (Size i = 0; i < b.axis[0].kernel; ++i) {
                    for (Size j = 0; j < b.axis[1].kernel; ++j) {
                        for (Size k = 0; k < b.axis[2].kernel; ++k) {
                            const X* from = block.x + slice + row + pixel + i * block.axis[0].dilation * block.x_step[0] +
                                            j * block.axis[1].dilation * block.x_step[1] + k * block.axis[2].dilation * block.x_step[2];
                            for (Size c = 0; c < b.unit; ++c) *to++ = flip ? flipped(from[c * block.x_channel]) : from[c * block.x_channel];
                        }
                    }
                }
                b.x_step[2] = b.unit;
                b.x_step[1] = b.axis[2].kernel * b.unit;
                b.x_step[0] = b.axis[1].kernel * b.x_step[1];
                kernel(b);
                X* const y = b.y + ((d * block.axis[1].output + h) * block.axis[2].output + w) * b.y_pixel;
                for (Size c = 0; flip && c < b.unit; ++c) y[c] = flipped(y[c]);
            }
        }
    }
}

// Output row by output row, from copies of the rows of x that it pools: for kernels that want elements side by side.
template <class X>
void run_gathered(Kernel<X> kernel, const PoolBlock<X>& block) {
    PoolBlock<X> b = block;
    X* const copy = static_cast<X*>(block.raw.values);
    const auto part = [&](std::size_t i, Size begin, Size end) { return part_seen(b.axis[i], begin, end); };
    const auto [w0, w1] = part(2, b.begin[2], b.end[2]);
    const Size row = (w1 - w0) * b.unit;
    b.x_channel = 1;
    for (Size d = block.begin[0]; d < block.end[0]; ++d) {
        const auto [d0, d1] = part(0, d, d + 1);
        for (Size h = block.begin[1]; h < block.end[1]; ++h) {
            const auto [h0, h1] = part(1, h, h + 1);
            X* to = copy;
            for (Size i = d0; i < d1; ++i) {
                for (Size j = h0; j < h1; ++j) {
                    for (Size w = w0; w < w1; ++w) {
                        const X* from = block.x + i * block.x_step[0] + j * block.x_step[1] + w * block.x_step[2];
                        for (Size c = 0; c < b.unit; ++c) *to++ = from[c * block.x_channel];
                    }
                }
            }
            b.x_step[0] = (h1 - h0) * row;
            b.x_step[1] = row;
            b.x_step[2] = b.unit;
            b.x = copy - d0 * b.x_step[0] - h0 * row - w0 * b.unit;
            b.begin[0] = d;
            b.end[0] = d + 1;
            b.begin[1] = h;
            b.end[1] = h + 1;
            kernel(b);
        }
    }
}

// What a thread needs: values and places of each buffer, tags of lines, and tables of the divisors that differ along an axis.
using PoolWorkspace = Workspace<2 * PoolTiling::buffers + 5>;

PoolWorkspace::Sizes bytes_of_arrays(const PoolTiling& t, const std::array<bool, 3>& differ, Size bytes_of_divisor) {
    constexpr std::size_t n = PoolTiling::buffers;
    PoolWorkspace::Sizes bytes{};
    for (std::size_t i = 0; i < n; ++i) {
        bytes[i] = t.elements[i] * t.element_bytes;
        bytes[n + i] = t.elements[i] * t.place_bytes;
    }
    bytes[2 * n] = 8 * t.axis[1].slots;
    bytes[2 * n + 1] = 8 * t.axis[0].slots;
    const SpreadSplit* const splits[] = {&t.depth, &t.height, &t.width};
    for (std::size_t i = 0; i < 3; ++i) {
        if (differ[i]) bytes[2 * n + 2 + i] = t.counts(i, ceil_div(splits[i]->n, splits[i]->parts)) * bytes_of_divisor;
    }
    return bytes;
}

int threads_of(const PoolProblem& p, const PoolTiling& t, int threads) {
    const auto& a = t.axis;
    const Size cells = std::max(a[0].input * a[1].input * a[2].input, a[0].output * a[1].output * a[2].output);
    return p.batch * p.channels * cells < worth_threads ? 1 : static_cast<int>(std::min<Size>(threads, t.tasks()));
}

template <class X>
void run_blocks(const PoolProblem& p, const PoolTiling& t, const Terms<X>& terms, const PoolOperands<X>& io, int threads) {
    const Kernel<X> kernel = kernel_of(p.op, pool_kernels_of<X>(*p.kernels));
    PoolBlock<X> common{};
    const auto& step = io.x.spatial;
    std::copy(step.begin(), step.end(), common.x_step);
    if (t.axis[2].input == 1) common.x_step[2] = 1;  // never followed, and side by side as good as any
    std::copy(t.axis.begin(), t.axis.end(), common.axis);
    common.x_channel = io.x.channel;
    common.y_pixel = t.channels_last ? p.channels : 1;
    common.before = terms.before;
    common.after = terms.after;
    common.divisor = 1;
    common.power = terms.power;
    if (terms.divisors) common.divisor = terms.divisors->common;
    common.whole_steps = t.whole_steps;
    common.few_taps = t.few_taps;
    common.strips = t.strips;
    common.dense = t.dense;
    common.slab_rows = t.slab_rows;
    common.slot = t.slot;
    common.row_pitch = t.row_pitch;
    common.line = t.line;
    common.lead = t.lead;

    const Size outputs = t.axis[0].output * t.axis[1].output * t.axis[2].output;
    const Size block[3] = {ceil_div(t.depth.n, t.depth.parts), ceil_div(t.height.n, t.height.parts), ceil_div(t.width.n, t.width.parts)};
    const int used = threads_of(p, t, threads);
    constexpr std::size_t n = PoolTiling::buffers;
    const PoolWorkspace workspace(bytes_of_arrays(t, terms.divisors ? terms.divisors->differ : std::array<bool, 3>{}, sizeof(X)), used);
    // The block with tables of the divisors that it needs, some rows and slices at a time where there are many.
    const auto run = [&](const PoolBlock<X>& whole, int slot) {
        PoolBlock<X> b = whole;
        const auto take = [&](std::size_t i, Size begin, Size end) {
            b.begin[i] = begin;
            b.end[i] = end;
            if (!terms.divisors || !terms.divisors->differ[i]) return;
            const auto [first, last] = terms.before == PoolBefore::divide ? part_seen(t.axis[i], begin, end) : std::pair(begin, end);
            X* const table = workspace.template get<X>(slot, 2 * n + 2 + i);
            terms.divisors->fill(i, first, last, table);
            b.counted[i] = table - first;
        };
        const auto at_once = [&](std::size_t i) {
            return terms.divisors && terms.divisors->differ[i] ? PoolTiling::rows_at_once : std::max<Size>(block[i], 1);
        };
        take(2, whole.begin[2], whole.end[2]);
        for (Size d = whole.begin[0]; d < whole.end[0]; d += at_once(0)) {
            take(0, d, std::min(d + at_once(0), whole.end[0]));
            for (Size h = whole.begin[1]; h < whole.end[1]; h += at_once(1)) {
                take(1, h, std::min(h + at_once(1), whole.end[1]));
                if (t.by_pixel)
                    run_by_pixel(kernel, b, p.flipped);
                else if (p.flipped)
                    FlippedBlock<X>(t, b).run(kernel);
                else if (t.gathered)
                    run_gathered(kernel, b);
                else
                    kernel(b);
            }
        }
    };
    const Size lanes = t.channels.n == p.channels ? 1 : ceil_div(p.channels, t.channels.n);  // channels are split by whole vectors
    count_kernel_run(*p.kernels);
    parallel_for(t.tasks(), used, [&](Size task, int slot) {
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
        last = std::min(last * lanes, std::max<Size>(p.channels, 1));
        b.unit = t.channels_last ? last - first : 1;
        PoolBuffer* const buffer[n] = {&b.raw,         &b.staged, &b.partial,       &b.picked, &b.rows,
                                       &b.rows_so_far, &b.slices, &b.slices_so_far, &b.result};
        for (std::size_t i = 0; i < n; ++i) *buffer[i] = {workspace.template get<char>(slot, i), workspace.template get<char>(slot, n + i)};
        b.row_tag = workspace.template get<Size>(slot, 2 * n);
        b.slice_tag = workspace.template get<Size>(slot, 2 * n + 1);
        for (Size plane = task * t.planes_of_task; plane < std::min((task + 1) * t.planes_of_task, t.planes); ++plane) {
            const Size image = t.channels_last ? plane : plane / p.channels, channel = t.channels_last ? first : plane % p.channels;
            const Size within = t.channels_last ? channel : channel * outputs;
            b.x = io.x.data + image * io.x.batch + channel * io.x.channel;
            b.y = io.y + image * io.y_batch + within;
            if (io.places) b.places = io.places + image * p.channels * outputs + within;
            run(b, slot);
        }
    });
}

// axis_of: `forward` or `backward`, which say whether x has the sizes of the input or those of the result.
PoolProblem problem_of(const PoolShape& shape, PoolAxis (*axis_of)(const Axis&), PoolOp op, DType dtype, Layout layout,
                       const KernelTable& kernels) {
    PoolProblem p;
    p.op = op;
    p.batch = shape.batch;
    p.channels = shape.channels;
    p.dtype = dtype;
    p.layout = layout;
    p.kernels = &kernels;
    for (std::size_t i = 0; i < 3; ++i) p.axis[i] = axis_of(shape.axis[i]);
    return p;
}

PoolOp op_of(const PoolRule& rule) {
    if (rule.kind == PoolKind::average) return PoolOp::sum;
    if (rule.kind == PoolKind::norm) return PoolOp::sum_of_powers;
    return rule.places ? PoolOp::maximum_and_place : PoolOp::maximum;
}

PoolWay way_of(const PoolTiling& t, const PoolShape& shape) {
    if (t.served) return PoolWay::kernels;
    return (t.large ? !long_rows_apart(shape) : too_many_taps(shape)) ? PoolWay::sliding : PoolWay::windows;
}

}  // namespace

std::optional<Size> bytes_of_norms_and_gradients(const PoolShape& shape, const PoolCall& call) {
    const auto tiled = [&](auto axis_of, PoolOp op) {
        return tile_pool(problem_of(shape, axis_of, op, DType::f64, call.layout, *call.kernels));
    };
    const PoolTiling norms = tiled(forward, PoolOp::sum_of_powers), gradients = tiled(backward, PoolOp::sum);
    if (norms.large || gradients.large || (!(norms.served && gradients.served) && too_many_taps(shape))) return std::nullopt;
    return std::max(norms.served ? norms.bytes() : 0, gradients.served ? gradients.bytes() : Size{1} << 20);
}

PoolDecision decide_pool(const PoolShape& shape, const PoolRule& rule, DType dtype, Layout layout, const KernelTable& kernels,
                         bool side_by_side) {
    PoolDecision d;
    PoolProblem& p = d.problem;
    p = problem_of(shape, forward, op_of(rule), dtype, layout, kernels);
    p.side_by_side = side_by_side;
    p.flipped = rule.kind == PoolKind::minimum;
    if (rule.kind == PoolKind::average) d.divisors_differ = divisors_that_differ(shape, rule.average);
    p.counted_width = d.divisors_differ[2];
    p.counted_height = d.divisors_differ[1];
    p.counted = any(d.divisors_differ);
    d.tiling = tile_pool(p);
    d.way = way_of(d.tiling, shape);
    return d;
}

void PoolDecision::set_batch(const PoolShape& shape) {
    problem.batch = shape.batch;
    tiling.set_batch(shape.batch, tiling.channels_last ? 1 : shape.channels);
    way = way_of(tiling, shape);
}

Size PoolDecision::workspace_bytes(const PoolShape& shape, const PoolRule& rule, int threads) const {
    Size bytes = 0;
    if (way == PoolWay::kernels) {
        const Size one = PoolWorkspace::bytes_per_thread(bytes_of_arrays(tiling, divisors_differ, size_of(problem.dtype)));
        bytes = one * threads_of(problem, tiling, threads);
    } else if (way == PoolWay::sliding) {
        bytes = long_pool_bytes(shape, rule, problem.dtype, problem.layout, threads);
    }
    if (rule.kind != PoolKind::norm) return bytes;
    return std::max(bytes, bytes_to_mend(shape, rule.power, problem.dtype, problem.layout, threads));
}

namespace {

template <class X>
void run_extremes(const PoolDecision& d, const PoolShape& shape, bool minima, const PoolCall& call, const PoolOperands<X>& io) {
    if (d.way == PoolWay::sliding && (minima ? long_min_pool(shape, call, io) : long_max_pool(shape, call, io))) return;
    if (d.way != PoolWay::kernels) {
        return minima ? min_of_windows(shape, call, io) : max_of_windows(WindowAxes(shape), shape, call, io);
    }
    Terms<X> terms;
    if (minima && d.tiling.box_rows == 0) terms.before = PoolBefore::flip;
    run_blocks<X>(d.problem, d.tiling, terms, io, call.threads);
}

template <class X>
void run_average(const PoolDecision& d, const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    if (d.way == PoolWay::sliding && long_avg_pool(shape, rule, call, io)) return;
    if (d.way != PoolWay::kernels) return avg_of_windows(WindowAxes(shape), rule, shape, call, io);
    const Divisors<X> divisors(shape, rule, d.divisors_differ);
    Terms<X> terms;
    terms.after = PoolAfter::divide;
    terms.divisors = &divisors;
    run_blocks(d.problem, d.tiling, terms, io, call.threads);
}

template <class X>
void run_norm(const PoolDecision& d, const PoolShape& shape, double power, const PoolCall& call, const PoolOperands<X>& io) {
    if (d.way != PoolWay::sliding || !long_lp_pool(shape, power, call, io)) {
        Terms<X> terms;
        terms.before = PoolBefore::power;
        terms.after = PoolAfter::root;
        terms.power = power;
        d.way == PoolWay::kernels ? run_blocks(d.problem, d.tiling, terms, io, call.threads)
                                  : norm_of_windows(WindowAxes(shape), power, shape, call, io);
    }
    mend_norms(shape, power, call, io);
}

}  // namespace

template <class X>
void run_pool(const PoolDecision& d, const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    if constexpr (std::is_floating_point_v<X>) {
        if (rule.kind == PoolKind::average) return run_average(d, shape, rule.average, call, io);
        if (rule.kind == PoolKind::norm) return run_norm(d, shape, rule.power, call, io);
    }
    run_extremes(d, shape, rule.kind == PoolKind::minimum, call, io);
}

template <class X>
void avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    const Divisors<X> divisors(shape, rule, divisors_that_differ(shape, rule));
    PoolProblem p = problem_of(shape, backward, PoolOp::sum, dtype_of_type<X>(), call.layout, *call.kernels);
    p.side_by_side = side_by_side(call.layout, shape.channels, shape.axis[2].output, io.x);
    // Divided first where quotients differ, as each result has its own; else in the end, which lets kernels read what they pool in place.
    // A divisor of 0 is that of windows of nothing, which must not reach anything.
    p.counted = any(divisors.differ);
    p.divided_before = p.counted || divisors.common == X(0);
    const PoolTiling t = tile_pool(p);
    // With a stride kernels take as many additions for each input as windows may hold it.
    constexpr double seconds = 4e9, several = 64;
    double additions = 1;
    bool spread = false;
    for (const PoolAxis& a : p.axis) {
        spread |= a.spread;
        additions *= static_cast<double>((a.kernel - 1) / a.stride + 1);
    }
    const bool dear = spread && additions > several && additions * static_cast<double>(shape.planes() * shape.inputs()) > seconds;
    const bool slide = t.large || (t.served ? dear : too_many_taps(shape) || too_many_taps_apart(shape));
    if (slide && long_avg_pool_gradient(shape, rule, call, io)) return;
    if (!t.served) return spread_windows(WindowAxes(shape), rule, shape, call, io);
    Terms<X> terms;
    if (p.divided_before)
        terms.before = PoolBefore::divide;
    else
        terms.after = PoolAfter::divide;
    terms.divisors = &divisors;
    run_blocks(p, t, terms, io, call.threads);
}

#define NPCONV_RUN_POOL(X) \
    template void run_pool(const PoolDecision&, const PoolShape&, const PoolRule&, const PoolCall&, const PoolOperands<X>&);
NPCONV_RUN_POOL(float)
NPCONV_RUN_POOL(double)
NPCONV_RUN_POOL(std::int8_t)
NPCONV_RUN_POOL(std::uint8_t)
NPCONV_RUN_POOL(std::int16_t)
NPCONV_RUN_POOL(std::int32_t)
NPCONV_RUN_POOL(std::int64_t)
#undef NPCONV_RUN_POOL
template void avg_pool_gradient(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<float>&);
template void avg_pool_gradient(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<double>&);

}  // namespace npconv

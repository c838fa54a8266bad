// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/pooling.hpp"

#include <algorithm>
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
#include "plan/pool_tiling.hpp"

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

// Divisors of an average, as far as they differ along an axis; the rest is one number.
template <class X>
struct Divisors {
    const PoolShape& shape;
    const AverageRule& rule;
    std::array<bool, 3> differ{};
    X common = 1;

    Divisors(const PoolShape& s, const AverageRule& r) : shape(s), rule(r) {
        if (rule.divisor) {
            common = static_cast<X>(*rule.divisor);
            return;
        }
        for (std::size_t i = 0; i < 3; ++i) {
            const Axis& a = shape.axis[i];
            const auto [low, high] = complete_windows(a, rule.count_include_pad);
            const Size first = count(i, 0);
            differ[i] = low < high && first != a.kernel;
            for (Size o = 1; o < low && !differ[i]; ++o) differ[i] = count(i, o) != first;
            for (Size o = high; o < a.output && !differ[i]; ++o) differ[i] = count(i, o) != first;
            if (!differ[i]) common *= static_cast<X>(first);
        }
    }
    bool any() const { return differ[0] || differ[1] || differ[2]; }
    Size count(std::size_t i, Size o) const { return counted_taps(shape.axis[i], o, rule.count_include_pad); }
    void fill(std::size_t i, Size begin, Size end, X* to) const {
        const auto [low, high] = complete_windows(shape.axis[i], rule.count_include_pad);
        for (Size o = begin; o < end; ++o) to[o - begin] = static_cast<X>(o >= low && o < high ? shape.axis[i].kernel : count(i, o));
    }
};

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
    const Size inputs = t.axis[0].input * t.axis[1].input * t.axis[2].input, cells = std::max(inputs, outputs);
    const int used = p.batch * p.channels * cells < worth_threads ? 1 : static_cast<int>(std::min<Size>(threads, t.tasks()));
    constexpr std::size_t n = PoolTiling::buffers;
    std::array<Size, 2 * n + 5> bytes{};
    for (std::size_t i = 0; i < n; ++i) {
        bytes[i] = t.elements[i] * t.element_bytes;
        bytes[n + i] = t.elements[i] * t.place_bytes;
    }
    bytes[2 * n] = 8 * t.axis[1].slots;
    bytes[2 * n + 1] = 8 * t.axis[0].slots;
    const Size block[3] = {ceil_div(t.depth.n, t.depth.parts), ceil_div(t.height.n, t.height.parts), ceil_div(t.width.n, t.width.parts)};
    for (std::size_t i = 0; i < 3; ++i) {
        if (terms.divisors && terms.divisors->differ[i]) bytes[2 * n + 2 + i] = t.counts(i, block[i]) * static_cast<Size>(sizeof(X));
    }
    const Workspace<2 * n + 5> workspace(bytes, used);
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

// axis_of: `forward` or `backward`, which say whether io.x has the sizes of the input or those of the result.
template <class X>
PoolProblem problem_of(const PoolShape& shape, PoolAxis (*axis_of)(const Axis&), PoolOp op, const PoolCall& call,
                       const PoolOperands<X>& io) {
    PoolProblem p;
    p.op = op;
    p.batch = shape.batch;
    p.channels = shape.channels;
    p.dtype = dtype_of_type<X>();
    p.layout = call.layout;
    p.kernels = call.kernels;
    for (std::size_t i = 0; i < 3; ++i) p.axis[i] = axis_of(shape.axis[i]);
    // Of the sizes of p, not of `shape`: the x of a gradient has the columns of the result.
    const bool one_by_one = call.layout == Layout::channels_first || shape.channels == 1;
    p.side_by_side = one_by_one ? io.x.spatial[2] == 1 || p.axis[2].input == 1 : io.x.channel == 1;
    return p;
}

// Are windows to be slid along the longest axis, and not taken one by one?
bool long_instead(const PoolTiling& t, const PoolShape& shape) {
    return !t.served && (t.large ? !long_rows_apart(shape) : too_many_taps(shape));
}

}  // namespace

std::pair<Size, Size> complete_windows(const Axis& a, bool count_include_pad) {
    const Size before = count_include_pad ? a.pad_before : 0, after = count_include_pad ? a.pad_after : 0;
    const Size low = ceil_div(std::max<Size>(a.pad_before - before, 0), a.stride);
    const Size last =
        a.input + after - 1 - (a.kernel - 1) * a.dilation + a.pad_before;  // the first input of a window, at most, + pad_before
    const Size high = last < 0 ? 0 : std::min(last / a.stride + 1, a.output);
    return {std::min(low, a.output), std::max(high, std::min(low, a.output))};
}

Size counted_taps(const Axis& a, Size o, bool count_include_pad) {
    const Size before = count_include_pad ? a.pad_before : 0, after = count_include_pad ? a.pad_after : 0;
    const Inside taps = inside(a.at(o, 0) + before, a.dilation, a.input + before + after, 0, a.kernel);
    return taps.end - taps.begin;
}

std::optional<Size> bytes_of_norms_and_gradients(const PoolShape& shape, const PoolCall& call) {
    PoolOperands<double> dense;
    dense.x.spatial[2] = dense.x.channel = 1;
    const PoolTiling norms = tile_pool(problem_of(shape, forward, PoolOp::sum_of_powers, call, dense));
    const PoolTiling gradients = tile_pool(problem_of(shape, backward, PoolOp::sum, call, dense));
    if (norms.large || gradients.large || (!(norms.served && gradients.served) && too_many_taps(shape))) return std::nullopt;
    return std::max(norms.served ? norms.bytes() : 0, gradients.served ? gradients.bytes() : Size{1} << 20);
}

template <class X>
void max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    const PoolProblem p = problem_of(shape, forward, io.places ? PoolOp::maximum_and_place : PoolOp::maximum, call, io);
    const PoolTiling t = tile_pool(p);
    if (long_instead(t, shape) && long_max_pool(shape, call, io)) return;
    if (!t.served) return max_of_windows(WindowAxes(shape), shape, call, io);
    run_blocks<X>(p, t, {}, io, call.threads);
}

template <class X>
void min_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    PoolProblem p = problem_of(shape, forward, io.places ? PoolOp::maximum_and_place : PoolOp::maximum, call, io);
    p.flipped = true;
    const PoolTiling t = tile_pool(p);
    if (long_instead(t, shape) && long_min_pool(shape, call, io)) return;
    if (!t.served) return min_of_windows(shape, call, io);
    Terms<X> terms;
    if (t.box_rows == 0) terms.before = PoolBefore::flip;
    run_blocks<X>(p, t, terms, io, call.threads);
}

template <class X>
void avg_pool(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    const Divisors<X> divisors(shape, rule);
    PoolProblem p = problem_of(shape, forward, PoolOp::sum, call, io);
    p.counted_width = divisors.differ[2];
    p.counted_height = divisors.differ[1];
    p.counted = divisors.any();
    const PoolTiling t = tile_pool(p);
    if (long_instead(t, shape) && long_avg_pool(shape, rule, call, io)) return;
    if (!t.served) return avg_of_windows(WindowAxes(shape), rule, shape, call, io);
    Terms<X> terms;
    terms.after = PoolAfter::divide;
    terms.divisors = &divisors;
    run_blocks(p, t, terms, io, call.threads);
}

template <class X>
void lp_pool(const PoolShape& shape, double power, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    PoolProblem p = problem_of(shape, forward, PoolOp::sum_of_powers, call, io);
    const PoolTiling t = tile_pool(p);
    if (!long_instead(t, shape) || !long_lp_pool(shape, power, call, io)) {
        Terms<X> terms;
        terms.before = PoolBefore::power;
        terms.after = PoolAfter::root;
        terms.power = power;
        t.served ? run_blocks(p, t, terms, io, call.threads) : norm_of_windows(WindowAxes(shape), power, shape, call, io);
    }
    mend_norms(shape, power, call, io);
}

template <class X>
void avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    const Divisors<X> divisors(shape, rule);
    PoolProblem p = problem_of(shape, backward, PoolOp::sum, call, io);
    // Divided first where quotients differ, as each result has its own; else in the end, which lets kernels read what they pool in place.
    // A divisor of 0 is that of windows of nothing, which must not reach anything.
    p.counted = divisors.any();
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

#define NPCONV_MAX_POOL(X)                                                             \
    template void max_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&); \
    template void min_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&);
NPCONV_MAX_POOL(float)
NPCONV_MAX_POOL(double)
NPCONV_MAX_POOL(std::int8_t)
NPCONV_MAX_POOL(std::uint8_t)
NPCONV_MAX_POOL(std::int16_t)
NPCONV_MAX_POOL(std::int32_t)
NPCONV_MAX_POOL(std::int64_t)
#undef NPCONV_MAX_POOL
template void avg_pool(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<float>&);
template void avg_pool(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<double>&);
template void lp_pool(const PoolShape&, double, const PoolCall&, const PoolOperands<float>&);
template void lp_pool(const PoolShape&, double, const PoolCall&, const PoolOperands<double>&);
template void avg_pool_gradient(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<float>&);
template void avg_pool_gradient(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<double>&);

}  // namespace npconv

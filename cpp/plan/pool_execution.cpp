// SPDX-License-Identifier: BSD-3-Clause
#include "plan/pool_execution.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "plan/pool_divisors.hpp"
#include "plan/pool_work.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

PoolAxis forward(const Axis& a) { return {a.input, a.output, a.kernel, a.stride, a.dilation, a.pad_before, false, false, 0}; }

// The gradient of an average is a pooling of the gradients of the results. At stride 1 it is a sliding window again.
PoolAxis backward(const Axis& a) {
    if (a.stride == 1) return {a.output, a.input, a.kernel, 1, a.dilation, a.dilation * (a.kernel - 1) - a.pad_before, false, false, 0};
    return {a.output, a.input, a.kernel, a.stride, a.dilation, a.pad_before, true, false, 0};
}

KernelPool kernel_pool(const PoolShape& shape, bool gradient, PoolOp op, DType dtype, Layout layout, const Context& on) {
    KernelPool p;
    p.op = op;
    p.batch = shape.batch;
    p.channels = shape.channels;
    p.dtype = dtype;
    p.layout = layout;
    p.entry = &pool_entry_for(dtype, on);
    for (std::size_t i = 0; i < 3; ++i) p.axis[i] = gradient ? backward(shape.axis[i]) : forward(shape.axis[i]);
    return p;
}

PoolOp op_of(const PoolRule& rule) {
    if (rule.kind == PoolKind::average) return PoolOp::sum;
    if (rule.kind == PoolKind::norm) return PoolOp::sum_of_powers;
    return rule.places ? PoolOp::maximum_and_place : PoolOp::maximum;
}

// Of values that are slid along: sums and their terms in float64, extremes as they are, with a place of eight bytes.
Size cell_bytes(const PoolProblem& p) {
    if (p.rule.kind == PoolKind::average || p.rule.kind == PoolKind::norm) return 8;
    return p.rule.places ? 16 : size_of(p.dtype);
}

// Are there windows of nothing, all of which an average divides by 0?
bool divides_by_zero(const PoolProblem& p, const std::array<bool, 3>& differ) {
    bool zero = false;
    for (std::size_t i = 0; i < 3 && !p.rule.average.divisor; ++i)
        zero |= !differ[i] && counted_taps(p.shape.axis[i], 0, p.rule.average.count_include_pad) == 0;
    return zero;
}

void choose_way(PoolExecution& e) {
    const PoolShape& s = e.problem.shape;
    const PoolTiling& t = e.tiling;
    const bool slide = e.problem.gradient ? t.large || (t.served ? too_many_additions(s) : too_many_taps(s) || too_many_taps_apart(s))
                                          : !t.served && (t.large ? !long_rows_apart(s) : too_many_taps(s));
    const auto sliding = [&](Size bytes) -> std::optional<LongTiling> {
        const LongKind kind = e.problem.gradient ? LongKind::average_gradient : LongKind::pooling;
        const LongTiling tiling = tile_long_pool(s, e.problem.layout, kind, bytes);
        return tiling.fits() ? std::optional(tiling) : std::nullopt;
    };
    e.sliding = slide ? sliding(cell_bytes(e.problem)) : std::nullopt;
    e.way = e.sliding ? PoolWay::sliding : t.served ? PoolWay::kernels : PoolWay::windows;
    const PoolRule& rule = e.problem.rule;
    const bool mend = rule.kind == PoolKind::norm && norms_are_doubtful(e.problem.dtype, rule.power);
    e.mending = mend && far_more_one_by_one(s, s.planes() * s.outputs()) ? sliding(16) : std::nullopt;
}

}  // namespace

bool norms_are_doubtful(DType dtype, double p) { return p > 1 && (dtype != DType::f32 || p > 6); }

PoolExecution plan_pool(const PoolProblem& problem, const Context& on) {
    PoolExecution e;
    e.problem = problem;
    e.on = &on;
    KernelPool& p = e.pool;
    p = kernel_pool(problem.shape, problem.gradient, op_of(problem.rule), problem.dtype, problem.layout, on);
    p.side_by_side = problem.side_by_side;
    p.flipped = problem.rule.kind == PoolKind::minimum;
    if (problem.rule.kind == PoolKind::average) p.counted = divisors_that_differ(problem.shape, problem.rule.average);
    // Divided first where quotients differ, as each result has its own; else in the end, which lets kernels read what they pool in place. A
    // divisor of 0 is that of windows of nothing, which must not reach anything.
    p.divided_before = problem.gradient && (p.counted != std::array<bool, 3>{} || divides_by_zero(problem, p.counted));
    e.tiling = tile_pool(p);
    choose_way(e);
    return e;
}

PoolExecution PoolExecution::with_batch(Size batch) const {
    PoolExecution e = *this;
    e.problem.shape.batch = e.pool.batch = batch;
    e.tiling.set_batch(batch, tiling.channels_last ? 1 : problem.shape.channels);
    choose_way(e);
    return e;
}

int PoolExecution::threads(int of_call) const {
    const auto& a = tiling.axis;
    const Size cells = std::max(a[0].input * a[1].input * a[2].input, a[0].output * a[1].output * a[2].output);
    return static_cast<int>(std::min<Size>(threads_for(pool.batch * pool.channels * cells, of_call), tiling.tasks()));
}

std::array<Size, PoolExecution::arrays> PoolExecution::bytes_of_arrays() const {
    constexpr std::size_t n = PoolTiling::buffers;
    const PoolTiling& t = tiling;
    std::array<Size, arrays> bytes{};
    for (std::size_t i = 0; i < n; ++i) {
        bytes[i] = t.elements[i] * t.element_bytes;
        bytes[n + i] = t.elements[i] * t.place_bytes;
    }
    bytes[2 * n] = 8 * t.axis[1].slots;
    bytes[2 * n + 1] = 8 * t.axis[0].slots;
    const SpreadSplit* const splits[] = {&t.depth, &t.height, &t.width};
    for (std::size_t i = 0; i < 3; ++i) {
        if (pool.counted[i]) bytes[2 * n + 2 + i] = t.counts(i, ceil_div(splits[i]->n, splits[i]->parts)) * size_of(problem.dtype);
    }
    return bytes;
}

Size PoolExecution::workspace_bytes(int of_call) const {
    const Size bytes = way == PoolWay::kernels   ? Workspace<arrays>::bytes_per_thread(bytes_of_arrays()) * threads(of_call)
                       : way == PoolWay::sliding ? sliding->workspace_bytes(of_call)
                                                 : 0;
    return std::max(bytes, mending ? mending->workspace_bytes(of_call) : 0);
}

Size most_workspace_bytes(const PoolExecution& e, bool free_batch, int threads) {
    const PoolShape& s = e.problem.shape;
    if (!free_batch) return e.workspace_bytes(threads);
    // A free batch may be large enough for all threads, and for another way.
    const Size large = (Size{1} << 56) / (s.channels * std::max(s.inputs(), s.outputs())) + 1;
    return std::max(e.workspace_bytes(threads), e.with_batch(large).workspace_bytes(threads));
}

std::optional<Size> bytes_of_norms_and_gradients(const PoolShape& shape, const Context& on) {
    const auto tiled = [&](bool gradient, PoolOp op) {
        return tile_pool(kernel_pool(shape, gradient, op, DType::f64, Layout::channels_first, on));
    };
    const PoolTiling norms = tiled(false, PoolOp::sum_of_powers), gradients = tiled(true, PoolOp::sum);
    if (norms.large || gradients.large || (!(norms.served && gradients.served) && too_many_taps(shape))) return std::nullopt;
    return std::max(norms.served ? norms.bytes() : 0, gradients.served ? gradients.bytes() : Size{1} << 20);
}

}  // namespace npconv

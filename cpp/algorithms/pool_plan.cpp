// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/pool_plan.hpp"

#include <algorithm>
#include <limits>
#include <sstream>

#include "plan/describe.hpp"

namespace npconv {
namespace {

const char* name_of(PoolWay way) {
    switch (way) {
        case PoolWay::kernels: return "kernels";
        case PoolWay::sliding: return "sliding";
        case PoolWay::windows: break;
    }
    return "windows";
}

void describe_rule(std::ostream& out, const PoolRule& rule) {
    out << "pooling      ";
    switch (rule.kind) {
        case PoolKind::maximum: out << "the largest element of each window"; break;
        case PoolKind::minimum: out << "the smallest element of each window"; break;
        case PoolKind::average: out << "the mean of each window, "; break;
        case PoolKind::norm: out << "the norm of each window, with powers of " << rule.power; break;
    }
    if (rule.places) out << ", and its place";
    if (rule.kind != PoolKind::average) return;
    if (rule.average.divisor)
        out << "divided by " << *rule.average.divisor;
    else
        out << "divided by its taps in x" << (rule.average.count_include_pad ? " and its border" : " alone");
}

void describe_way(std::ostream& out, const PoolDecision& d) {
    const PoolTiling& t = d.tiling;
    out << "algorithm    " << name_of(d.way) << ": ";
    if (d.way == PoolWay::sliding) {
        out << "windows too large for the memory of the kernels, slid along the longest axis\n";
        return;
    }
    if (d.way == PoolWay::windows) {
        out << "window by window, because they are not of the sizes that the kernels are made for\n";
        return;
    }
    if (t.by_pixel)
        out << "the taps of one output at a time, copied";
    else if (t.whole_steps)
        out << "rows in whole steps, which neither overlap nor meet the border";
    else if (t.strips)
        out << "strips of outputs, whose windows are pooled at once";
    else if (t.few_taps)
        out << "each window at once, lane = channel";
    else if (t.slab_rows > 0)
        out << "along the width, then the height, of " << t.slab_rows << " output row(s) at once";
    else
        out << "along the width, then the height" << (t.axis[0].kernel > 1 ? " and the depth" : "");
    const bool blocks = t.axis[0].blocks || t.axis[1].blocks || t.dense;
    out << (blocks && !t.strips && !t.whole_steps && !t.few_taps ? ", overlapping windows from shared parts" : "") << "\n";
    const auto longest = [](const SpreadSplit& split) { return ceil_div(split.n, split.parts); };
    out << "tiling       blocks of at most " << longest(t.depth) << " x " << longest(t.height) << " x " << longest(t.width)
        << " outputs of ";
    if (t.channels_last)
        out << (t.channels.parts == 1 ? "all channels" : "some channels") << " of an image";
    else
        out << t.planes_of_task << " plane(s)";
    out << ", " << t.tasks() << " task(s)\n";
}

}  // namespace

PoolPlan::PoolPlan(const PoolShape& shape, bool free_batch, const PoolRule& rule, DType dtype, Layout layout, const KernelTable& kernels)
    : shape_(shape), free_batch_(free_batch), rule_(rule), dtype_(dtype), layout_(layout), kernels_(&kernels) {
    if (empty()) return;
    for (std::size_t i = 0; i < 2; ++i) decisions_[i] = decide_pool(shape, rule, dtype, layout, kernels, i == 1);
}

template <class X>
void PoolPlan::run(std::int64_t batch, const PoolOperands<X>& io, int threads) const {
    if (empty() || batch == 0) return;
    const PoolCall call{layout_, kernels_, threads};
    const PoolDecision& decision = decisions_[side_by_side(layout_, shape_.channels, shape_.axis[2].input, io.x) ? 1 : 0];
    if (batch == shape_.batch) return run_pool(decision, shape_, rule_, call, io);
    PoolShape shape = shape_;
    shape.batch = batch;
    PoolDecision of_call = decision;
    of_call.set_batch(shape);
    run_pool(of_call, shape, rule_, call, io);
}

std::int64_t PoolPlan::operations() const {
    std::int64_t n = shape_.planes() * shape_.outputs();  // a size that has been judged
    for (const Axis& a : shape_.axis) {
        if (__builtin_mul_overflow(n, a.kernel, &n)) return std::numeric_limits<std::int64_t>::max();
    }
    return n;
}

std::string PoolPlan::algorithm() const { return empty() ? "none" : name_of(usual().way); }

std::int64_t PoolPlan::workspace_bytes(int threads) const {
    if (empty()) return 0;
    std::int64_t most = 0;
    // A free batch may be large enough for all threads, and for another way.
    const std::int64_t large = (std::int64_t{1} << 56) / (shape_.channels * std::max(shape_.inputs(), shape_.outputs())) + 1;
    for (const std::int64_t batch : {shape_.batch, free_batch_ ? large : shape_.batch}) {
        PoolShape shape = shape_;
        shape.batch = batch;
        for (PoolDecision d : decisions_) {
            if (free_batch_) d.set_batch(shape);
            most = std::max(most, d.workspace_bytes(shape, rule_, threads));
        }
    }
    return most;
}

std::string PoolPlan::explain(int threads) const {
    std::ostringstream out;
    describe_rule(out, rule_);
    out << "\ninput        " << name_of(dtype_) << ", " << (layout_ == Layout::channels_last ? "channels last" : "channels first")
        << ", batch " << (free_batch_ ? "any (figures of one image)" : std::to_string(shape_.batch)) << ", " << shape_.channels
        << " channels\n";
    describe_axes(out, shape_.axis);
    if (empty()) {
        out << "algorithm    none: there is nothing to be pooled\n";
        return out.str();
    }
    out << "kernels      " << kernels_->isa << " (" << kernels_->entries->description << ")\n";
    describe_way(out, usual());
    out << "operations   " << count(static_cast<double>(operations())) << " (one a tap of a window)\n";
    describe_memory(out, {threads, workspace_bytes(threads), 0});
    return out.str();
}

#define NPCONV_RUN_POOL_PLAN(X) template void PoolPlan::run(std::int64_t, const PoolOperands<X>&, int) const;
NPCONV_RUN_POOL_PLAN(float)
NPCONV_RUN_POOL_PLAN(double)
NPCONV_RUN_POOL_PLAN(std::int8_t)
NPCONV_RUN_POOL_PLAN(std::uint8_t)
NPCONV_RUN_POOL_PLAN(std::int16_t)
NPCONV_RUN_POOL_PLAN(std::int32_t)
NPCONV_RUN_POOL_PLAN(std::int64_t)
#undef NPCONV_RUN_POOL_PLAN

}  // namespace npconv

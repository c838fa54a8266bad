// SPDX-License-Identifier: BSD-3-Clause
#include <limits>

#include "plan/pool_execution.hpp"

namespace npconv {
namespace {

void describe_rule(Text& out, const PoolRule& rule) {
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

void describe_way(Text& out, const PoolExecution& e) {
    const PoolTiling& t = e.tiling;
    out << "algorithm    " << name_of(e.way) << ": ";
    if (e.way == PoolWay::sliding) {
        out << "windows too large for the memory of the kernels, slid along the longest axis\n";
        return;
    }
    if (e.way == PoolWay::windows) {
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

const char* name_of(PoolWay way) {
    constexpr const char* names[] = {"kernels", "sliding", "windows"};
    return names[static_cast<int>(way)];
}

std::int64_t operations_of(const PoolShape& s) {
    std::int64_t n = s.planes() * s.outputs();  // a size that has been judged
    for (const Axis& a : s.axis) {
        if (__builtin_mul_overflow(n, a.kernel, &n)) return std::numeric_limits<std::int64_t>::max();
    }
    return n;
}

std::string explain(const PoolProblem& p, bool free_batch, const PoolExecution* execution, const Footprint& footprint) {
    Text out;
    describe_rule(out, p.rule);
    out << "\ninput        " << name_of(p.dtype) << ", " << (p.layout == Layout::channels_last ? "channels last" : "channels first")
        << ", batch " << (free_batch ? "any (figures of one image)" : std::to_string(p.shape.batch)) << ", " << p.shape.channels
        << " channels\n";
    describe_axes(out, p.shape.axis);
    if (!execution) {
        out << "algorithm    none: there is nothing to be pooled\n";
        return out.str();
    }
    out << "kernels      " << execution->on->entries->isa << " (" << execution->on->entries->description << ")\n";
    describe_way(out, *execution);
    out << "operations   " << count(static_cast<double>(operations_of(p.shape))) << " (one a tap of a window)\n";
    describe_memory(out, footprint);
    return out.str();
}

}  // namespace npconv

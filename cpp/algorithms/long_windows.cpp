// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/long_windows.hpp"

#include <cmath>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/long_tasks.hpp"
#include "algorithms/norms.hpp"
#include "algorithms/reversed.hpp"
#include "algorithms/sliding.hpp"
#include "core/thread_local.hpp"
#include "plan/pool_divisors.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

// Of equal maxima the first stays, of NaNs the last.
template <class X>
struct MaximumCells {
    using Cell = X;
    static Cell nothing() { return lowest<X>(); }
    static Cell join(Cell first, Cell second) { return newer(first, second) ? second : first; }
};

template <class X>
struct PlacedCells {
    struct Cell {
        X value;
        std::int64_t place;
    };
    static Cell nothing() { return {lowest<X>(), -1}; }
    static Cell join(const Cell& first, const Cell& second) { return first.place < 0 || newer(first.value, second.value) ? second : first; }
};

// The largest of some magnitudes, and the sum of the powers of their quotients by it.
template <int>
struct ScaledCells {
    struct Cell {
        double most, sum;
    };
    NPCONV_THREAD_LOCAL static double p;
    static Cell nothing() { return {0, 0}; }
    static Cell join(const Cell& a, const Cell& b) {
        if (b.most != b.most) return b;
        if (a.most != a.most) return a;
        if (a.most == b.most) return {a.most, a.sum + b.sum};
        const Cell &high = a.most > b.most ? a : b, &low = a.most > b.most ? b : a;
        return {high.most, high.sum + (low.most > 0 ? low.sum * raised(low.most / high.most, p) : 0)};
    }
};
template <int N>
NPCONV_THREAD_LOCAL double ScaledCells<N>::p = 2;

// load(place): a source. store(place, cell): a result.
template <class Op, class Load, class Store>
void pool_long(const LongTiling& tiling, int threads, const Load& load, const Store& store) {
    using Cell = typename Op::Cell;
    const auto from = tiling.spread ? &ClassOfAxis::outputs : &ClassOfAxis::inputs;
    const auto to = tiling.spread ? &ClassOfAxis::inputs : &ClassOfAxis::outputs;
    each_long_task(tiling, threads, [&](const LongTask& t, char* memory) {
        const Ranges outer = t.outer().ranges(tiling.spread);
        const InnerPooling<Op> inner(t.a().ranges(tiling.spread), t.b().ranges(tiling.spread), t.tile_a, t.tile_b, t.lanes);
        auto* const cells = reinterpret_cast<Cell*>(memory);
        Sliding<Op> sliding(SlidingPlan(outer), outer.sources, inner.results(), cells + inner.cells());
        const auto source = [&](int, Size number, Cell* line) {
            inner.run(
                [&](Size a, Size b, Cell* lanes) {
                    for (Size l = 0; l < t.lanes; ++l) lanes[l] = load(t.place(from, a, b, number, l));
                },
                cells, line);
        };
        for (Size m = t.part.begin; m < t.part.end; ++m) {
            const Cell* line = sliding.at(outer.begin(m), outer.end(m), source);
            for (Size a = t.tile_a.begin; a < t.tile_a.end; ++a) {
                for (Size b = t.tile_b.begin; b < t.tile_b.end; ++b) {
                    for (Size l = 0; l < t.lanes; ++l) store(t.place(to, a, b, m, l), *line++);
                }
            }
        }
    });
}

// Maxima, or minima: the maxima of values in reverse order.
template <class X>
void extremes(const PoolExecution& e, const PoolData<X>& io, int threads) {
    const PoolShape& shape = e.problem.shape;
    const DenseSteps to(shape, e.problem.layout, &Axis::output, io.y_batch);
    const bool minima = e.problem.rule.kind == PoolKind::minimum;
    const auto ordered = [minima](X v) { return minima ? reversed(v) : v; };
    const auto value = [&](const Place& p) { return ordered(element(io.x, p)); };
    if (!io.places) {
        return pool_long<MaximumCells<X>>(*e.sliding, threads, value, [&](const Place& p, X v) { io.y[to.offset(p)] = ordered(v); });
    }
    const DenseSteps places(shape, e.problem.layout, &Axis::output, shape.channels * shape.outputs());
    const Size height = shape.axis[1].input, width = shape.axis[2].input;
    using Cell = typename PlacedCells<X>::Cell;
    pool_long<PlacedCells<X>>(
        *e.sliding, threads, [&](const Place& p) { return Cell{value(p), (p.at[0] * height + p.at[1]) * width + p.at[2]}; },
        [&](const Place& p, const Cell& v) {
            io.y[to.offset(p)] = ordered(v.value);
            io.places[places.offset(p)] = v.place;
        });
}

template <class X>
void sums(const PoolExecution& e, const PoolData<X>& io, int threads) {
    const PoolProblem& problem = e.problem;
    const PoolShape& shape = problem.shape;
    const DenseSteps to(shape, problem.layout, problem.gradient ? &Axis::input : &Axis::output, io.y_batch);
    const auto each = [&](const auto& source, const auto& result) {
        pool_long<SumCells>(
            *e.sliding, threads, [&](const Place& p) { return source(static_cast<double>(element(io.x, p)), p); },
            [&](const Place& p, double sum) { io.y[to.offset(p)] = static_cast<X>(result(sum, p)); });
    };
    const auto as_it_is = [](double v, const Place&) { return v; };
    if (problem.rule.kind == PoolKind::norm) {
        const double p = problem.rule.power;
        return each([p](double v, const Place&) { return raised(std::abs(v), p); }, [p](double sum, const Place&) { return root(sum, p); });
    }
    const WindowDivisors divisors(shape, problem.rule.average);
    const auto divided = [&](double v, const Place& p) { return v / divisors.of(p.at); };
    if (!problem.gradient) return each(as_it_is, divided);
    clear_where_dilated(shape, io.y, io.y_batch);
    each(divided, as_it_is);
}

}  // namespace

void run_sliding_pool(const PoolExecution& e, const PoolOperands& io, int threads) {
    count_kernel_run(e.kernels());
    if (e.problem.rule.kind == PoolKind::average || e.problem.rule.kind == PoolKind::norm)
        return with_real(e.problem.dtype, [&]<class X>(X) { sums(e, PoolData<X>(io), threads); });
    with_type(e.problem.dtype, [&]<class X>(X) { extremes(e, PoolData<X>(io), threads); });
}

void run_sliding_norms(const PoolExecution& e, const PoolOperands& operands, int threads) {
    using Op = ScaledCells<0>;
    const double power = e.problem.rule.power;
    const DenseSteps to(e.problem.shape, e.problem.layout, &Axis::output, operands.y_batch);
    count_kernel_run(e.kernels());
    with_real(e.problem.dtype, [&]<class X>(X) {
        const PoolData<X> io(operands);
        const NormRange<X> range(power);
        pool_long<Op>(
            *e.mending, threads,
            [&](const Place& p) {
                Op::p = power;
                const double v = std::abs(static_cast<double>(element(io.x, p)));
                return Op::Cell{v, v == 0 ? 0.0 : 1.0};
            },
            [&](const Place& p, const Op::Cell& v) {
                X& y = io.y[to.offset(p)];
                if (!range.doubtful(static_cast<double>(y))) return;
                y = static_cast<X>(v.most > 0 && std::isfinite(v.most) ? v.most * root(v.sum, power) : v.most);
            });
    });
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradient of norms over long windows: their norms slide along twice, where windows of the gradient begin and where they end.
#include <cmath>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/long_tasks.hpp"
#include "algorithms/long_windows.hpp"
#include "algorithms/norms.hpp"
#include "algorithms/sliding.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

template <class X>
struct NormGradient {
    double p, x_scale;
    TensorView<const X> x, g;
    X* y;
    DenseSteps to;

    double value(const Place& place) const { return static_cast<double>(element(x, place)) * x_scale; }
    // norm^(1-p)
    double factor(double norm) const { return p == 1 ? 1 : p == 2 ? 1 / norm : std::pow(norm, 1 - p); }
    double slope(double v) const { return p == 2 ? v : v == 0 ? 0 : std::copysign(p == 1 ? 1 : std::pow(std::abs(v), p - 1), v); }

    void run(const LongTask& t, double* memory) const {
        const ClassOfAxis &ca = t.a(), &cb = t.b();
        const Ranges forward = t.outer().forward(), backward = t.outer().backward();
        const InnerPooling<SumCells> back(ca.backward(), cb.backward(), t.tile_a, t.tile_b, t.lanes);
        const Part oa = sources_of(ca.backward(), t.tile_a), ob = sources_of(cb.backward(), t.tile_b);
        const InnerPooling<SumCells> front(ca.forward(), cb.forward(), oa, ob, t.lanes);
        const SlidingPlan plan(forward);
        double* const back_memory = memory + front.cells();
        double* const terms = back_memory + back.cells();
        double* const first = terms + front.results();
        double* const second = first + plan.cells(front.results());
        Sliding<SumCells> norms[2] = {{plan, forward.sources, front.results(), first}, {plan, forward.sources, front.results(), second}};
        Sliding<SumCells> sliding(SlidingPlan(backward), backward.sources, back.results(), second + plan.cells(front.results()));
        const auto powers = [&](int, Size number, double* line) {
            front.run(
                [&](Size a, Size b, double* lanes) {
                    for (Size l = 0; l < t.lanes; ++l)
                        lanes[l] = raised(std::abs(value(t.place(&ClassOfAxis::inputs, a, b, number, l))), p);
                },
                memory, line);
        };
        // The gradients of the norms, each times its norm^(1-p).
        const auto shares = [&](int cursor, Size number, double* line) {
            const double* sums = norms[cursor].at(forward.begin(number), forward.end(number), powers);
            double* term = terms;
            for (Size a = oa.begin; a < oa.end; ++a) {
                for (Size b = ob.begin; b < ob.end; ++b) {
                    for (Size l = 0; l < t.lanes; ++l, ++term, ++sums) {
                        const double norm = root(*sums, p);
                        const X share = element(g, t.place(&ClassOfAxis::outputs, a, b, number, l));
                        *term = norm == 0 ? 0 : static_cast<double>(share) * factor(norm);
                    }
                }
            }
            back.run([&](Size a, Size b,
                         double* lanes) { std::copy_n(terms + ((a - oa.begin) * ob.length() + b - ob.begin) * t.lanes, t.lanes, lanes); },
                     back_memory, line);
        };
        for (Size m = t.part.begin; m < t.part.end; ++m) {
            const double* line = sliding.at(backward.begin(m), backward.end(m), shares);
            for (Size a = t.tile_a.begin; a < t.tile_a.end; ++a) {
                for (Size b = t.tile_b.begin; b < t.tile_b.end; ++b) {
                    for (Size l = 0; l < t.lanes; ++l) {
                        const Place at = t.place(&ClassOfAxis::inputs, a, b, m, l);
                        y[to.offset(at)] = static_cast<X>(*line++ * slope(value(at)));
                    }
                }
            }
        }
    }
};

}  // namespace

void run_sliding_norm_gradient(const LongTiling& tiling, double p, double x_scale, const PoolCall& call, const AnyView& x, const AnyView& g,
                               void* y, Size y_batch) {
    count_kernel_run(*call.on->kernels);
    with_real(call.dtype, [&]<class X>(X) {
        const DenseSteps to(tiling.shape, call.layout, &Axis::input, y_batch);
        const NormGradient<X> gradient{p, x_scale, typed<X>(x), typed<X>(g), static_cast<X*>(y), to};
        clear_where_dilated(tiling.shape, gradient.y, y_batch);
        each_long_task(tiling, call.threads, [&](const LongTask& t, char* memory) { gradient.run(t, reinterpret_cast<double*>(memory)); });
    });
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/norms.hpp"

#include <algorithm>
#include <atomic>

#include "algorithms/long_windows.hpp"
#include "algorithms/pairwise_sum.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "core/window_axes.hpp"
#include "plan/pool_work.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

// The results of the planes of a call, row by row.
template <class X>
struct Norms {
    const PoolShape& s;
    const PoolData<X> io;
    double p;
    int threads;
    bool last;
    WindowAxes axes;

    Norms(const PoolExecution& e, const PoolOperands& operands, int of_call)
        : s(e.problem.shape),
          io(operands),
          p(e.problem.rule.power),
          threads(threads_for(std::max(s.outputs(), s.inputs()) * s.planes(), of_call)),
          last(e.problem.layout == Layout::channels_last),
          axes(s) {}

    // body(image, first element of a run of results, its number in the image, how many), in parallel.
    template <class Body>
    void each_run(const Body& body) const {
        const Size n = s.channels * s.outputs();
        const EvenSplit runs = split_by(n, 1 << 14);
        parallel_for(s.batch * runs.parts, threads, [&](Size task, int) {
            const Size image = task / runs.parts, run = task % runs.parts;
            body(image, io.y + image * io.y_batch + runs.begin(run), runs.begin(run), runs.length(run));
        });
    }

    double anew(Size image, Size number) const {
        const Size channel = last ? number % s.channels : number / s.outputs(), o = last ? number / s.channels : number % s.outputs();
        const WindowBox box = axes.box(o);
        const X* plane = io.x.data + image * io.x.batch + channel * io.x.channel;
        const auto& step = io.x.spatial;
        const auto each = [&](const auto& body) {
            box.each_row([&](Size i, Size j) {
                const X* row = plane + i * step[0] + j * step[1] + box.w.first * step[2];
                for (Size k = 0; k < box.w.count; ++k) body(std::abs(static_cast<double>(row[k * box.w.step * step[2]])));
            });
        };
        double most = 0;
        each([&](double v) { most = v > most || v != v ? v : most; });
        if (!(most > 0) || !std::isfinite(most)) return most;
        PairwiseSum sum;
        each([&](double v) { sum.add(raised(v / most, p)); });
        return most * root(sum.total(), p);
    }
};

template <class X>
void mend(const PoolExecution& e, const PoolOperands& io, int threads) {
    const NormRange<X> range(e.problem.rule.power);
    const Norms<X> norms(e, io, threads);
    std::atomic<Size> doubtful{0};
    norms.each_run([&](Size, const X* y, Size, Size n) {
        Size some = 0;
        for (Size i = 0; i < n; ++i) some += range.doubtful(static_cast<double>(y[i])) ? 1 : 0;
        if (some > 0) doubtful += some;
    });
    if (doubtful == 0) return;
    if (e.mending && far_more_one_by_one(e.problem.shape, doubtful)) return run_sliding_norms(e, io, threads);
    norms.each_run([&](Size image, X* y, Size first, Size n) {
        for (Size i = 0; i < n; ++i) {
            if (range.doubtful(static_cast<double>(y[i]))) y[i] = static_cast<X>(norms.anew(image, first + i));
        }
    });
}

}  // namespace

void mend_norms(const PoolExecution& e, const PoolOperands& io, int threads) {
    if (!norms_are_doubtful(e.problem.dtype, e.problem.rule.power)) return;
    with_real(e.problem.dtype, [&]<class X>(X) { mend<X>(e, io, threads); });
}

}  // namespace npconv

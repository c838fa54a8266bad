// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/norms.hpp"

#include <algorithm>
#include <atomic>

#include "algorithms/long_windows.hpp"
#include "algorithms/pairwise_sum.hpp"
#include "algorithms/pool_windows.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 32 << 10;

// The results of the planes of a call, row by row.
template <class X>
struct Norms {
    const PoolShape& s;
    const PoolOperands<X>& io;
    double p;
    int threads;
    bool last;
    WindowAxes axes;

    Norms(const PoolShape& shape, double power, const PoolCall& call, const PoolOperands<X>& operands)
        : s(shape),
          io(operands),
          p(power),
          threads(std::max(shape.outputs(), shape.inputs()) * shape.planes() < worth_threads ? 1 : call.threads),
          last(call.layout == Layout::channels_last),
          axes(shape) {}

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
        const Size width = s.axis[2].output, height = s.axis[1].output;
        const Window d = axes.at(0, o / width / height), h = axes.at(1, o / width % height), w = axes.at(2, o % width);
        const X* plane = io.x.data + image * io.x.batch + channel * io.x.channel;
        const auto each = [&](const auto& body) {
            for (Size i = 0; i < d.count; ++i) {
                for (Size j = 0; j < h.count; ++j) {
                    const X* row = plane + (d.first + i * d.step) * io.x.spatial[0] + (h.first + j * h.step) * io.x.spatial[1] +
                                   w.first * io.x.spatial[2];
                    for (Size k = 0; k < w.count; ++k) body(std::abs(static_cast<double>(row[k * w.step * io.x.spatial[2]])));
                }
            }
        };
        double most = 0;
        each([&](double v) { most = v > most || v != v ? v : most; });
        if (!(most > 0) || !std::isfinite(most)) return most;
        PairwiseSum sum;
        each([&](double v) { sum.add(raised(v / most, p)); });
        return most * root(sum.total(), p);
    }
};

// Does computing the doubtful results again one by one cost far more than computing all results again by sliding windows?
bool far_more_one_by_one(const PoolShape& shape, Size doubtful) {
    double taps = static_cast<double>(doubtful);
    for (const Axis& a : shape.axis) taps *= static_cast<double>(std::min(a.kernel, ceil_div(a.input, a.dilation)));
    constexpr double many = 1e8, several = 64;
    return taps > many &&
           taps > several * static_cast<double>(shape.planes()) * static_cast<double>(std::max(shape.inputs(), shape.outputs()));
}

}  // namespace

Size bytes_to_mend(const PoolShape& shape, double p, DType dtype, Layout layout, int threads) {
    const bool whole = dtype == DType::f32 ? NormRange<float>(p).whole : NormRange<double>(p).whole;
    return !whole && far_more_one_by_one(shape, shape.planes() * shape.outputs()) ? long_norms_bytes(shape, layout, threads) : 0;
}

template <class X>
void mend_norms(const PoolShape& shape, double p, const PoolCall& call, const PoolOperands<X>& io) {
    const NormRange<X> range(p);
    if (range.whole || shape.empty()) return;
    const Norms<X> norms(shape, p, call, io);
    std::atomic<Size> doubtful{0};
    norms.each_run([&](Size, const X* y, Size, Size n) {
        Size some = 0;
        for (Size i = 0; i < n; ++i) some += range.doubtful(static_cast<double>(y[i])) ? 1 : 0;
        if (some > 0) doubtful += some;
    });
    if (doubtful == 0) return;
    if (far_more_one_by_one(shape, doubtful) && long_norms(shape, p, call, io)) return;
    norms.each_run([&](Size image, X* y, Size first, Size n) {
        for (Size i = 0; i < n; ++i) {
            if (range.doubtful(static_cast<double>(y[i]))) y[i] = static_cast<X>(norms.anew(image, first + i));
        }
    });
}

template void mend_norms(const PoolShape&, double, const PoolCall&, const PoolOperands<float>&);
template void mend_norms(const PoolShape&, double, const PoolCall&, const PoolOperands<double>&);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/lp_gradient.hpp"

#include <cmath>

#include "core/buffer.hpp"
#include "core/parallel.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 16 << 10;  // elements

// v^e, without a call where the exponent is one of those that p = 1, 2, 3 bring.
double raised(double v, double e) { return e == 0 ? 1 : e == 1 ? v : e == 2 ? v * v : e == -1 ? 1 / v : e == -2 ? 1 / (v * v) : std::pow(v, e); }

struct Rows {
    Layout layout;
    Size batch, channels, depth, height, width;

    // body(offset in a dense array, distance there of neighbours, image, channel, depth, height) for each row of each channel.
    template <class Body>
    void each(int threads, const Body& body) const {
        const bool last = layout == Layout::channels_last;
        const Size rows = depth * height, plane = rows * width;
        const int used = batch * channels * plane < worth_threads ? 1 : threads;
        parallel_for(batch * rows, used, [&](Size task, int) {
            const Size image = task / rows, row = task % rows;
            for (Size c = 0; c < channels; ++c) {
                const Size at = last ? (image * plane + row * width) * channels + c : (image * channels + c) * plane + row * width;
                body(at, last ? channels : 1, image, c, row / height, row % height);
            }
        });
    }
};

Rows rows_of(const PoolShape& s, Layout layout, std::int64_t Axis::* size) {
    return {layout, s.batch, s.channels, s.axis[0].*size, s.axis[1].*size, s.axis[2].*size};
}

template <class X>
const X* at(const TensorView<const X>& v, Size image, Size c, Size d, Size h) {
    return v.data + image * v.batch + c * v.channel + d * v.spatial[0] + h * v.spatial[1];
}

TensorView<const double> dense_view(const double* data, const PoolShape& s, Layout layout, std::int64_t Axis::* size) {
    const Size w = s.axis[2].*size, h = s.axis[1].*size, plane = s.axis[0].*size * h * w;
    const Size unit = layout == Layout::channels_last ? s.channels : 1;
    return {data, s.channels * plane, layout == Layout::channels_last ? 1 : plane, {h * w * unit, w * unit, unit}};
}

}  // namespace

template <class X>
void lp_pool_gradient(const PoolShape& s, double p, const PoolCall& call, const TensorView<const X>& x, const TensorView<const X>& g, X* y,
                      Size y_batch) {
    const Size n = s.planes() * s.outputs(), m = s.planes() * s.inputs();
    if (n == 0 || m == 0) return;
    const Buffer share(static_cast<std::size_t>(n) * sizeof(double)), wide(static_cast<std::size_t>(m) * sizeof(double));
    double *t = share.as<double>(), *v = wide.as<double>();
    const Rows inputs = rows_of(s, call.layout, &Axis::input), outputs = rows_of(s, call.layout, &Axis::output);
    inputs.each(call.threads, [&](Size to, Size step, Size image, Size c, Size d, Size h) {
        const X* from = at(x, image, c, d, h);
        for (Size w = 0; w < inputs.width; ++w) v[to + w * step] = static_cast<double>(from[w * x.spatial[2]]);
    });
    PoolOperands<double> norms{dense_view(v, s, call.layout, &Axis::input), t, s.channels * s.outputs()};
    lp_pool(s, p, call, norms);
    outputs.each(call.threads, [&](Size to, Size step, Size image, Size c, Size d, Size h) {
        const X* from = at(g, image, c, d, h);
        for (Size w = 0; w < outputs.width; ++w) {
            double& norm = t[to + w * step];
            norm = norm == 0 ? 0 : static_cast<double>(from[w * g.spatial[2]]) * raised(norm, 1 - p);
        }
    });
    PoolOperands<double> sums{dense_view(t, s, call.layout, &Axis::output), v, s.channels * s.inputs()};
    avg_pool_gradient(s, {true, 1}, call, sums);
    inputs.each(call.threads, [&](Size from, Size step, Size image, Size c, Size d, Size h) {
        const X* value = at(x, image, c, d, h);
        X* to = y + image * y_batch + (from - image * s.channels * s.inputs());
        for (Size w = 0; w < inputs.width; ++w) {
            const double a = static_cast<double>(value[w * x.spatial[2]]);
            const double slope = a == 0 ? 0 : std::copysign(raised(std::abs(a), p - 1), a);
            to[w * step] = static_cast<X>(v[from + w * step] * slope);
        }
    });
}

template void lp_pool_gradient(const PoolShape&, double, const PoolCall&, const TensorView<const float>&, const TensorView<const float>&,
                               float*, Size);
template void lp_pool_gradient(const PoolShape&, double, const PoolCall&, const TensorView<const double>&,
                               const TensorView<const double>&, double*, Size);

}  // namespace npconv

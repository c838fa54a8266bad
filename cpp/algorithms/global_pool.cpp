// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/global_pool.hpp"

#include <algorithm>

#include "algorithms/kernel_runs.hpp"
#include "core/buffer.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size part_cells = 32 << 10;   // of a plane that is cut
constexpr Size enough_tasks = 64;
constexpr Size planes_at_once = 64;     // short planes of one task
constexpr Size worth_threads = 64 << 10;  // elements
constexpr Size channels_at_once = 256;

// The planes of a call: pixels one after the other, `step` apart.
template <class X>
struct Planes {
    const PoolShape& shape;
    const PoolCall& call;
    const PoolOperands<X>& io;
    const PoolKernels<X>& kernels;
    const bool last;
    const Size pixels;
    Size step = 1;
    bool steady = true;  // channels first: side by side; channels last: channels side by side
    EvenSplit parts;

    Planes(const PoolShape& s, const PoolCall& c, const PoolOperands<X>& o)
        : shape(s),
          call(c),
          io(o),
          kernels(pool_kernels_of<X>(*c.kernels)),
          last(c.layout == Layout::channels_last && s.channels > 1),
          pixels(s.inputs()) {
        Size expected = 0;
        for (std::size_t a = 3; a-- > 0;) {
            const Size n = s.axis[a].input;
            if (n == 1) continue;
            if (expected == 0) step = expected = o.x.spatial[a];
            steady = steady && o.x.spatial[a] == expected;
            expected *= n;
        }
        steady = steady && (last ? o.x.channel == 1 : step == 1);
        const Size groups = last ? s.batch * ceil_div(s.channels, channels_at_once) : s.planes();
        const Size cells = last ? std::max<Size>(part_cells / std::min(s.channels, channels_at_once), 1) : part_cells;
        const Size most = std::max<Size>(ceil_div(enough_tasks, groups), 1);
        parts = EvenSplit(pixels, std::clamp<Size>(pixels / cells, 1, most));
        if (last) parts = EvenSplit(pixels, std::max(parts.parts, ceil_div(pixels, 1 << 16)));  // sums of parts are added in pairs
    }

    int threads() const { return shape.planes() * pixels < worth_threads ? 1 : call.threads; }
    const X* plane(Size p) const { return io.x.data + p / shape.channels * io.x.batch + p % shape.channels * io.x.channel; }
    X& result(Size p) const { return io.y[p / shape.channels * io.y_batch + p % shape.channels]; }

    // body(image, first channel, channels, part)
    template <class Body>
    void each_block(const Body& body) const {
        const EvenSplit channels = split_by(shape.channels, channels_at_once);
        parallel_for(shape.batch * channels.parts * parts.parts, threads(), [&](Size task, int) {
            const Size part = task % parts.parts, block = task / parts.parts % channels.parts;
            body(task / parts.parts / channels.parts, channels.begin(block), channels.length(block), part);
        });
    }
};

double in_pairs(const double* v, Size n, Size stride) {
    return n == 1 ? v[0] : in_pairs(v, n / 2, stride) + in_pairs(v + n / 2 * stride, n - n / 2, stride);
}

}  // namespace

template <class X>
bool global_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    const Planes<X> p(shape, call, io);
    if (!p.steady) return false;
    const Size planes = shape.planes(), n = p.parts.parts;
    const double pixels = static_cast<double>(p.pixels);
    count_kernel_run(*call.kernels);
    const bool dense = (io.x.channel == p.pixels || shape.channels == 1) && (io.x.batch == shape.channels * io.x.channel || shape.batch == 1);
    if (!p.last && n == 1 && dense) {
        const EvenSplit groups = split_by(planes, planes_at_once);
        parallel_for(groups.parts, p.threads(), [&](Size g, int) {
            double sums[planes_at_once];
            const Size first = groups.begin(g), count = groups.length(g);
            p.kernels.sums_of_planes(p.plane(first), p.pixels, count, sums);
            for (Size i = 0; i < count; ++i) p.result(first + i) = static_cast<X>(sums[i] / pixels);
        });
        return true;
    }
    const Buffer buffer(static_cast<std::size_t>(planes * n) * sizeof(double));
    double* sums = buffer.as<double>();  // [part][plane]
    if (p.last) {
        p.each_block([&](Size image, Size c, Size channels, Size part) {
            double* to = sums + part * planes + image * shape.channels + c;
            std::fill_n(to, channels, 0.0);
            const X* x = io.x.data + image * io.x.batch + c + p.parts.begin(part) * p.step;
            p.kernels.add_pixels(x, p.step, p.parts.length(part), channels, to);
        });
    } else {
        parallel_for(planes * n, p.threads(), [&](Size task, int) {
            const Size plane = task / n, part = task % n;
            sums[part * planes + plane] = p.kernels.sum_of_run(p.plane(plane) + p.parts.begin(part), p.parts.length(part));
        });
    }
    for (Size i = 0; i < planes; ++i) p.result(i) = static_cast<X>(in_pairs(sums + i, n, planes) / pixels);
    return true;
}

template <class X>
bool global_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    const Planes<X> p(shape, call, io);
    if (!p.steady) return false;
    const Size planes = shape.planes(), n = p.parts.parts;
    count_kernel_run(*call.kernels);
    const Buffer buffer(static_cast<std::size_t>(planes * n) * sizeof(X));
    X* maxima = buffer.as<X>();  // [part][plane]
    if (p.last) {
        p.each_block([&](Size image, Size c, Size channels, Size part) {
            X* to = maxima + part * planes + image * shape.channels + c;
            const X* x = io.x.data + image * io.x.batch + c + p.parts.begin(part) * p.step;
            std::copy_n(x, channels, to);
            p.kernels.join_pixels(x + p.step, p.step, p.parts.length(part) - 1, channels, to);
        });
    } else {
        parallel_for(planes * n, p.threads(), [&](Size task, int) {
            const Size plane = task / n, part = task % n;
            const X* x = p.plane(plane) + p.parts.begin(part);
            X v = p.kernels.maximum_of_run(x, p.parts.length(part));
            // Which zero comes first, or which NaN last, the kernel does not say.
            if (v == X(0)) v = *std::find(x, x + p.parts.length(part), v);
            if (v != v) {
                for (x += p.parts.length(part) - 1; *x == *x;) --x;
                v = *x;
            }
            maxima[part * planes + plane] = v;
        });
    }
    for (Size i = 0; i < planes; ++i) {
        X v = maxima[i];
        for (Size part = 1; part < n; ++part) {
            const X next = maxima[part * planes + i];
            if (next > v || next != next) v = next;
        }
        p.result(i) = v;
    }
    return true;
}

template <class X>
void fill_global_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    const bool last = call.layout == Layout::channels_last && shape.channels > 1;
    const Size pixels = shape.inputs(), channels = shape.channels;
    const X divisor = static_cast<X>(pixels);
    const int threads = shape.planes() * pixels < worth_threads ? 1 : call.threads;
    const Size groups = last ? shape.batch : shape.planes();
    const EvenSplit parts(pixels, std::clamp<Size>(pixels * (last ? channels : 1) / part_cells, 1, std::min(enough_tasks, pixels)));
    count_kernel_run(*call.kernels);
    const Size together = last ? 1 : std::clamp<Size>(4096 / pixels, 1, groups);
    const EvenSplit planes = split_by(groups, together);
    parallel_for(planes.parts * parts.parts, threads, [&](Size task, int) {
        const Size part = task % parts.parts, bundle = task / parts.parts;
        for (Size g = planes.begin(bundle); g < planes.begin(bundle + 1); ++g) {
            if (!last) {
                const X v = io.x.data[g / channels * io.x.batch + g % channels * io.x.channel] / divisor;
                std::fill_n(io.y + g / channels * io.y_batch + g % channels * pixels + parts.begin(part), parts.length(part), v);
                continue;
            }
            X* y = io.y + g * io.y_batch + parts.begin(part) * channels;
            const X* x = io.x.data + g * io.x.batch;
            for (Size c = 0; c < channels; ++c) y[c] = x[c * io.x.channel] / divisor;
            for (Size i = 1; i < parts.length(part); ++i) std::copy_n(y, channels, y + i * channels);
        }
    });
}

#define NPCONV_GLOBAL_MAX(X) template bool global_max_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&);
NPCONV_GLOBAL_MAX(float)
NPCONV_GLOBAL_MAX(double)
NPCONV_GLOBAL_MAX(std::int8_t)
NPCONV_GLOBAL_MAX(std::uint8_t)
NPCONV_GLOBAL_MAX(std::int16_t)
NPCONV_GLOBAL_MAX(std::int32_t)
NPCONV_GLOBAL_MAX(std::int64_t)
#undef NPCONV_GLOBAL_MAX
template bool global_avg_pool(const PoolShape&, const PoolCall&, const PoolOperands<float>&);
template bool global_avg_pool(const PoolShape&, const PoolCall&, const PoolOperands<double>&);
template void fill_global_gradient(const PoolShape&, const PoolCall&, const PoolOperands<float>&);
template void fill_global_gradient(const PoolShape&, const PoolCall&, const PoolOperands<double>&);

}  // namespace npconv

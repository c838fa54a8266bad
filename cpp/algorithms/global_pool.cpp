// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/global_pool.hpp"

#include <algorithm>
#include <cmath>

#include "algorithms/adaptive_pool.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/pairwise_sum.hpp"
#include "algorithms/pixels.hpp"
#include "algorithms/reversed.hpp"
#include "algorithms/scatter.hpp"
#include "core/buffer.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size part_cells = 32 << 10;  // of a plane that is cut
constexpr Size enough_tasks = 64;
constexpr Size run_of_kernel = 4096;      // values that a kernel sums at once; of a copy, too
constexpr Size short_planes = 64;         // that a task takes at once
constexpr Size worth_threads = 64 << 10;  // elements
constexpr Size channels_at_once = 64;
constexpr Size short_pixels = 64;  // of a plane, channels last: a run for the kernel
constexpr Size wide_block = 1024;  // channels then

// The planes of a call, each cut into parts.
template <class X>
struct Planes {
    const PoolShape& shape;
    const PoolCall& call;
    const PoolData<X> io;
    const PoolKernels<X>& kernels;
    const bool last;
    const Size pixels;
    const PixelRuns<X> read;
    EvenSplit channels;  // channels last: blocks
    EvenSplit parts;

    Planes(const PoolShape& s, const PoolCall& c, const PoolOperands& o)
        : shape(s),
          call(c),
          io(o),
          kernels(pool_kernels_of<X>(*c.on->kernels)),
          last(c.channels_last(s)),
          pixels(s.inputs()),
          read(io.x, {s.axis[0].input, s.axis[1].input, s.axis[2].input}, s.channels, last, true),
          channels(split_by(s.channels, channels_at_once)) {
        const Size groups = last ? s.batch * channels.parts : s.planes();
        const Size cells = last ? part_cells / std::min(s.channels, channels_at_once) : part_cells;
        parts = EvenSplit(pixels, std::clamp<Size>(pixels / cells, 1, std::max<Size>(ceil_div(enough_tasks, groups), 1)));
    }

    int threads() const { return shape.planes() * pixels < worth_threads ? 1 : call.threads; }
    X& result(Size p) const { return io.y[p / shape.channels * io.y_batch + p % shape.channels]; }
    double exact_sum(Size plane) const {
        X copy[run_of_kernel];
        PairwiseSum sum;
        for (Size p = 0; p < pixels; p += run_of_kernel) {
            const Size n = std::min(run_of_kernel, pixels - p);
            const auto run = read.run(plane / shape.channels, plane % shape.channels, 1, p, n, copy);
            for (Size i = 0; i < n; ++i) sum.add(static_cast<double>(run.data[i * run.apart]));
        }
        return sum.total();
    }

    // body(pixels of `count` channels side by side, their distance, how many) for a part of some channels, run by run.
    template <class Body>
    void each_run(Size image, Size first, Size count, Size part, const Body& body) const {
        X copy[run_of_kernel];
        const Size most = last ? run_of_kernel / channels_at_once * (channels_at_once / count) : run_of_kernel;
        for (Size p = parts.begin(part); p < parts.begin(part + 1); p += most) {
            const Size n = std::min(most, parts.begin(part + 1) - p);
            const auto run = read.run(image, first, count, p, n, copy);
            body(run.data, run.apart, n);
        }
    }

    // body(image, first channel, channels, part): blocks of channels (channels first: one), in parallel.
    template <class Body>
    void each(const Body& body) const {
        const EvenSplit blocks = last ? channels : EvenSplit(shape.channels, shape.channels);
        parallel_for(shape.batch * blocks.parts * parts.parts, threads(), [&](Size task, int) {
            const Size part = task % parts.parts, block = task / parts.parts % blocks.parts;
            body(task / parts.parts / blocks.parts, blocks.begin(block), blocks.length(block), part);
        });
    }
};

// Averages of the planes of a call.
template <class X>
struct Averages {
    const Planes<X> p;
    const Size planes = p.shape.planes(), n = p.parts.parts;

    X average(double sum) const {
        const double pixels = static_cast<double>(p.pixels);
        return static_cast<X>(sizeof(X) == 4 ? sum * (1 / pixels) : sum / pixels);  // float32: its rounding is all that counts
    }
    void finish(Size plane, double sum) const {
        if (!std::isfinite(sum)) sum = p.exact_sum(plane);  // perhaps by the float32 sums of a few
        p.result(plane) = average(sum);
    }

    void run() const {
        if (p.last && n == 1 && p.read.in_place() && p.pixels <= short_pixels) return of_short_pixels();
        if (!p.last && n == 1 && p.pixels <= run_of_kernel / short_planes) return of_short_planes();
        const Buffer buffer(static_cast<std::size_t>(n > 1 ? planes * n : 0) * sizeof(double));
        double* sums = buffer.as<double>();  // [part][plane]
        const auto put = [&](Size plane, Size part, double sum) {
            if (n == 1)
                finish(plane, sum);
            else
                sums[part * planes + plane] = sum;
        };
        p.each([&](Size image, Size first, Size count, Size part) {
            const Size plane = image * p.shape.channels + first;
            PairwiseSums<channels_at_once> total(count);
            p.each_run(image, first, count, part, [&](const X* x, Size step, Size pixels_of_run) {
                double some[channels_at_once];
                if (p.last)
                    p.kernels.sums_of_pixels(x, step, pixels_of_run, count, some);
                else
                    some[0] = p.kernels.sum_of_run(x, pixels_of_run);
                total.add(some);
            });
            double all[channels_at_once];
            total.total(all);
            for (Size c = 0; c < count; ++c) put(plane + c, part, all[c]);
        });
        if (call_stopped()) return;
        for (Size plane = 0; n > 1 && plane < planes; ++plane) {
            PairwiseSum total;
            for (Size part = 0; part < n; ++part) total.add(sums[part * planes + plane]);
            finish(plane, total.total());
        }
    }

    void of_short_pixels() const {
        const Size channels = p.shape.channels;
        const EvenSplit blocks = split_by(channels, wide_block);
        parallel_for(p.shape.batch * blocks.parts, p.threads(), [&](Size task, int) {
            double sums[wide_block];
            const Size image = task / blocks.parts, first = blocks.begin(task % blocks.parts), count = blocks.length(task % blocks.parts);
            p.kernels.sums_of_pixels(p.read.at(image, first), p.read.step(), p.pixels, count, sums);
            X* y = &p.result(image * channels + first);
            bool finite = true;
            for (Size c = 0; c < count; ++c) {
                finite &= std::isfinite(sums[c]);
                y[c] = average(sums[c]);
            }
            for (Size c = 0; !finite && c < count; ++c) finish(image * channels + first + c, sums[c]);
        });
    }

    void of_short_planes() const {
        const Size channels = p.shape.channels;
        const bool dense = p.read.in_place() && (p.io.x.channel == p.pixels || channels == 1) &&
                           (p.io.x.batch == channels * p.pixels || p.shape.batch == 1);
        const EvenSplit groups = split_by(planes, short_planes);
        parallel_for(groups.parts, p.threads(), [&](Size g, int) {
            double sums[short_planes];
            const Size first = groups.begin(g), count = groups.length(g);
            if (dense) {
                p.kernels.sums_of_runs(p.read.at(first / channels, first % channels), p.pixels, count, sums);
            } else {
                X copy[run_of_kernel] = {};
                for (Size i = first; i < first + count; ++i) {
                    X* to = copy + (i - first) * p.pixels;
                    const auto run = p.read.run(i / channels, i % channels, 1, 0, p.pixels, to);
                    if (run.data != to) std::copy_n(run.data, p.pixels, to);
                }
                p.kernels.sums_of_runs(copy, p.pixels, count, sums);
            }
            for (Size i = 0; i < count; ++i) finish(first + i, sums[i]);
        });
    }
};

template <class X>
void maxima(const Planes<X>& p) {
    const PoolShape& shape = p.shape;
    const Size planes = shape.planes(), n = p.parts.parts;
    const Buffer buffer(static_cast<std::size_t>(n > 1 ? planes * n : 0) * sizeof(X));
    X* maxima = buffer.as<X>();  // [part][plane], of several parts
    const auto join = [](X& first, X second) {
        if (newer(first, second)) first = second;
    };
    p.each([&](Size image, Size first, Size count, Size part) {
        const Size plane = image * shape.channels + first;
        X* to = n > 1 ? maxima + part * planes + plane : &p.result(plane);
        bool begun = false;
        p.each_run(image, first, count, part, [&](const X* x, Size step, Size length) {
            if (!begun) std::copy_n(x, count, to);
            begun = true;
            if (p.last) return p.kernels.join_pixels(x, step, length, count, to);
            X v = p.kernels.maximum_of_run(x, length);
            // Which zero comes first, or which NaN last, the kernel does not say.
            if (v == X(0) || v != v) v = x[place_of(x, length, v)];
            join(*to, v);
        });
    });
    for (Size plane = 0; n > 1 && plane < planes; ++plane) {
        X v = maxima[plane];
        for (Size part = 1; part < n; ++part) join(v, maxima[part * planes + plane]);
        p.result(plane) = v;
    }
}

template <class X>
void fill(const PoolShape& shape, const PoolCall& call, const PoolData<X>& io) {
    const bool last = call.channels_last(shape);
    const Size pixels = shape.inputs(), channels = shape.channels;
    const X divisor = static_cast<X>(pixels);
    const int threads = shape.planes() * pixels < worth_threads ? 1 : call.threads;
    const Size groups = last ? shape.batch : shape.planes();
    const EvenSplit parts(pixels, std::clamp<Size>(pixels * (last ? channels : 1) / part_cells, 1, std::min(enough_tasks, pixels)));
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

}  // namespace

void global_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io) {
    count_kernel_run(*call.on->kernels);
    with_real(call.dtype, [&]<class X>(X) { Averages<X>{Planes<X>(shape, call, io)}.run(); });
}

void global_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io) {
    count_kernel_run(*call.on->kernels);
    with_type(call.dtype, [&]<class X>(X) { maxima(Planes<X>(shape, call, io)); });
}

void global_max_pool_gradient(const PoolShape& shape, const PoolCall& call, const AnyView& x, const AnyView& g, void* y, Size y_batch) {
    if (shape.empty()) return;
    const Size bytes = size_of(call.dtype);
    const bool last = call.channels_last(shape);
    // Some images at once, or some channels of one.
    constexpr Size at_once = 1 << 16;
    const EvenSplit channels = split_by(shape.channels, at_once),
                    images = split_by(shape.batch, std::max<Size>(at_once / channels.longest(), 1));
    const Size planes = channels.longest() * images.longest();
    const Buffer places(static_cast<std::size_t>(planes) * sizeof(Size)), maxima(static_cast<std::size_t>(planes * bytes));
    for (Size i = 0; i < images.parts; ++i) {
        for (Size c = 0; c < channels.parts; ++c) {
            PoolShape part = shape;
            part.batch = images.length(i);
            part.channels = channels.length(c);
            const auto from = [&](AnyView view) {
                view.data = static_cast<const char*>(view.data) + (images.begin(i) * view.batch + channels.begin(c) * view.channel) * bytes;
                return view;
            };
            adaptive_max_pool(part, call, {from(x), maxima.as<char>(), part.channels, places.as<Size>()});
            PlacedShape placed(part.batch, part.channels, {1, 1, 1}, {shape.axis[0].input, shape.axis[1].input, shape.axis[2].input});
            placed.pixel = last ? shape.channels : 0;
            const Size offset = images.begin(i) * y_batch + channels.begin(c) * (last ? 1 : shape.inputs());
            add_at_places(placed, call, from(g), PlacesView{places.as<Size>(), part.channels, 1, {0, 0, 0}},
                          static_cast<char*>(y) + offset * bytes, y_batch);
        }
    }
}

void fill_global_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands& io) {
    count_kernel_run(*call.on->kernels);
    with_real(call.dtype, [&]<class X>(X) { fill(shape, call, PoolData<X>(io)); });
}

}  // namespace npconv

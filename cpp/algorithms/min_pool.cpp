// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/min_pool.hpp"

#include <limits>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/pool_windows.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size enough_tasks = 64;
constexpr Size worth_threads = 32 << 10;  // elements of x or y
constexpr Size most_copied = 1024;        // values of a row, flipped

template <class X>
struct Minima {
    const PoolShape& shape;
    const PoolOperands<X>& io;
    const PoolKernels<X>& kernels;
    const WindowAxes axes;
    const bool last;  // channels last

    Minima(const PoolShape& s, const PoolCall& call, const PoolOperands<X>& o)
        : shape(s),
          io(o),
          kernels(pool_kernels_of<X>(*call.kernels)),
          axes(s),
          last(call.layout == Layout::channels_last && s.channels > 1) {}

    // body(where the first element stands in x, its place in the plane, the step to the next place, n) for the rows of the window of
    // output o, in parts of n <= most elements.
    template <class Body>
    void each_part(Size o, Size most, const Body& body) const {
        const Size height = shape.axis[1].output, width = shape.axis[2].output;
        const Window d = axes.at(0, o / width / height), h = axes.at(1, o / width % height), w = axes.at(2, o % width);
        const auto& step = io.x.spatial;
        for (Size i = d.first, slices = 0; slices < d.count; ++slices, i += d.step) {
            for (Size j = h.first, rows = 0; rows < h.count; ++rows, j += h.step) {
                for (Size k = 0; k < w.count; k += most) {
                    const Size at = w.first + k * w.step;
                    body(i * step[0] + j * step[1] + at * step[2], (i * shape.axis[1].input + j) * shape.axis[2].input + at, w.step,
                         std::min(most, w.count - k));
                }
            }
        }
    }

    static bool newer(X first, X second) { return second > first || second != second; }

    // The first of equal values, the last NaN.
    void of_plane(Size image, Size channel, Size o) const {
        const X* x = io.x.data + image * io.x.batch + channel * io.x.channel;
        const Size result = channel * shape.outputs() + o;
        X best = flipped(nothing()), copy[most_copied];
        Size place = -1;
        each_part(o, most_copied, [&](Size from, Size at, Size apart, Size n) {
            flip(x + from, apart * io.x.spatial[2], n, copy);
            const X v = kernels.maximum_of_run(copy, n);
            if (place >= 0 && !newer(best, v)) return;
            Size k = v == v ? 0 : n - 1;
            if (v == v)
                while (copy[k] != v) ++k;
            else
                while (copy[k] == copy[k]) --k;
            best = copy[k];
            place = at + k * apart;
        });
        io.y[image * io.y_batch + result] = flipped(best);
        if (io.places) io.places[image * shape.channels * shape.outputs() + result] = place;
    }

    void of_pixel(Size image, Size o) const {
        const Size channels = shape.channels;
        X copy[most_copied];
        for (Size c = 0; c < channels; c += most_copied) {
            const Size n = std::min(most_copied, channels - c);
            const X* x = io.x.data + image * io.x.batch + c * io.x.channel;
            X* y = io.y + image * io.y_batch + o * channels + c;
            Size* places = io.places ? io.places + image * channels * shape.outputs() + o * channels + c : nullptr;
            bool first = true;
            std::fill_n(y, n, flipped(nothing()));
            if (places) std::fill_n(places, n, Size{-1});
            each_part(o, places ? 1 : std::max<Size>(most_copied / n, 1), [&](Size from, Size at, Size apart, Size pixels) {
                for (Size p = 0; p < pixels; ++p) flip(x + from + p * apart * io.x.spatial[2], io.x.channel, n, copy + p * n);
                if (!places) {
                    if (first) std::copy_n(copy, n, y);
                    kernels.join_pixels(copy, n, pixels, n, y);
                }
                for (Size l = 0; places && l < n; ++l) {
                    if (!first && !newer(y[l], copy[l])) continue;
                    y[l] = copy[l];
                    places[l] = at;
                }
                first = false;
            });
            for (Size l = 0; l < n; ++l) y[l] = flipped(y[l]);
        }
    }

    // The result of a window that has no element of x.
    static constexpr X nothing() {
        return std::numeric_limits<X>::has_infinity ? std::numeric_limits<X>::infinity() : std::numeric_limits<X>::max();
    }
};

}  // namespace

template <class X>
void min_of_windows(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    const Minima<X> minima(shape, call, io);
    const Size planes = minima.last ? shape.batch : shape.planes(), outputs = shape.outputs();
    const EvenSplit split(outputs, std::clamp<Size>(enough_tasks / planes, 1, outputs));
    const Size work = std::max(shape.inputs(), outputs) * shape.planes();
    count_kernel_run(*call.kernels);
    parallel_for(planes * split.parts, work < worth_threads ? 1 : call.threads, [&](Size task, int) {
        const Size plane = task / split.parts, part = task % split.parts;
        for (Size o = split.begin(part); o < split.begin(part + 1); ++o) {
            if (minima.last)
                minima.of_pixel(plane, o);
            else
                minima.of_plane(plane / shape.channels, plane % shape.channels, o);
        }
    });
}

#define NPCONV_MIN_OF_WINDOWS(X) template void min_of_windows(const PoolShape&, const PoolCall&, const PoolOperands<X>&);
NPCONV_MIN_OF_WINDOWS(float)
NPCONV_MIN_OF_WINDOWS(double)
NPCONV_MIN_OF_WINDOWS(std::int8_t)
NPCONV_MIN_OF_WINDOWS(std::uint8_t)
NPCONV_MIN_OF_WINDOWS(std::int16_t)
NPCONV_MIN_OF_WINDOWS(std::int32_t)
NPCONV_MIN_OF_WINDOWS(std::int64_t)
#undef NPCONV_MIN_OF_WINDOWS

}  // namespace npconv

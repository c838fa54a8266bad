// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/unfold.hpp"

#include <algorithm>

#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/window_axes.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

struct Columns {
    const PoolShape& s;
    Size taps, outputs;
    bool last;
    int threads;

    Columns(const PoolShape& shape, const PoolCall& call)
        : s(shape),
          taps(shape.axis[0].kernel * shape.axis[1].kernel * shape.axis[2].kernel),
          outputs(shape.outputs()),
          last(call.layout == Layout::channels_last),
          threads(threads_for(shape.planes() * outputs * taps, call.threads)) {}

    // Of a row of columns: image, channel (channels first), output depth and height.
    Size rows() const { return s.axis[0].output * s.axis[1].output; }
    Size width() const { return s.axis[2].output; }
    Size tap(Size d, Size h, Size w) const { return (d * s.axis[1].kernel + h) * s.axis[2].kernel + w; }
    // Where the columns of tap t and row r begin, of image and channel, and the distance of neighbours on the width.
    Size at(Size image, Size channel, Size t, Size r) const {
        return last ? ((image * outputs + r * width()) * taps + t) * s.channels + channel
                    : ((image * s.channels + channel) * taps + t) * outputs + r * width();
    }
    Size step() const { return last ? taps * s.channels : 1; }
};

template <class X>
void copy_windows(const Columns& c, const TensorView<const X>& x, X* columns) {
    const PoolShape& s = c.s;
    const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
    const Size groups = c.last ? 1 : s.channels, run = c.last ? s.channels : 1;  // channels that stand side by side in the columns
    parallel_for(s.batch * groups * c.rows(), c.threads, [&](Size task, int) {
        const Size row = task % c.rows(), channel = task / c.rows() % groups, image = task / c.rows() / groups;
        for (Size kd = 0; kd < d.kernel; ++kd) {
            for (Size kh = 0; kh < h.kernel; ++kh) {
                const Size id = d.at(row / h.output, kd), ih = h.at(row % h.output, kh);
                const bool there = id >= 0 && id < d.input && ih >= 0 && ih < h.input;
                const X* from = x.data + image * x.batch + channel * x.channel;
                if (there) from += id * x.spatial[0] + ih * x.spatial[1];
                for (Size kw = 0; kw < w.kernel; ++kw) {
                    X* to = columns + c.at(image, channel, c.tap(kd, kh, kw), row);
                    const Inside in = there ? inside(w.at(0, kw), w.stride, w.input, 0, w.output) : Inside{0, 0};
                    const Size step = c.step();
                    for (Size o = 0; o < in.begin; ++o) std::fill_n(to + o * step, run, X(0));
                    for (Size o = in.begin; o < in.end; ++o) {
                        const X* pixel = from + w.at(o, kw) * x.spatial[2];
                        for (Size i = 0; i < run; ++i) to[o * step + i] = pixel[i * x.channel];
                    }
                    for (Size o = in.end; o < w.output; ++o) std::fill_n(to + o * step, run, X(0));
                }
            }
        }
    });
}

template <class X>
void add_windows(const Columns& c, const ColumnsView& columns, X* y) {
    const PoolShape& s = c.s;
    const Axis &d = s.axis[0], &h = s.axis[1], &w = s.axis[2];
    const Size groups = c.last ? 1 : s.channels, run = c.last ? s.channels : 1, rows = d.input * h.input;
    parallel_for(s.batch * groups * rows, c.threads, [&](Size task, int) {
        const Size row = task % rows, channel = task / rows % groups, image = task / rows / groups;
        X* to = y + task * w.input * run;
        std::fill_n(to, w.input * run, X(0));
        for (Size kd = 0; kd < d.kernel; ++kd) {
            const Size od = output_at(d, row / h.input, kd);
            for (Size kh = 0; od >= 0 && kh < h.kernel; ++kh) {
                const Size oh = output_at(h, row % h.input, kh);
                for (Size kw = 0; oh >= 0 && kw < w.kernel; ++kw) {
                    const Size tap = c.tap(kd, kh, kw), row_of_columns = c.last ? tap * s.channels + channel : channel * c.taps + tap;
                    const X* from = static_cast<const X*>(columns.data) + image * columns.batch + row_of_columns * columns.row +
                                    (od * h.output + oh) * w.output * columns.output;
                    const Inside in = inside(w.at(0, kw), w.stride, w.input, 0, w.output);
                    for (Size o = in.begin; o < in.end; ++o) {
                        X* pixel = to + w.at(o, kw) * run;
                        for (Size i = 0; i < run; ++i) pixel[i] += from[o * columns.output + i * columns.row];
                    }
                }
            }
        }
    });
}

}  // namespace

void unfold(const PoolShape& shape, const PoolCall& call, const AnyView& x, void* columns) {
    with_real(call.dtype, [&]<class X>(X) { copy_windows(Columns(shape, call), typed<X>(x), static_cast<X*>(columns)); });
}

void fold(const PoolShape& shape, const PoolCall& call, const ColumnsView& columns, void* y) {
    with_real(call.dtype, [&]<class X>(X) { add_windows(Columns(shape, call), columns, static_cast<X*>(y)); });
}

}  // namespace npconv

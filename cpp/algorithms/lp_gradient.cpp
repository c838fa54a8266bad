// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/lp_gradient.hpp"

#include <algorithm>
#include <cmath>

#include "core/buffer.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 16 << 10;  // elements

// v^e, without a call where the exponent is one of those that p = 1, 2, 3 bring.
double raised(double v, double e) {
    return e == 0 ? 1 : e == 1 ? v : e == 2 ? v * v : e == -1 ? 1 / v : e == -2 ? 1 / (v * v) : std::pow(v, e);
}

// Some channels of an image. Their copies here are channels first.
template <class X>
class Block {
  public:
    Block(const PoolShape& shape, double power, const PoolCall& call) : s_(shape), p_(power), call_(call) {
        s_.batch = 1;
        call_.layout = Layout::channels_first;
    }

    // Channels that fit in `bytes`, at least one.
    Size most(Size bytes) const {
        return std::clamp<Size>(bytes / static_cast<Size>(sizeof(double)) / (s_.inputs() + s_.outputs()), 1, s_.channels);
    }
    Buffer memory(Size channels) const {
        return Buffer(static_cast<std::size_t>(channels * (s_.inputs() + s_.outputs())) * sizeof(double));
    }

    // y: elements `pixel` apart, channels `channel`.
    void run(Size channels, double* memory, const TensorView<const X>& x, const TensorView<const X>& g, X* y, Size pixel, Size channel) {
        s_.channels = channels;
        double *v = memory, *t = memory + channels * s_.inputs();
        const auto at = [](const TensorView<const X>& a, Size c, Size d, Size h) {
            return a.data + c * a.channel + d * a.spatial[0] + h * a.spatial[1];
        };
        rows(&Axis::input, [&](Size to, Size c, Size d, Size h, Size width) {
            const X* from = at(x, c, d, h);
            for (Size w = 0; w < width; ++w) v[to + w] = static_cast<double>(from[w * x.spatial[2]]);
        });
        lp_pool(s_, p_, call_, PoolOperands<double>{dense_view(v, &Axis::input), t, 0});
        rows(&Axis::output, [&](Size to, Size c, Size d, Size h, Size width) {
            const X* from = at(g, c, d, h);
            for (Size w = 0; w < width; ++w) {
                double& norm = t[to + w];
                norm = norm == 0 ? 0 : static_cast<double>(from[w * g.spatial[2]]) * raised(norm, 1 - p_);
            }
        });
        avg_pool_gradient(s_, {true, 1}, call_, PoolOperands<double>{dense_view(t, &Axis::output), v, 0});
        rows(&Axis::input, [&](Size from, Size c, Size d, Size h, Size width) {
            const X* value = at(x, c, d, h);
            X* to = y + c * channel + (from - c * s_.inputs()) * pixel;
            for (Size w = 0; w < width; ++w) {
                const double a = static_cast<double>(value[w * x.spatial[2]]);
                const double slope = a == 0 ? 0 : std::copysign(raised(std::abs(a), p_ - 1), a);
                to[w * pixel] = static_cast<X>(v[from + w] * slope);
            }
        });
    }

  private:
    // body(offset in a copy, channel, depth, height, width) for each row.
    template <class Body>
    void rows(Size Axis::*size, const Body& body) const {
        const Size depth = s_.axis[0].*size, height = s_.axis[1].*size, width = s_.axis[2].*size;
        const int threads = s_.channels * depth * height * width < worth_threads ? 1 : call_.threads;
        parallel_for(s_.channels * depth * height, threads,
                     [&](Size row, int) { body(row * width, row / height / depth, row / height % depth, row % height, width); });
    }
    TensorView<const double> dense_view(const double* data, Size Axis::*size) const {
        const Size w = s_.axis[2].*size, h = s_.axis[1].*size;
        return {data, 0, s_.axis[0].*size * h * w, {h * w, w, 1}};
    }

    PoolShape s_;
    double p_;
    PoolCall call_;
};

constexpr Size memory_bytes = 4 << 20;

}  // namespace

template <class X>
void lp_pool_gradient(const PoolShape& s, double p, const PoolCall& call, const TensorView<const X>& x, const TensorView<const X>& g, X* y,
                      Size y_batch) {
    if (s.planes() == 0) return;
    Block<X> block(s, p, call);
    const EvenSplit blocks = split_by(s.channels, block.most(memory_bytes));
    const Buffer memory = block.memory(blocks.longest());
    const bool last = call.layout == Layout::channels_last;
    const auto from = [](const TensorView<const X>& a, Size image, Size c) {
        TensorView<const X> part = a;
        part.data += image * a.batch + c * a.channel;
        return part;
    };
    for (Size image = 0; image < s.batch; ++image) {
        for (Size i = 0; i < blocks.parts; ++i) {
            const Size c = blocks.begin(i);
            block.run(blocks.length(i), memory.template as<double>(), from(x, image, c), from(g, image, c),
                      y + image * y_batch + (last ? c : c * s.inputs()), last ? s.channels : 1, last ? 1 : s.inputs());
        }
    }
}

template void lp_pool_gradient(const PoolShape&, double, const PoolCall&, const TensorView<const float>&, const TensorView<const float>&,
                               float*, Size);
template void lp_pool_gradient(const PoolShape&, double, const PoolCall&, const TensorView<const double>&, const TensorView<const double>&,
                               double*, Size);

}  // namespace npconv

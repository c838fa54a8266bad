// SPDX-License-Identifier: BSD-3-Clause
// Windows as boxes of the input: of ordinary and of adaptive pooling.
#pragma once
#include <array>
#include <cstdint>

#include "core/pool_shape.hpp"

namespace npconv {

// `count` inputs of one axis: first, first + step, ...
struct Window {
    std::int64_t first, count, step;
};

struct WindowBox {
    Window d, h, w;
    std::int64_t cells() const { return d.count * h.count * w.count; }
    // body(depth, height) of the rows of the window, in order.
    template <class Body>
    void each_row(const Body& body) const {
        for (std::int64_t i = 0; i < d.count; ++i) {
            for (std::int64_t j = 0; j < h.count; ++j) body(d.first + i * d.step, h.first + j * h.step);
        }
    }
};

// The output whose tap k stands at place i of the axis, or -1.
inline std::int64_t output_at(const Axis& a, std::int64_t i, std::int64_t k) {
    const std::int64_t start = i + a.pad_before - k * a.dilation;
    return start >= 0 && start % a.stride == 0 && start / a.stride < a.output ? start / a.stride : -1;
}

class WindowAxes {
  public:
    explicit WindowAxes(const PoolShape& shape) : axis_(shape.axis), adaptive_(false) {}
    static WindowAxes adaptive(const PoolShape& shape) {
        WindowAxes axes(shape);
        axes.adaptive_ = true;
        return axes;
    }
    Window at(std::size_t axis, std::int64_t o) const;
    // The window of output number o of a plane; its place on each axis.
    WindowBox box(std::int64_t o) const {
        const std::array<std::int64_t, 3> i = place(o);
        return {at(0, i[0]), at(1, i[1]), at(2, i[2])};
    }
    std::array<std::int64_t, 3> place(std::int64_t o) const {
        const std::int64_t height = axis_[1].output, width = axis_[2].output;
        return {o / width / height, o / width % height, o % width};
    }
    // Outputs whose windows hold input i: within begin..end, which may hold others, too, where windows are dilated.
    void outputs_of(std::size_t axis, std::int64_t i, std::int64_t& begin, std::int64_t& end) const;

  private:
    std::array<Axis, 3> axis_;
    bool adaptive_;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Windows of ordinary and adaptive pooling, as boxes of the input.
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
    // Calls body(depth, height) for each row of the window, in order.
    template <class Body>
    void each_row(const Body& body) const {
        for (std::int64_t i = 0; i < d.count; ++i) {
            for (std::int64_t j = 0; j < h.count; ++j) body(d.first + i * d.step, h.first + j * h.step);
        }
    }
};

// The output whose tap k meets input i of the axis, or -1.
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
    // The window of output o of a plane, counted row by row.
    WindowBox box(std::int64_t o) const {
        const std::array<std::int64_t, 3> i = place(o);
        return {at(0, i[0]), at(1, i[1]), at(2, i[2])};
    }
    std::array<std::int64_t, 3> place(std::int64_t o) const {
        const std::int64_t height = axis_[1].output, width = axis_[2].output;
        return {o / width / height, o / width % height, o % width};
    }
    // The range begin..end of the outputs whose windows hold input i. If windows are dilated, the range may include other outputs.
    void outputs_of(std::size_t axis, std::int64_t i, std::int64_t& begin, std::int64_t& end) const;

  private:
    std::array<Axis, 3> axis_;
    bool adaptive_;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Pooling window by window: adaptive and global pooling, and ordinary windows that the kernels are not made for (far larger than the
// input). Averages are summed in float64, see kernels/pool_windows.inl.
#pragma once
#include <array>
#include <cstdint>

#include "algorithms/pooling.hpp"
#include "core/pool_shape.hpp"

namespace npconv {

// The inputs first, first + step, ... of one axis: so many.
struct Window {
    std::int64_t first, count, step;
};

class WindowAxes {
  public:
    explicit WindowAxes(const PoolShape& shape) : axis_(shape.axis), adaptive_(false) {}
    static WindowAxes adaptive(const PoolShape& shape) {
        WindowAxes axes(shape);
        axes.adaptive_ = true;
        return axes;
    }
    Window at(std::size_t axis, std::int64_t o) const;
    // Outputs whose windows hold input i: within begin..end, which may hold others, too, where windows are dilated.
    void outputs_of(std::size_t axis, std::int64_t i, std::int64_t& begin, std::int64_t& end) const;

  private:
    std::array<Axis, 3> axis_;
    bool adaptive_;
};

template <class X>
void max_of_windows(const WindowAxes& axes, const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
void avg_of_windows(const WindowAxes& axes, const AverageRule& rule, const PoolShape& shape, const PoolCall& call,
                    const PoolOperands<X>& io);
template <class X>
void norm_of_windows(const WindowAxes& axes, double power, const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
// The gradient of an average, as avg_pool_gradient.
template <class X>
void spread_windows(const WindowAxes& axes, const AverageRule& rule, const PoolShape& shape, const PoolCall& call,
                    const PoolOperands<X>& io);

// Adaptive pooling; windows that are all alike go to the kernels of ordinary ones.
template <class X>
void adaptive_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
void adaptive_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
void adaptive_avg_pool_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);

}  // namespace npconv

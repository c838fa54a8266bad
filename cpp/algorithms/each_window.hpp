// SPDX-License-Identifier: BSD-3-Clause
// Pooling window by window: adaptive pooling, and windows that the kernels do not serve, because they are far larger than the input.
// Averages are summed in float64, see kernels/pool_runs.inl.
#pragma once
#include "algorithms/pooling.hpp"
#include "core/window_axes.hpp"

namespace npconv {

void pool_each_window(const WindowAxes& axes, const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands& io);
// The gradient of an average; arguments as for avg_pool_gradient.
void spread_each_window(const WindowAxes& axes, const PoolShape& shape, const AverageRule& rule, const PoolCall& call,
                        const PoolOperands& io);

}  // namespace npconv

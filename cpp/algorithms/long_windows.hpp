// SPDX-License-Identifier: BSD-3-Clause
// Pooling of windows that need more memory than the kernels have, and the gradients of averages and norms over such windows. A result costs
// two sources and a few joins, whatever the length of its window. Sums are in float64.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

// The execution must slide. It may be the gradient of an average.
void run_sliding_pool(const PoolExecution& execution, const PoolOperands& io, int threads);
// Computes doubtful norms (norms.hpp) again, whose sums of powers overflow or vanish. The execution must have `mending`.
void run_sliding_norms(const PoolExecution& execution, const PoolOperands& io, int threads);
// The gradient of norms, with a tiling of LongKind::norm_gradient. x_scale: a power of two by which elements of x are multiplied. The
// gradient does not depend on it.
void run_sliding_norm_gradient(const LongTiling& tiling, double power, double x_scale, const PoolCall& call, const AnyView& x,
                               const AnyView& g, void* y, std::int64_t y_batch);

}  // namespace npconv

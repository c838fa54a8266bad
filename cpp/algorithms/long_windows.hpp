// SPDX-License-Identifier: BSD-3-Clause
// Pooling of windows that are too large for the memory of the kernels, and the gradients of averages and of norms over such windows. A
// result costs two sources and some joins whatever the length of its window. Sums are in float64.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

// An execution that slides, which may be the gradient of an average.
void run_sliding_pool(const PoolExecution& execution, const PoolOperands& io, int threads);
// Norms whose sums of powers overflow or vanish: doubtful results (norms.hpp) only. Of an execution with a tiling to mend.
void run_sliding_norms(const PoolExecution& execution, const PoolOperands& io, int threads);
// The gradient of norms, cut as LongKind::norm_gradient. x_scale: a power of two by which elements of x are multiplied, which the gradient
// does not depend on.
void run_sliding_norm_gradient(const LongTiling& tiling, double power, double x_scale, const PoolCall& call, const AnyView& x,
                               const AnyView& g, void* y, std::int64_t y_batch);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Pooling of windows that are too large for the memory of the kernels (see PoolTiling::large), and the gradients of averages and of norms
// over such windows. A result costs two sources and some joins whatever the length of its window. Sums are in float64. False: nothing has
// been done, because windows are too long along two axes or three for the memory of a thread.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

template <class X>
bool long_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
bool long_min_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
bool long_avg_pool(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
bool long_lp_pool(const PoolShape& shape, double power, const PoolCall& call, const PoolOperands<X>& io);
// The same where sums of powers overflow or vanish: doubtful results (norms.hpp) only.
template <class X>
bool long_norms(const PoolShape& shape, double power, const PoolCall& call, const PoolOperands<X>& io);
// The bytes that they take; 0 where they do nothing.
std::int64_t long_pool_bytes(const PoolShape& shape, const PoolRule& rule, DType dtype, Layout layout, int threads);
std::int64_t long_norms_bytes(const PoolShape& shape, Layout layout, int threads);
// x: the gradient of the result, y: that of the input of the pooling `shape`.
template <class X>
bool long_avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io);
// x_scale: a power of two by which elements of x are multiplied, which the gradient does not depend on.
template <class X>
bool long_lp_pool_gradient(const PoolShape& shape, double power, double x_scale, const PoolCall& call, const TensorView<const X>& x,
                           const TensorView<const X>& g, X* y, std::int64_t y_batch);

// Is pooling window by window (pool_windows.hpp) far more work? Where windows overlap much, so that it takes several times as many readings
// as there are elements, and seconds.
bool too_many_taps(const PoolShape& shape);
// The same of spread_windows, which looks for taps of a row that are apart one by one.
bool too_many_taps_apart(const PoolShape& shape);
// Is it the better way for windows that the kernels have no memory for? Where they are long rows that hardly overlap.
bool long_rows_apart(const PoolShape& shape);

}  // namespace npconv

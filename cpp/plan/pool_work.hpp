// SPDX-License-Identifier: BSD-3-Clause
// Comparisons of the ways to pool windows that the kernels do not serve.
#pragma once
#include <cstdint>

#include "core/pool_shape.hpp"

namespace npconv {

// Is pooling window by window far more work than sliding along an axis? True if windows overlap so much that elements are read several
// times each, and the readings take seconds.
bool too_many_taps(const PoolShape& shape);
// The same for the gradient, which visits the taps of a dilated row one by one.
bool too_many_taps_apart(const PoolShape& shape);
// Is pooling window by window better for windows that need more memory than the kernels have? True for long rows that hardly overlap.
bool long_rows_apart(const PoolShape& shape);
// Is computing `doubtful` norms again one by one far more work than computing all results again by sliding windows?
bool far_more_one_by_one(const PoolShape& shape, std::int64_t doubtful);
// Does the gradient of an average take seconds in the kernels? They add to each input the result of every window that may hold it.
bool too_many_additions(const PoolShape& shape);

}  // namespace npconv

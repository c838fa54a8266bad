// SPDX-License-Identifier: BSD-3-Clause
// Which way of pooling windows that the kernels are not made for is far more work than another.
#pragma once
#include <cstdint>

#include "core/pool_shape.hpp"

namespace npconv {

// Is pooling window by window far more work than sliding along an axis? Where windows overlap much, so that it takes several times as many
// readings as there are elements, and seconds.
bool too_many_taps(const PoolShape& shape);
// The same of the gradient, which looks for taps of a row that are apart one by one.
bool too_many_taps_apart(const PoolShape& shape);
// Is it the better way for windows that the kernels have no memory for? Where they are long rows that hardly overlap.
bool long_rows_apart(const PoolShape& shape);
// Does computing the doubtful norms again one by one cost far more than computing all results again by sliding windows?
bool far_more_one_by_one(const PoolShape& shape, std::int64_t doubtful);
// Do the kernels of the gradient of an average, which add as many results to each input as windows may hold it, take seconds?
bool too_many_additions(const PoolShape& shape);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradient of lp pooling: sign(x) |x|^(p-1) times the sum of g * norm^(1-p) over the windows that hold x; 0 where the norm is 0.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

// g: the gradient of the result, with any strides; y: dense. All arithmetic is in float64. A block has at least one channel, and more if
// they fit in 4 MB with their results.
void lp_pool_gradient(const PoolShape& shape, double power, const PoolCall& call, const AnyView& x, const AnyView& g, void* y,
                      std::int64_t y_batch);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Pooling of whole planes. Few large planes are cut into parts, whose number follows from the shape alone.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

void global_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io);
// Without places.
void global_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io);

// The gradient of global maxima: y is g at the place of the maximum of each plane of x, and 0 elsewhere.
void global_max_pool_gradient(const PoolShape& shape, const PoolCall& call, const AnyView& x, const AnyView& g, void* y,
                              std::int64_t y_batch);

// x: the gradients of the averages; y: the gradients of the planes.
void fill_global_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands& io);

}  // namespace npconv

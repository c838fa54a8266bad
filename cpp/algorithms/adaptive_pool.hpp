// SPDX-License-Identifier: BSD-3-Clause
// Adaptive pooling. Windows of equal size go to the kernels of ordinary pooling, whole planes to global pooling.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

void adaptive_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io);
void adaptive_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io);
void adaptive_avg_pool_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands& io);

}  // namespace npconv

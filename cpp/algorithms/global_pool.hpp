// SPDX-License-Identifier: BSD-3-Clause
// Pooling of whole planes. Few large planes are cut into parts, whose number follows from the shape alone.
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

// False, and nothing done, where the pixels of x do not follow one another at one distance.
template <class X>
bool global_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
bool global_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);

// x: the gradients of the averages, y: of the planes.
template <class X>
void fill_global_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Windows as columns (im2col), and their sum back (col2im), its adjoint. Columns are dense: channels first [batch][channel][tap][output],
// channels last [batch][output][tap][channel].
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

template <class X>
void unfold(const PoolShape& shape, const PoolCall& call, const TensorView<const X>& x, X* columns);

// y: dense in the layout. Each element adds its columns in the order of the taps.
template <class X>
void fold(const PoolShape& shape, const PoolCall& call, const X* columns, X* y);

}  // namespace npconv

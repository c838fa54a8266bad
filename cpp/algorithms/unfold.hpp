// SPDX-License-Identifier: BSD-3-Clause
// Windows as columns (im2col), and their sum back (col2im), its adjoint. Columns are dense: channels first [batch][channel][tap][output],
// channels last [batch][output][tap][channel].
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

template <class X>
void unfold(const PoolShape& shape, const PoolCall& call, const TensorView<const X>& x, X* columns);

// Columns with any strides.
template <class X>
struct ColumnsView {
    const X* data;
    std::int64_t batch, row, output;  // elements between images; between channels and taps, a tap after the other; between outputs
};

// y: dense in the layout. Each element adds its columns in the order of the taps.
template <class X>
void fold(const PoolShape& shape, const PoolCall& call, const ColumnsView<X>& columns, X* y);

}  // namespace npconv

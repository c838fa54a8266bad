// SPDX-License-Identifier: BSD-3-Clause
// Windows as columns (im2col), and its adjoint, which sums columns into an image (col2im). Columns are dense: channels first
// [batch][channel][tap][output], channels last [batch][output][tap][channel].
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

void unfold(const PoolShape& shape, const PoolCall& call, const AnyView& x, void* columns);

// Columns with any strides.
struct ColumnsView {
    const void* data;
    std::int64_t batch, row, output;  // elements between images; between rows, which are (channel, tap); between outputs
};

// y: dense in the layout. Each element of y is the sum of its columns' values in the order of the taps.
void fold(const PoolShape& shape, const PoolCall& call, const ColumnsView& columns, void* y);

}  // namespace npconv

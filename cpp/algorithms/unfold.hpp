// SPDX-License-Identifier: BSD-3-Clause
// Windows as columns (im2col), and their sum back (col2im), its adjoint. Columns are dense: channels first [batch][channel][tap][output],
// channels last [batch][output][tap][channel].
#pragma once
#include "algorithms/pooling.hpp"

namespace npconv {

void unfold(const PoolShape& shape, const PoolCall& call, const AnyView& x, void* columns);

// Columns with any strides.
struct ColumnsView {
    const void* data;
    std::int64_t batch, row, output;  // elements between images; between channels and taps, a tap after the other; between outputs
};

// y: dense in the layout. Each element adds its columns in the order of the taps.
void fold(const PoolShape& shape, const PoolCall& call, const ColumnsView& columns, void* y);

}  // namespace npconv

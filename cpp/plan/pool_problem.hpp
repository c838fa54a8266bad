// SPDX-License-Identifier: BSD-3-Clause
// A pooling to compute. Kernels and threads are not part of it. Of the strides of x it holds only whether neighbours are adjacent.
#pragma once
#include <cstdint>
#include <optional>

#include "core/pool_shape.hpp"
#include "core/types.hpp"

namespace npconv {

// The divisor of an average: the number of taps in x and its padding, or in x alone; a number that the caller gives; or the number of
// elements of an adaptive window.
struct AverageRule {
    bool count_include_pad = true;
    std::optional<std::int64_t> divisor = std::nullopt;
    bool of_window = false;
};

// The operation on the elements of a window.
enum class PoolKind { maximum, minimum, average, norm };
struct PoolRule {
    PoolKind kind = PoolKind::maximum;
    bool places = false;  // maxima and minima: return their places, too
    AverageRule average = {};
    double power = 1;  // norms
};

struct PoolProblem {
    PoolShape shape;
    PoolRule rule;
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    bool gradient = false;     // the gradient of an average: x is the gradient of the result, y that of the pooling's input
    bool side_by_side = true;  // the elements of a vector are adjacent in x: see side_by_side() below
};

// Are the elements of a vector adjacent in x? They are the columns of a row, or channels last the channels of a pixel. A row of one column
// counts as adjacent.
inline bool side_by_side(Layout layout, std::int64_t channels, std::int64_t columns, const AnyView& x) {
    return layout == Layout::channels_first || channels == 1 ? x.spatial[2] == 1 || columns == 1 : x.channel == 1;
}

}  // namespace npconv

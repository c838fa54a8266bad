// SPDX-License-Identifier: BSD-3-Clause
// What a pooling is to compute. Neither the kernels nor threads are part of it; of the strides of x only whether neighbours are adjacent.
#pragma once
#include <cstdint>
#include <optional>

#include "core/pool_shape.hpp"
#include "core/types.hpp"

namespace npconv {

// What an average divides by: the taps in x and its padding or in x alone, a number of the caller's, or the elements of an adaptive window.
struct AverageRule {
    bool count_include_pad = true;
    std::optional<std::int64_t> divisor = std::nullopt;
    bool of_window = false;
};

// What is made of the elements of a window.
enum class PoolKind { maximum, minimum, average, norm };
struct PoolRule {
    PoolKind kind = PoolKind::maximum;
    bool places = false;  // of maxima and minima: where they are, too
    AverageRule average = {};
    double power = 1;  // of norms
};

struct PoolProblem {
    PoolShape shape;
    PoolRule rule;
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    bool gradient = false;     // of an average: x is the gradient of the result, y that of the input of the pooling
    bool side_by_side = true;  // the elements that a vector holds are neighbours in x: side_by_side() below
};

// Are the elements that a vector holds neighbours in memory: of x the columns of a row, or channels last the channels of a pixel? A row of
// one column counts as neighbours.
inline bool side_by_side(Layout layout, std::int64_t channels, std::int64_t columns, const AnyView& x) {
    return layout == Layout::channels_first || channels == 1 ? x.spatial[2] == 1 || columns == 1 : x.channel == 1;
}

}  // namespace npconv

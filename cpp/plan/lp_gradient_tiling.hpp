// SPDX-License-Identifier: BSD-3-Clause
// Tiling of the gradient of lp pooling: blocks whose copies in float64 fit in a few megabytes. Windows that are too large for that slide
// along an axis.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "plan/context.hpp"
#include "plan/long_tiling.hpp"

namespace npconv {

// A box of the input and the results whose windows meet it, as a pooling of its own, for some channels of an image. It gives the gradients
// of the inputs in `goal`.
struct LpBlock {
    PoolShape shape;                        // shape of the box; batch 1
    std::array<Part, 3> inputs{}, goal{};   // in coordinates of the whole input
    std::array<std::int64_t, 3> outputs{};  // the first result
    bool unseen = false;                    // no window meets the goal: its gradients are zero, and the box is not bounded

    explicit LpBlock(const PoolShape& whole);
    // The block that gives the gradients of the inputs in goal_of_part.
    LpBlock part(const std::array<Part, 3>& goal_of_part) const;
    // Values of one channel: inputs and results.
    std::int64_t numbers() const { return shape.inputs() + shape.outputs(); }
};

struct LpGradientExecution {
    LpBlock whole;
    EvenSplit channels;                             // channels of an image -> blocks
    std::optional<std::array<EvenSplit, 3>> tiles;  // tiles of a plane that is too large for a block
    std::int64_t bytes = 0;                         // copies of a block
    std::optional<LongTiling> sliding;              // set: windows slide, instead of blocks
};
// The shape is not empty.
LpGradientExecution plan_lp_gradient(const PoolShape& shape, Layout layout, const Context& on);

}  // namespace npconv

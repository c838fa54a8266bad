// SPDX-License-Identifier: BSD-3-Clause
// How the gradient of lp pooling is cut into blocks whose copies in float64 fit in a few megabytes; or windows that are too large for that
// slide along an axis.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "plan/context.hpp"
#include "plan/long_tiling.hpp"

namespace npconv {

// A box of the input and the results whose windows meet it, as a pooling of its own: of some channels of an image. It gives the gradients
// of the inputs in `goal`.
struct LpBlock {
    PoolShape shape;                        // of the box; batch 1
    std::array<Part, 3> inputs{}, goal{};   // on the axes of the whole
    std::array<std::int64_t, 3> outputs{};  // the first
    bool unseen = false;                    // no window meets the goal: its gradients are zero, and the box is not bounded

    explicit LpBlock(const PoolShape& whole);
    // The part of the whole that gives the gradients of these inputs.
    LpBlock part(const std::array<Part, 3>& goal_of_part) const;
    // Numbers that one channel takes: its inputs and results.
    std::int64_t numbers() const { return shape.inputs() + shape.outputs(); }
};

struct LpGradientExecution {
    LpBlock whole;
    EvenSplit channels;                             // blocks of the channels of an image
    std::optional<std::array<EvenSplit, 3>> tiles;  // of a plane, where that is too large for a block
    std::int64_t bytes = 0;                         // of the copies of a block
    std::optional<LongTiling> sliding;              // instead of blocks
};
// The shape is not empty.
LpGradientExecution plan_lp_gradient(const PoolShape& shape, Layout layout, const Context& on);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// At each point a matrix product tiles x channels, M = V U, with the microkernel of the GEMM path.
#pragma once
#include <cstdint>
#include <span>

#include "plan/executions.hpp"

namespace npconv {

// V of a block, and what a thread has; at, numbers and segments are for lists.
struct ProductArrays {
    const void* v;
    void *m, *weights;
    std::int64_t *at, *numbers;  // [2 * most_tiles], [most_tiles]
    Segment* segments;
};

// Of all tiles of a block and some panels. w: packed. planes: which runs of taps along the depth meet an input, plane by plane of tiles.
void winograd_products(const WinogradExecution& execution, const void* w, const TileBlock& block, std::span<const PlaneRun> planes,
                       std::int64_t first_panel, std::int64_t end_panel, const ProductArrays& arrays);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// At each point a matrix product, M = V U, with tiles as rows and output channels as columns, by the microkernel of the GEMM path.
#pragma once
#include <cstdint>
#include <span>

#include "plan/executions.hpp"

namespace npconv {

// V of a block, and arrays of a thread. at, numbers and segments are for lists.
struct ProductArrays {
    const void* v;
    void *m, *weights;
    std::int64_t *at, *numbers;  // [2 * most_tiles], [most_tiles]
    Segment* segments;
};

// The products of all tiles of a block and the panels first_panel .. end_panel - 1. w: packed. planes: for each plane of tiles, the runs of
// taps along the depth that meet an input.
void winograd_products(const WinogradExecution& execution, const void* w, const TileBlock& block, std::span<const PlaneRun> planes,
                       std::int64_t first_panel, std::int64_t end_panel, const ProductArrays& arrays);

}  // namespace npconv

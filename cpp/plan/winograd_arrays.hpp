// SPDX-License-Identifier: BSD-3-Clause
// The arrays of Winograd's convolution: those of a block of tiles, and those of a thread.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/types.hpp"
#include "core/workspace.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv::winograd_arrays {

enum BlockArray : std::size_t { v, quiet, largest, verdict, magnitudes, block_array_count };
enum ThreadArray : std::size_t { m, weights, patch, columns, halves, outputs, residual, at, numbers, thread_array_count };
using BlockArrays = Workspace<block_array_count>;
using ThreadArrays = Workspace<thread_array_count>;

// Tiles whose half transformed inputs, and outputs, stay in the first-level cache.
constexpr std::int64_t inputs_at_once = 7, tiles_at_once = 4;

inline std::int64_t columns_stride(std::int64_t width, int lanes) { return (width + 1) * lanes; }

inline BlockArrays::Sizes block_arrays(const WinogradTiling& t, DType dtype) {
    const std::int64_t element = size_of(dtype), pixels = t.most_pixels();
    BlockArrays::Sizes bytes{};
    bytes[v] = t.v_begin(t.units.parts) * element;
    bytes[quiet] = t.inputs.parts * t.most_tiles() * central_pixels * t.lanes * element;
    bytes[largest] = t.inputs.parts * t.lanes * element;
    bytes[verdict] = t.most_tiles();
    bytes[magnitudes] = std::max((pixels + t.lanes) * (t.lanes + 1), t.most_tiles() * central_pixels + t.lanes) * element;
    return bytes;
}

inline ThreadArrays::Sizes thread_arrays(const WinogradTiling& t, DType dtype) {
    const std::int64_t element = size_of(dtype), index = sizeof(std::int64_t);
    ThreadArrays::Sizes bytes{};
    bytes[m] = t.points() * t.m_stride() * element;
    bytes[weights] = t.prepared || t.few ? 0 : t.chunks.longest() * t.points() * t.weights_stride(t.panels.longest() * t.lanes) * element;
    bytes[patch] = t.most_pixels() * t.lanes * element;
    bytes[columns] = t.rows.points() * columns_stride(t.most_columns(), t.lanes) * element;
    bytes[halves] = tiles_at_once * t.whole * most_winograd_points * t.lanes * element;
    bytes[outputs] = bytes[residual] = t.whole * t.column_blocks.longest() * t.whole * t.lanes * element;
    bytes[at] = 2 * t.most_tiles() * index;
    bytes[numbers] = t.most_tiles() * index;
    return bytes;
}

}  // namespace npconv::winograd_arrays

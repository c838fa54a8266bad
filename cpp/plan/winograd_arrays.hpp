// SPDX-License-Identifier: BSD-3-Clause
// The arrays of Winograd's convolution, for a block of tiles and for a thread.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/types.hpp"
#include "core/workspace.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv::winograd_arrays {

enum BlockArray : std::size_t { v, quiet, largest, verdict, magnitudes, block_array_count };
enum ThreadArray : std::size_t {
    m,
    weights,
    patch,
    planar,
    pixel_rows,
    column_places,
    columns,
    halves,
    outputs,
    residual,
    at,
    numbers,
    segments,
    plane_runs,
    thread_array_count
};
using BlockArrays = Workspace<block_array_count>;
using ThreadArrays = Workspace<thread_array_count>;

// Numbers of tiles whose half transformed inputs, and outputs, stay in the first-level cache.
constexpr std::int64_t inputs_at_once = 7, tiles_at_once = 4;

inline std::int64_t columns_stride(std::int64_t width, int lanes) { return (width + 1) * lanes; }

// Rows of tiles whose inputs are kept by columns: elements between points, with a vector of padding; and elements that vectors read beyond
// the last row.
inline std::int64_t row_stride(const WinogradTiling& t) { return t.most_elements_of_row() + t.lanes; }
inline std::int64_t beyond_rows(const WinogradTiling& t) { return ceil_div(t.tiles_after(), t.lanes) * t.lanes; }

// The most runs of consecutive channels of V in a k block: those of each run of taps.
inline std::int64_t most_segments(const WinogradTiling& t) { return t.runs() * t.units.longest(); }

inline BlockArrays::Sizes block_arrays(const WinogradTiling& t, const Problem& p) {
    const std::int64_t element = size_of(p.dtype), pixels = t.most_planes() * t.most_pixels();
    BlockArrays::Sizes bytes{};
    bytes[v] = t.v_begin(t.units.parts) * element;
    bytes[quiet] = t.inputs.parts * t.most_tiles() * t.central_pixels() * t.lanes * element;
    bytes[largest] = t.inputs.parts * t.lanes * element;
    bytes[verdict] = t.most_tiles();
    bytes[magnitudes] = std::max((t.most_pixels() + t.lanes) * t.lanes + pixels, t.most_tiles() * t.central_pixels() + t.lanes) * element;
    return bytes;
}

inline ThreadArrays::Sizes thread_arrays(const WinogradTiling& t, const Problem& p) {
    const std::int64_t element = size_of(p.dtype), index = sizeof(std::int64_t);
    ThreadArrays::Sizes bytes{};
    bytes[m] = t.points() * t.m_stride() * element;
    bytes[weights] =
        t.prepared || t.few ? 0 : t.chunks.longest() * t.points_of_set() * t.weights_stride(t.panels.longest() * t.lanes) * element;
    if (t.by_tiles) {
        const std::int64_t rows = t.axis[0].input_phases() * t.channels.channels * t.most_rows();
        bytes[planar] = (rows * t.most_elements_of_row() + beyond_rows(t)) * element;
        bytes[pixel_rows] = (std::max(t.elements_at_once, t.most_pixels_of_row() * t.channels.channels) + t.lanes) * element;
        bytes[column_places] = t.axis[2].whole * t.axis[2].stride * t.channels.channels * index;
        bytes[columns] = (t.axis[1].points() * row_stride(t) + beyond_rows(t)) * element;
    } else {
        bytes[patch] = t.most_pixels() * t.lanes * element;
        bytes[columns] = t.axis[1].points() * columns_stride(inputs_at_once * t.axis[2].whole + t.axis[2].taps() - 1, t.lanes) * element;
    }
    bytes[halves] = tiles_at_once * t.axis[1].whole * most_winograd_points * t.lanes * element;
    bytes[outputs] = bytes[residual] = t.axis[1].whole * t.most_outputs_of_row() * t.lanes * element;
    bytes[at] = 2 * t.most_tiles() * index;
    bytes[numbers] = t.most_tiles() * index;
    bytes[segments] = most_segments(t) * static_cast<std::int64_t>(sizeof(Segment));
    bytes[plane_runs] = t.images.longest() * t.longest(0) * static_cast<std::int64_t>(sizeof(PlaneRun));
    return bytes;
}

}  // namespace npconv::winograd_arrays

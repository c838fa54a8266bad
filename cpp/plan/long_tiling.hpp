// SPDX-License-Identifier: BSD-3-Clause
// How poolings of long windows are cut. An axis with dilation falls into residue classes that are poolings without: results of one class
// see inputs of one residue. The axis of the longest windows, the outer one, is slid along (algorithms/sliding.hpp); its sources are lines:
// tiles of the other two axes, pooled within. Neighbouring classes of the outer axis that are alike, or channels, are the lanes of a line.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/pool_shape.hpp"
#include "core/split.hpp"
#include "core/types.hpp"

namespace npconv {

// The results of an axis without dilation: result m pools the sources begin(m)..end(m), which both rise with m. Of a pooling, or the other
// way round: of its gradient, whose sources are the results of the pooling.
struct Ranges {
    std::int64_t sources = 1, results = 1, kernel = 1, stride = 1, pad = 0;
    bool spread = false;

    std::int64_t begin(std::int64_t m) const {
        const std::int64_t first = spread ? ceil_div(std::max<std::int64_t>(m + pad - kernel + 1, 0), stride) : m * stride - pad;
        return std::clamp<std::int64_t>(first, 0, sources);
    }
    std::int64_t end(std::int64_t m) const {
        const std::int64_t from = m + pad, last = spread ? (from < 0 ? 0 : from / stride + 1) : m * stride - pad + kernel;
        return std::clamp(last, begin(m), sources);
    }
    // Lengths of the windows that the ends of the axis do not cut.
    std::int64_t longest() const { return spread ? (kernel - 1) / stride + 1 : kernel; }
    std::int64_t shortest() const { return spread ? kernel / stride : kernel; }
    std::int64_t step() const { return spread ? 1 : stride; }
};

// The length of a block, and the number of kept results of blocks. Block 0: each window is pooled anew, which costs no more where windows
// are short or far from each other.
struct SlidingPlan {
    std::int64_t block = 0, ring = 0;

    explicit SlidingPlan(const Ranges& ranges);
    // Elements of the memory for lines of this length: of suffixes, of whole blocks, and seven more.
    std::int64_t cells(std::int64_t line) const { return (block + ring + 7) * line; }
};

// Results (spread: inputs) of one class of an axis, or of some alike: number m of lane l is at first + m * step + l * lane.
struct Numbers {
    std::int64_t first = 0, step = 1, lane = 0;
    std::int64_t at(std::int64_t m, std::int64_t l) const { return first + m * step + l * lane; }
};

struct ClassOfAxis {
    std::int64_t input = 0, output = 0, kernel = 1, stride = 1, pad = 0;  // without dilation
    Numbers inputs, outputs;
    std::int64_t lanes = 1;

    Ranges forward() const { return {input, output, kernel, stride, pad, false}; }
    Ranges backward() const { return {output, input, kernel, stride, pad, true}; }
    Ranges ranges(bool spread) const { return spread ? backward() : forward(); }
};

std::int64_t classes_of(const Axis& axis);
// Class number c, and up to `most` that follow, if they are alike.
ClassOfAxis class_of(const Axis& axis, std::int64_t c, std::int64_t most);

// The sources begin..end that results begin..end see.
struct Part {
    std::int64_t begin = 0, end = 1;
    std::int64_t length() const { return end - begin; }
};
Part sources_of(const Ranges& ranges, Part results);

// What slides: a pooling, the gradient of an average, or that of a norm, which needs the norms as well.
enum class LongKind { pooling, average_gradient, norm_gradient };

// Tasks follow from the shape alone: a plane (channels last: some channels of an image), a class of each axis, a tile of the inner axes and
// a part of the outer one.
struct LongTiling {
    PoolShape shape;
    bool spread = false;  // of a gradient
    bool last = false;    // channels are the lanes
    std::size_t outer = 0, a = 0, b = 1;
    std::array<EvenSplit, 3> groups;  // of the classes of each axis
    EvenSplit channels, tiles[2], parts{1, 1};
    std::int64_t bytes = 0;  // of a task

    bool fits() const;  // else windows are too long along two axes or three for the memory of a thread
    std::int64_t tasks() const;
    // Threads that have a task, and so memory.
    int slots(int threads) const;
    std::int64_t workspace_bytes(int threads) const;
};
// cell_bytes: of a value that is slid along.
LongTiling tile_long_pool(const PoolShape& shape, Layout layout, LongKind kind, std::int64_t cell_bytes);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Tiling of poolings of long windows. An axis with dilation d is split into d residue classes, each a pooling without dilation: results of
// a class see inputs of one residue. Windows slide along the outer axis, which has the longest ones (algorithms/sliding.hpp). Its sources
// are lines: tiles of the other two axes, which are pooled first. The lanes of a line are channels, or neighbouring classes of the outer
// axis with equal shapes.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/pool_shape.hpp"
#include "core/split.hpp"
#include "core/types.hpp"

namespace npconv {

// The results of an axis without dilation: result m pools the sources begin(m)..end(m). Both rise with m. spread: of the gradient, whose
// sources are the results of the pooling.
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
    // Lengths of windows that the ends of the axis do not cut.
    std::int64_t longest() const { return spread ? (kernel - 1) / stride + 1 : kernel; }
    std::int64_t shortest() const { return spread ? kernel / stride : kernel; }
    std::int64_t step() const { return spread ? 1 : stride; }
};

// block: sources of a block. ring: number of results of whole blocks that are kept. With block == 0 each window is pooled anew, which
// costs no more where windows are short or far apart.
struct SlidingPlan {
    std::int64_t block = 0, ring = 0;

    explicit SlidingPlan(const Ranges& ranges);
    // Elements of memory for lines of `line` elements: the suffixes of a block, the results of whole blocks, and seven more lines.
    std::int64_t cells(std::int64_t line) const { return (block + ring + 7) * line; }
};

// Places on the axis of the results or inputs of a class, or of several equal ones: number m of lane l is at first + m * step + l * lane.
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
// Class c together with the classes that follow it and have the same shape, `most` classes at most.
ClassOfAxis class_of(const Axis& axis, std::int64_t c, std::int64_t most);

// A range begin..end of sources or of results.
struct Part {
    std::int64_t begin = 0, end = 1;
    std::int64_t length() const { return end - begin; }
};
Part sources_of(const Ranges& ranges, Part results);

// The operation: a pooling, the gradient of an average, or the gradient of a norm, which needs the norms as well.
enum class LongKind { pooling, average_gradient, norm_gradient };

// The shape alone fixes the tasks: a plane (channels last: some channels of an image), a class of each axis, a tile of the inner axes and
// a part of the outer axis.
struct LongTiling {
    PoolShape shape;
    bool spread = false;  // the operation is a gradient
    bool last = false;    // channels are the lanes
    std::size_t outer = 0, a = 0, b = 1;
    std::array<EvenSplit, 3> groups;  // classes of each axis -> groups that share a line
    EvenSplit channels, tiles[2], parts{1, 1};
    std::int64_t bytes = 0;  // memory of a task

    bool fits() const;  // false: windows are too long along two or three axes for the memory of a thread
    std::int64_t tasks() const;
    // Number of threads that get a task, and so need memory.
    int slots(int threads) const;
    std::int64_t workspace_bytes(int threads) const;
};
// cell_bytes: bytes of a value in a line.
LongTiling tile_long_pool(const PoolShape& shape, Layout layout, LongKind kind, std::int64_t cell_bytes);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// How Winograd's convolution is cut up. A pure function of shape, layout, dtype and kernel set, never of the number of threads.
//
//   LOOP 1  blocks of tiles: group, images, rows, columns     the parallel dimension on large maps
//   LOOP 2    vectors of input channels                       the parallel dimension on small maps: the input's transform ...
//               V [k block][point][tile][channels]
//   LOOP 3    chunks of panels of output channels             ... and then the products and the output's transform
//   LOOP 4      points, k blocks, register tiles of tiles     M [point][panel][tile][channels]: the microkernel of the GEMM path
//
// A tile gives `whole` x `whole` outputs from (whole + 2)^2 inputs, as many products for each pair of channels, and as many points. The
// last tile of a row or a column is smaller if need be, and uses some of the points only. A block's V stays in the third-level cache and of
// one point in the second, its M in the second.
#pragma once
#include <cstdint>
#include <string>

#include "core/split.hpp"
#include "plan/k_order.hpp"
#include "plan/problem.hpp"

namespace npconv {

// The receptive field of every output of a tile holds one of so many pixels of the tile's input.
constexpr std::int64_t central_pixels = 4;

// A tile is uneven if its largest magnitude is more than so many times the largest in the receptive field of one of its outputs.
constexpr double winograd_range = 256.0;

// Magnitudes so small that the transforms, which multiply by as little as 2^-13, would reach numbers below the smallest normal one.
constexpr double winograd_least(DType dtype) { return dtype == DType::f32 ? 0x1p-80 : 0x1p-960; }

// The largest weight that may be transformed: G, along both axes, makes it at most 2^4 times as large.
constexpr double winograd_most(DType dtype) { return dtype == DType::f32 ? 0x1p120 : 0x1p1016; }

// The tiles along one axis of the output: whole ones and perhaps a smaller one.
struct AxisTiles {
    std::int64_t outputs = 0;
    int whole = 1;

    std::int64_t count() const { return ceil_div(outputs, whole); }
    std::int64_t begin(std::int64_t tile) const { return tile * whole; }
    std::int64_t end(std::int64_t tile) const { return begin(tile) + size(tile); }
    int size(std::int64_t tile) const { return static_cast<int>(outputs - tile * whole < whole ? outputs - tile * whole : whole); }
    int points() const { return whole + winograd_taps - 1; }
    // The number that point i of a tile of `size` outputs has among those of a whole tile, and whether it uses that (core/cook_toom.hpp).
    int point(int size, int i) const { return i == size + 1 ? whole + 1 : size % 2 + i; }
    bool uses(int size, int point) const { return point == whole + 1 || (point >= size % 2 && point <= size % 2 + size); }
    // How many of the tiles [begin, end) use a point: all or all but the last of the axis.
    std::int64_t using_point(std::int64_t begin, std::int64_t end, int point) const {
        return end - begin - (end > begin && !uses(size(end - 1), point) ? 1 : 0);
    }
};

struct TileBlock {
    std::int64_t group = 0;
    std::int64_t image = 0, images = 0;
    std::int64_t row = 0, end_row = 0, column = 0, end_column = 0;  // of tiles

    std::int64_t rows() const { return end_row - row; }
    std::int64_t columns() const { return end_column - column; }
    std::int64_t tiles() const { return images * rows() * columns(); }
};

struct WinogradTiling {
    int whole = 4;
    int lanes = 1, mr = 1;
    AxisTiles rows, columns;
    SpreadSplit images, row_blocks, column_blocks;
    EvenSplit units;        // vectors of input channels -> k blocks
    EvenSplit inputs;       // vectors of input channels -> tasks of the input's transform
    EvenSplit panels;       // vectors of output channels -> panels
    SpreadSplit chunks;     // panels -> chunks
    KOrder order;           // of the packed taps
    bool shared = false;    // threads share a block; else each has blocks of its own
    bool far = false;       // transformed weights do not stay in the second-level cache
    bool few = false;       // so few tiles that their weights are transformed in registers
    bool prepared = false;  // weights are transformed when they are packed, not when they are used
    std::int64_t blocks = 0;
    std::int64_t images_of_block = 1;  // at most, of any batch

    int points() const { return rows.points() * rows.points(); }
    TileBlock block(std::int64_t i, std::int64_t groups) const;
    std::int64_t most_tiles() const { return images.longest() * row_blocks.longest() * column_blocks.longest(); }
    // The first channel of a k block; of the one after the last, the number of channels.
    std::int64_t channels_begin(std::int64_t k) const { return k == units.parts ? order.channels.n : units.begin(k) * lanes; }
    std::int64_t padded_channels() const { return units.n * lanes; }
    std::int64_t chunk_width() const { return chunks.longest() * panels.longest() * lanes; }
    std::int64_t packed_taps_of_group() const { return panels.n * lanes * winograd_taps * winograd_taps * order.channels.n; }
    // Transformed weights of a group, if they are prepared.
    std::int64_t transformed_elements_of_group() const {
        return points() * lanes * (panels.n * order.channels.n + panels.parts * units.parts);
    }

    // Of prepared weights: between points of a k block, for a panel of so many channels; and where the block begins in the panel.
    std::int64_t prepared_stride(std::int64_t k, std::int64_t width) const {
        return (channels_begin(k + 1) - channels_begin(k)) * width + lanes;
    }
    std::int64_t prepared_begin(std::int64_t k, std::int64_t width) const { return points() * (channels_begin(k) * width + k * lanes); }
    // Of the arrays V, M and of weights that are transformed where they are used, for a panel of so many channels. A vector between points,
    // so that they do not share sets of the caches.
    std::int64_t v_stride(std::int64_t k) const { return most_tiles() * units.length(k) * lanes + lanes; }
    std::int64_t v_begin(std::int64_t k) const { return points() * lanes * (most_tiles() * units.begin(k) + k); }
    std::int64_t m_stride() const { return most_tiles() * chunk_width() + lanes; }
    std::int64_t weights_stride(std::int64_t width) const { return units.longest() * lanes * width + lanes; }

    std::int64_t most_rows() const { return row_blocks.longest() * whole + winograd_taps - 1; }  // of the input of a block
    std::int64_t most_columns() const { return column_blocks.longest() * whole + winograd_taps - 1; }
    std::int64_t most_pixels() const { return most_rows() * most_columns(); }
    double points_of_map() const;  // products of a pair of channels, for one image
};

// What the cutting aims at. Tests make these small.
struct WinogradLimits {
    std::int64_t tiles_of_block = 28;      // four register tiles of 7; with few channels all of a block is in the second-level cache
    std::int64_t tiles_of_far_block = 49;  // where the transformed weights are not
    std::int64_t bytes_of_v = 3'400'000;
    std::int64_t bytes_of_workspace = 5'700'000;  // of a thread
    std::int64_t far_weights = 1'200'000;         // bytes
    std::int64_t channels_of_k_block = 128;
    std::int64_t channels_of_chunk = 64;
    std::int64_t most_prepared = 64'000'000;  // bytes of transformed weights: more take too much memory beside the taps
    std::int64_t enough_blocks = 8;
    std::int64_t slow_weights = 20'000'000;  // bytes of transformed weights that a few tiles would wait for
};
WinogradLimits winograd_limits();
void set_winograd_limits(const WinogradLimits& limits);  // while nothing runs and no plan will be run again

// whole: 2, 4 or 6.
WinogradTiling tile_winograd(const Problem& problem, int whole);
// A batch so large that more images change nothing but the number of blocks.
std::int64_t many_winograd_images();

// Why it cannot serve; empty if it can.
std::string winograd_refusal(const Problem& problem, int whole);

// Estimated cycles of one core: products and transforms, those of the weights where they are not prepared; and to prepare them.
double winograd_cycles(const Problem& problem, int whole);
double winograd_packing_cycles(const Problem& problem, int whole);

// The packed taps are those of the GEMM path with lane = channel, which recomputes what Winograd's convolution cannot.
Problem direct_problem(const Problem& problem);

}  // namespace npconv

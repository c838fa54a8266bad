// SPDX-License-Identifier: BSD-3-Clause
// Tiling of Winograd's convolution. A pure function of shape, layout, dtype and kernel set, never of the number of threads.
//
//   LOOP 1  blocks of tiles: group, images, planes, rows, columns     the parallel dimension on large maps
//   LOOP 2    vectors of input channels                               the parallel dimension on small maps: the input's transform ...
//               V [k block][point][tile of the input][channels], or with few channels [channel][tile]
//   LOOP 3    chunks of panels of output channels                     ... and then the products and the output's transform
//   LOOP 4      points, k blocks, register tiles of tiles             M [point][panel][tile][channels]: the microkernel of the GEMM path
//
// A tile gives m x m outputs of r x r taps. It has (m + r - 1)^2 inputs, and the same number of points and of products for each pair of
// channels. The last tile of a row or a column may be smaller, and then uses only some of the points. Strides, dilation and long kernels
// become dense convolutions of few taps (winograd_axis.hpp). The taps of the depth are summed plane by plane, without a transform. V of a
// block stays in the third-level cache, V of one point in the second-level cache, and M in the second-level cache.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "core/split.hpp"
#include "plan/context.hpp"
#include "plan/k_order.hpp"
#include "plan/problem.hpp"
#include "plan/winograd_axes.hpp"
#include "plan/winograd_channels.hpp"

namespace npconv {

// A tile is uneven if its largest magnitude is more than winograd_range times the largest in the receptive field of one of its outputs.
constexpr double winograd_range = 256.0;

// Transforms multiply by as little as 2^-19: smaller magnitudes than this might become subnormal.
constexpr double winograd_least(DType dtype) { return dtype == DType::f32 ? 0x1p-80 : 0x1p-960; }

// The largest weight that may be transformed. G along both axes makes it at most 2^4 times as large.
constexpr double winograd_most(DType dtype) { return dtype == DType::f32 ? 0x1p120 : 0x1p1016; }

// A block of tiles of several images. Each phase of dilated planes and rows counts as an image. Columns are counted without the phases of a
// dilated row: a block has all of these.
struct TileBlock {
    std::int64_t group = 0;
    std::int64_t image = 0, images = 0;
    std::array<std::int64_t, 3> begin{}, end{};
    std::int64_t column_phases = 1;

    std::int64_t planes() const { return end[0] - begin[0]; }
    std::int64_t rows() const { return end[1] - begin[1]; }
    std::int64_t columns() const { return (end[2] - begin[2]) * column_phases; }
    std::int64_t tiles() const { return images * planes() * rows() * columns(); }
};

// Consecutive planes of tiles of a block, and the runs of taps that meet an input there. Runs that meet only a border of zeros are left
// out.
struct PlaneRun {
    std::int64_t planes;
    std::int64_t first_run, end_run;
};

struct WinogradTiling {
    int lanes = 1, mr = 1;
    std::array<AxisTiles, 3> axis;
    bool by_tiles = false;  // vectors of the input hold neighbouring tiles of a row; rows of tiles are padded to whole vectors
    PhasedChannels channels;
    SpreadSplit images;  // images with their phases -> blocks
    std::array<SpreadSplit, 3> blocks_of_axis;
    EvenSplit units;                // units of channels -> k blocks
    EvenSplit inputs;               // units of a phase -> tasks of the input's transform
    EvenSplit panels;               // vectors of output channels -> panels
    SpreadSplit chunks;             // panels -> chunks
    KOrder order;                   // order of the packed taps
    bool shared = false;            // threads share a block; if false, each thread has its own blocks
    bool far = false;               // transformed weights do not stay in the second-level cache
    bool few = false;               // there are so few tiles that weights are transformed in registers
    bool prepared = false;          // weights are transformed when they are packed, not when they are used
    std::int64_t block_of_sum = 0;  // products that are summed at a time
    std::int64_t blocks = 0;
    std::int64_t images_of_block = 1;   // at most, for any batch
    std::int64_t most_input_tiles = 0;  // of a block

    int points() const { return axis[1].points() * axis[2].points(); }
    int points_of_set() const { return axis[1].axis().points * axis[2].axis().points; }
    int point_of_set(int point) const {
        const int columns = axis[2].points();
        return axis[1].point_of_set(point / columns) * axis[2].axis().points + axis[2].point_of_set(point % columns);
    }
    std::int64_t runs() const { return axis[0].runs * axis[1].runs * axis[2].runs; }  // runs of taps, summed as channels are
    std::int64_t products() const { return runs() * channels.total(); }               // of a point
    // With few tiles each run of taps is a sum of its own.
    std::int64_t step_of_sum() const { return channels.lanes * (few ? 1 : runs()); }
    std::int64_t sums() const { return units.parts * (few ? runs() : 1); }
    TileBlock block(std::int64_t i, std::int64_t groups) const;
    std::int64_t longest(std::size_t a) const { return blocks_of_axis[a].longest(); }
    std::int64_t most_tiles() const { return images.longest() * longest(0) * longest(1) * longest(2) * axis[2].phases; }
    // The number of input tiles in V that a row of `columns` tiles meets; by_tiles: padded to whole vectors.
    std::int64_t row_of_tiles(std::int64_t columns) const {
        const std::int64_t tiles = axis[2].input_tiles(columns) * axis[2].phases;
        return by_tiles ? ceil_div(tiles, lanes) * lanes : tiles;
    }
    // V: elements between channels of a unit, and between tiles.
    std::int64_t channel_step(std::int64_t tiles) const { return by_tiles ? tiles : 1; }
    std::int64_t tile_step(std::int64_t k) const { return by_tiles ? 1 : units.length(k) * lanes; }

    // The first channel of k block k; for k == units.parts, the number of channels. A block has a row of weights for each of its channels
    // and run of taps.
    std::int64_t channels_begin(std::int64_t k) const { return channels.begin(k == units.parts ? units.n : units.begin(k)); }
    std::int64_t channels_of(std::int64_t k) const { return channels_begin(k + 1) - channels_begin(k); }
    std::int64_t rows_of(std::int64_t k) const { return runs() * channels_of(k); }
    std::int64_t padded_channels() const { return units.n * channels.lanes; }
    std::int64_t chunk_width() const { return chunks.longest() * panels.longest() * lanes; }
    std::int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
    std::int64_t packed_taps_of_group() const { return panels.n * lanes * taps() * order.channels.n; }
    // Elements of the transformed weights of a group, if they are prepared.
    std::int64_t transformed_elements_of_group() const {
        return points_of_set() * lanes * (panels.n * runs() * channels.total() + panels.parts * units.parts);
    }

    // Prepared weights, for a panel of `width` output channels: elements between points of k block k, and the element of the panel at which
    // the block begins.
    std::int64_t prepared_stride(std::int64_t k, std::int64_t width) const { return rows_of(k) * width + lanes; }
    std::int64_t prepared_begin(std::int64_t k, std::int64_t width) const {
        return points_of_set() * (runs() * channels_begin(k) * width + k * lanes);
    }
    // Elements between points in V, in M, and in weights that are transformed where they are used, for a panel of `width` output channels.
    // They include a vector of padding, so that points do not share sets of the caches.
    std::int64_t v_stride(std::int64_t k) const { return most_input_tiles * units.length(k) * channels.lanes + lanes; }
    std::int64_t v_begin(std::int64_t k) const { return points() * (most_input_tiles * units.begin(k) * channels.lanes + k * lanes); }
    std::int64_t m_stride() const { return most_tiles() * chunk_width() + lanes; }
    std::int64_t weights_stride(std::int64_t width) const { return units.longest() * channels.lanes * runs() * width + lanes; }

    // The copy of a plane of the input for a block. It has all pixels of a row, but only the rows of the block's phase.
    std::int64_t row_step() const { return axis[1].stride; }            // rows of the copy between output rows of a tile
    std::int64_t column_step() const { return axis[2].output_step(); }  // columns of the copy between output columns
    std::int64_t most_rows() const { return axis[1].most_input_steps(longest(1)) * row_step(); }
    std::int64_t most_columns() const { return axis[2].most_input_steps(longest(2)) * column_step(); }
    std::int64_t most_planes() const { return axis[0].input_tiles(longest(0)) * axis[0].stride; }
    std::int64_t most_pixels() const { return most_rows() * most_columns(); }

    // by_tiles: a row of pixels is kept as columns of tiles_of_column() values. Column j holds pixel j of each tile of the row; the columns
    // of a phase of the width are neighbours. The later points of a tile are pixels of the tiles after it.
    std::int64_t columns_of_tile() const { return axis[2].input_phases() * axis[2].whole; }
    std::int64_t tiles_after() const { return (axis[2].points() - 1) / axis[2].whole; }
    std::int64_t tiles_of_column(std::int64_t tiles) const { return ceil_div(axis[2].input_tiles(tiles) + tiles_after(), lanes) * lanes; }
    std::int64_t most_pixels_of_row() const { return tiles_of_column(longest(2)) * axis[2].whole * axis[2].stride; }
    // The number of rows of pixels, with channels_of_row channels each, that are copied at a time before they are split.
    static constexpr std::int64_t elements_at_once = 4096;  // in the first-level cache
    std::int64_t rows_at_once(std::int64_t channels_of_row) const {
        return std::max<std::int64_t>(1, elements_at_once / (most_pixels_of_row() * channels_of_row));
    }
    std::int64_t most_elements_of_row() const { return columns_of_tile() * tiles_of_column(longest(2)); }

    std::int64_t most_outputs_of_row() const { return longest(2) * axis[2].whole * axis[2].phases; }
    std::int64_t central_pixels() const {  // of a tile, in one of its planes
        return axis[1].centrals(axis[1].whole) * axis[2].centrals(axis[2].whole);
    }
    double points_of_map() const;  // products of a pair of channels for one image and one run of taps
    bool operator==(const WinogradTiling&) const = default;
};

WinogradTiling tile_winograd(const Problem& problem, const Context& on, WinogradTiles tiles);
// The error bound and the expected error of a tiling, in units of u (winograd_error.hpp). The expected error takes into account that a
// border of zeros may be a large part of the map.
double winograd_bound(const WinogradTiling& tiling);
double winograd_expected_error(const Problem& problem, const WinogradTiling& tiling);
// A batch so large that more images change only the number of blocks.
std::int64_t many_winograd_images(const Context& on);

// Why Winograd's convolution cannot serve the problem; empty if it can, and then `*made` is its tiling unless `made` is null.
std::string winograd_refusal(const Problem& problem, const Context& on, WinogradTiles tiles, WinogradTiling* made = nullptr);

// The problem of the GEMM path with lane = channel, which computes what Winograd's convolution cannot. Both share the packed taps.
Problem direct_problem(const Problem& problem);

}  // namespace npconv

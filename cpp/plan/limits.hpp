// SPDX-License-Identifier: BSD-3-Clause
// Limits of block sizes. Tests pass small limits, so that small problems are cut in the way that large ones are.
#pragma once
#include <cstdint>

#include "kernels/table.hpp"
#include "plan/problem.hpp"

namespace npconv {

// The GEMM path (gemm_tiling.hpp).
struct GemmLimits {
    std::int64_t pixels_of_block = 128;       // with 256 channels 128 KB of sums; twice this number on large maps
    std::int64_t pixel_lanes_of_block = 256;  // lane = pixel: five tiles of 48
    std::int64_t larger_block = 4;            // largest factor of these pixels on large maps, where a block keeps no data
    std::int64_t k_of_block = 1728;        // with 64 channels of weights 440 KB, which stay in L2 (640 is 2 to 4% slower: sums come and go)
    std::int64_t taps_of_block = 1024;     // taps of a block of k: a copy may hold an input once for each of them
    std::int64_t widest_tile = max_nv;     // vectors of a register tile, at most
    std::int64_t channels_of_chunk = 256;  // output channels that use a copied part of the input
    std::int64_t enough_tasks = 8;         // where maps are small, chunks are made smaller until there are enough_tasks tasks
    std::int64_t products_of_copy = 96;    // lane = pixel: products for each copied value
    std::int64_t often_used = 600;         // lane = channel: products for each copied value that could be read in place,
    std::int64_t used_from_afar = 280;     //   where its channels are far apart,
    std::int64_t used_aliased = 400;       //   or where they alias and the core is far-sighted
    std::int64_t larger_copy = 8;          // lane = pixel: largest factor of the pixels of a copied block,
    std::int64_t bytes_of_copy = 768 * 1024;    //   and largest copy in bytes: it stays in the second-level cache
    Lane lane = Lane::automatic;                // where a problem leaves it open
    std::int64_t bytes_of_weights = 6'000'000;  // packed weights of a thread, in a plain call of one image
    std::int64_t macs_of_region = 400'000;      // 8 to 20 us on one core, several times what a parallel region costs

    bool operator==(const GemmLimits&) const = default;
};

// Winograd's convolution (winograd_tiling.hpp).
struct WinogradLimits {
    std::int64_t tiles_of_block = 28;      // four register tiles of 7; with few channels all of a block is in the second-level cache
    std::int64_t tiles_of_far_block = 49;  // if the transformed weights do not stay in the second-level cache
    std::int64_t bytes_of_v = 3'400'000;
    std::int64_t bytes_of_workspace = 5'700'000;  // of a thread
    std::int64_t far_weights = 1'200'000;         // bytes
    std::int64_t rows_of_k_block = 512;           // products that are summed at a time; fewer where the error bound requires it
    std::int64_t channels_of_chunk = 64;
    std::int64_t most_prepared = 64'000'000;  // bytes of transformed weights, at most: more would take too much memory beside the taps
    std::int64_t enough_blocks = 8;
    std::int64_t slow_weights = 20'000'000;  // bytes of transformed weights; with more, a few tiles would wait for them

    bool operator==(const WinogradLimits&) const = default;
};

// Depthwise convolution (depthwise_tiling.hpp).
struct DepthwiseLimits {
    std::int64_t bytes_of_block = 96 * 1024;  // lane = channel: copy and sums of the vectors that are copied together
    std::int64_t bytes_of_window =
        32 * 1024;                        //   channels last: input rows that a row of outputs meets, which stay in the first-level cache
    std::int64_t channels_of_chunk = 16;  //   vectors
    std::int64_t bytes_of_plane = 256 * 1024;  // lane = pixel: the copy of a block. Neighbouring blocks both copy a few rows
    std::int64_t enough_tasks = 4;
    Lane lane = Lane::automatic;  // where a problem leaves it open

    bool operator==(const DepthwiseLimits&) const = default;
};

// The direct convolution (direct_tiling.hpp).
struct DirectLimits {
    std::int64_t macs_of_block = 2'000'000;     // enough work to pay for the overhead of a task
    std::int64_t columns_of_block = 4096;       // pixels of a row
    std::int64_t bytes_of_sums = 24 * 1024;     // sums of a block, kept between chunks: half of the first-level cache
    std::int64_t bytes_of_copy = 256 * 1024;    // the copy for a chunk of a block,
    std::int64_t most_bytes_of_copy = 3 << 20;  //   if the chunk has one channel and the block is a tile or more
    std::int64_t taps_of_chunk = 36;            // fewest taps of a chunk, if the kernel has them,
    std::int64_t channels_of_chunk = 4;         //   and fewest channels: more may alias in the sets of a cache
    std::int64_t vectors_in_place = 12;         // a row with at least this number of vectors that touch no border is read in place
    std::int64_t enough_tasks = 8;

    bool operator==(const DirectLimits&) const = default;
};

// Transposed convolution by phases (transposed_tiling.hpp).
struct TransposedLimits {
    std::int64_t pixels_of_block = 128;        // lane = channel; twice this number with lane = pixel
    std::int64_t bytes_of_block = 256 * 1024;  // results of all phases: they stay in the second-level cache beside the weights
    std::int64_t enough_tasks = 8;
    std::int64_t rows_of_band = 32;             // rows of y. Neighbouring bands both compute the products at their common edge
    std::int64_t bytes_of_planes = 128 * 1024;  // planes of y of a chunk of channels

    bool operator==(const TransposedLimits&) const = default;
};

// A depthwise and a 1x1 convolution as one (separable_tiling.hpp).
struct SeparableLimits {
    std::int64_t bytes_of_block = 768 * 1024;  // depthwise results. Each block reads a few more input rows, and all pointwise weights again
    std::int64_t pixels_of_block = 4096;
    std::int64_t fewest_pixels = 28;             // of a block that is cut to give threads work: each block reads all weights
    std::int64_t most_bytes_of_block = 3 << 19;  // depthwise results, at most: a block has fewer pixels if they would be larger

    bool operator==(const SeparableLimits&) const = default;
};

// Gradients in the weights (weight_gradient_tiling.hpp, depthwise_gradient_tiling.hpp).
struct WeightGradientLimits {
    std::int64_t pixels_of_block = 128;
    std::int64_t bytes_of_sums = 1 << 20;      // of a task
    std::int64_t bytes_of_all_sums = 4 << 20;  // sums of all parts
    std::int64_t rows_of_task = 256;           // taps x channels of a task: each task copies g
    std::int64_t bytes_of_window = 96 * 1024;  // depthwise: a block of x and of g
    std::int64_t bytes_of_window_of_groups = 40 * 1024;
    std::int64_t bytes_of_copy = 64 * 1024;    // few channels: the copy of x
    std::int64_t bytes_of_lists = 256 * 1024;  // lists that are made once for all tasks
    std::int64_t enough_tasks = 8;

    bool operator==(const WeightGradientLimits&) const = default;
};

struct Limits {
    GemmLimits gemm;
    WinogradLimits winograd;
    DepthwiseLimits depthwise;
    DirectLimits direct;
    TransposedLimits transposed;
    SeparableLimits separable;
    WeightGradientLimits weight_gradient;

    bool operator==(const Limits&) const = default;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What cutting a problem into blocks aims at. Tests pass small numbers, so that small problems are cut as large ones are.
#pragma once
#include <cstdint>

#include "kernels/table.hpp"
#include "plan/problem.hpp"

namespace npconv {

// The GEMM path (gemm_tiling.hpp).
struct GemmLimits {
    std::int64_t pixels_of_block = 128;       // with 256 channels 128 KB of sums; twice as many on large maps
    std::int64_t pixel_lanes_of_block = 256;  // lane = pixel: five tiles of 48
    std::int64_t larger_block = 4;            // times as many pixels, at most, on large maps, where nothing of a block is kept
    std::int64_t k_of_block = 1728;        // with 64 channels of weights 440 KB, which stay in L2 (640 is 2 to 4% slower: sums come and go)
    std::int64_t taps_of_block = 1024;     // an input is copied at most so often
    std::int64_t widest_tile = max_nv;     // vectors, or as many as the register tile has, if those are fewer
    std::int64_t channels_of_chunk = 256;  // a copied part of the input is used this often
    std::int64_t enough_tasks = 8;         // where maps are small, chunks are made smaller until there are this many tasks
    std::int64_t products_of_copy = 96;    // lane = pixel: products for each copied value
    std::int64_t often_used = 600;         // lane = channel: the same, where it could be read in place,
    std::int64_t used_from_afar = 280;     //   where its channels are far apart,
    std::int64_t used_aliased = 400;       //   or where they alias and the core is far-sighted
    std::int64_t larger_copy = 8;          // lane = pixel: copied blocks are at most this many times larger,
    std::int64_t bytes_of_copy = 768 * 1024;    //   while they stay in the second-level cache
    Lane lane = Lane::automatic;                // where a problem leaves it open
    std::int64_t bytes_of_weights = 6'000'000;  // of a thread: that a plain call of one image packs at a time
    std::int64_t macs_of_region = 400'000;      // 8 to 20 us on one core, several times what a parallel region costs

    bool operator==(const GemmLimits&) const = default;
};

// Winograd's convolution (winograd_tiling.hpp).
struct WinogradLimits {
    std::int64_t tiles_of_block = 28;      // four register tiles of 7; with few channels all of a block is in the second-level cache
    std::int64_t tiles_of_far_block = 49;  // where the transformed weights are not
    std::int64_t bytes_of_v = 3'400'000;
    std::int64_t bytes_of_workspace = 5'700'000;  // of a thread
    std::int64_t far_weights = 1'200'000;         // bytes
    std::int64_t rows_of_k_block = 512;           // products that are summed at a time, or fewer where the error asks for it
    std::int64_t channels_of_chunk = 64;
    std::int64_t most_prepared = 64'000'000;  // bytes of transformed weights: more take too much memory beside the taps
    std::int64_t enough_blocks = 8;
    std::int64_t slow_weights = 20'000'000;  // bytes of transformed weights that a few tiles would wait for

    bool operator==(const WinogradLimits&) const = default;
};

// Depthwise convolution (depthwise_tiling.hpp).
struct DepthwiseLimits {
    std::int64_t bytes_of_block = 96 * 1024;  // lane = channel: the copy and the sums of what is copied together
    std::int64_t bytes_of_window =
        32 * 1024;                        //   channels last: rows of the input that a row of outputs meets stay in the first-level cache
    std::int64_t channels_of_chunk = 16;  //   vectors
    std::int64_t bytes_of_plane = 256 * 1024;  // lane = pixel: the copy of a block. Each block costs a few rows more
    std::int64_t enough_tasks = 4;
    Lane lane = Lane::automatic;  // where a problem leaves it open

    bool operator==(const DepthwiseLimits&) const = default;
};

// The direct convolution (direct_tiling.hpp).
struct DirectLimits {
    std::int64_t macs_of_block = 2'000'000;     // a task is worth its overhead
    std::int64_t columns_of_block = 4096;       // pixels of a row
    std::int64_t bytes_of_sums = 24 * 1024;     // of a block, where they wait for the next chunk: half of the first-level cache
    std::int64_t bytes_of_copy = 256 * 1024;    // of a chunk of a block
    std::int64_t most_bytes_of_copy = 3 << 20;  //   that has one channel and is no smaller than a tile
    std::int64_t taps_of_chunk = 36;            // at least, where the kernel has them,
    std::int64_t channels_of_chunk = 4;         //   and at least this many channels: more share too few sets of a cache
    std::int64_t vectors_in_place = 12;         // rows with as many vectors that touch no border are read in place
    std::int64_t enough_tasks = 8;

    bool operator==(const DirectLimits&) const = default;
};

// Transposed convolution by phases (transposed_tiling.hpp).
struct TransposedLimits {
    std::int64_t pixels_of_block = 128;        // lane = channel; with lane = pixel twice as many
    std::int64_t bytes_of_block = 256 * 1024;  // of all phases: they stay in the second-level cache beside weights
    std::int64_t enough_tasks = 8;
    std::int64_t rows_of_band = 32;             // of y: at their ends bands compute products that their neighbours compute, too
    std::int64_t bytes_of_planes = 128 * 1024;  // of y, of a chunk of channels

    bool operator==(const TransposedLimits&) const = default;
};

// A depthwise and a 1x1 convolution as one (separable_tiling.hpp).
struct SeparableLimits {
    std::int64_t bytes_of_block = 768 * 1024;  // of depthwise results. Each block costs a few rows more, and reads the weights anew
    std::int64_t pixels_of_block = 4096;
    std::int64_t fewest_pixels = 28;             // of a block that is cut so that threads have work: weights are read for each
    std::int64_t most_bytes_of_block = 3 << 19;  // of a block, which has fewer pixels for it

    bool operator==(const SeparableLimits&) const = default;
};

// Gradients in the weights (weight_gradient_tiling.hpp, depthwise_gradient_tiling.hpp).
struct WeightGradientLimits {
    std::int64_t pixels_of_block = 128;
    std::int64_t bytes_of_sums = 1 << 20;      // of a task
    std::int64_t bytes_of_all_sums = 4 << 20;  // of all parts of a sum that is cut
    std::int64_t rows_of_task = 256;           // taps x channels: g is copied for each task
    std::int64_t bytes_of_window = 96 * 1024;  // of depthwise weights: a block of x and of g
    std::int64_t bytes_of_window_of_groups = 40 * 1024;
    std::int64_t bytes_of_copy = 64 * 1024;    // of x, of few channels
    std::int64_t bytes_of_lists = 256 * 1024;  // that are made once
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

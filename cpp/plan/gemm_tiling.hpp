// SPDX-License-Identifier: BSD-3-Clause
// How the GEMM path cuts a convolution up. A pure function of shape, dtype and instruction set.
//
// The product is pixels x channels, summed over k = taps x input channels (taps outermost, so that k runs alike in both layouts):
//
//   LOOP 1  tasks: image, group, chunk of panels, block of pixels        the parallel dimension
//   LOOP 2    block of k                  its x fits L2; a panel's slice of it, kc x nr weights (64 KB), streams from L2
//   LOOP 3      panel of output channels  nr = nv vectors wide, packed [panel][k][nr]
//   LOOP 4        tile of pixels          mr pixels x nr channels in registers: the microkernel
//
// The accumulators of a task, pixel block x chunk, stay in L2 (about 112 x 256 floats) from LOOP 2 to the epilogue.
#pragma once
#include <cstdint>

#include "plan/problem.hpp"
#include "plan/split.hpp"

namespace npconv {

struct GemmTiling {
    int lanes = 1;
    int mr = 1;
    std::int64_t k = 0;
    EvenSplit panels;        // vectors of output channels of a group -> panels
    EvenSplit chunks;        // panels -> chunks
    EvenSplit pixel_blocks;  // groups of mr pixels -> blocks
    EvenSplit k_blocks;      // k -> blocks
    std::int64_t pixels = 0;
    std::int64_t tasks = 0;

    std::int64_t vectors() const { return panels.n; }
    std::int64_t block_begin(std::int64_t block) const { return pixel_blocks.begin(block) * mr; }
    std::int64_t block_end(std::int64_t block) const {
        const std::int64_t end = pixel_blocks.begin(block + 1) * mr;
        return end < pixels ? end : pixels;
    }
    std::int64_t most_pixels() const {
        const std::int64_t n = pixel_blocks.longest() * mr;
        return n < pixels ? n : pixels;
    }
    std::int64_t most_vectors_of_chunk() const { return chunks.longest() * panels.longest(); }
    std::int64_t packed_elements_of_group() const { return vectors() * lanes * k; }
    // The gathered panel of a block: [k][row_stride] for channels first.
    std::int64_t panel_row_stride() const { return most_pixels() + 1; }  // odd or at least no power of two: rows must not share a cache set
};

GemmTiling tile_gemm(const Problem& problem);

// The tiling of a batch so large that more images change nothing but the number of tasks: no batch has larger tiles.
GemmTiling tile_gemm_for_many_images(const Problem& problem);

// How many threads a problem is worth: all of them or one. (A number in between would make teams grow and shrink from call to call.)
int worthwhile_threads(const Problem& problem, int threads);

// What the cutting aims at. Tests make these small, so that small problems are cut as large ones are.
struct TilingLimits {
    std::int64_t tiles_of_block = 16;        // 112 pixels of 7: long enough for L3-to-L2 streams, and a divisor of 784 and 3136
    std::int64_t k_of_block = 256;           // 256 x 64 floats of a panel are 64 KB
    std::int64_t vectors_of_panel = max_nv;  // or as many as the register tile has, if those are fewer
    std::int64_t channels_of_chunk = 256;    // a gathered panel is used this often
    std::int64_t enough_tasks = 16;          // where maps are small, chunks are made smaller until there are so many tasks
    std::int64_t macs_of_region = 400'000;   // 8 to 20 us on one core, several times what a parallel region costs
};
TilingLimits tiling_limits();
void set_tiling_limits(const TilingLimits& limits);  // while nothing runs and no plan will be run again

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// How the GEMM path cuts a convolution up. A pure function of shape, layout, dtype and kernel set.
//
// The product is pixels x channels, summed over k = taps x input channels:
//
//   LOOP 1  tasks: image, group, chunk of panels, block of pixels        the parallel dimension
//   LOOP 2    block of k                  its part of x fits L2; a panel's slice of weights streams from L2 (k_order.hpp)
//   LOOP 3      panel of output channels  as wide as a register tile, packed [panel][k][width]
//   LOOP 4        tile of pixels          the microkernel (kernels/gemm.inl)
//
// With a lane an output channel, a register tile is mr pixels x nv vectors of channels: any pixels, so that no shape of map wastes work,
// but channels fill whole vectors, and channels first the sums are transposed on their way out. With a lane a pixel it is mr channels x nv
// vectors of pixels: for channels first where sums are short, channels few, and rows fill vectors. Where a tile's pixels are to stay in L1,
// LOOP 4 runs outside LOOP 3: channels last with few weights, whose output is then written row by row, and with lane = pixel on flat maps;
// but not of short sums, for which all tiles of a panel are one call.
#pragma once
#include <cstdint>

#include "core/split.hpp"
#include "plan/cache_use.hpp"
#include "plan/context.hpp"
#include "plan/k_order.hpp"
#include "plan/pixel_boxes.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct GemmTiling {
    Lane lane = Lane::channel;
    int lanes = 1;                         // elements of a vector
    int mr = 1;                            // rows of the register tile: pixels, or channels
    int nv = 1;                            // its vectors
    int waiting_rows = 2;                  // lane = channel: a register tile of fewer pixels costs as much as one of so many
    std::int64_t unit = 1;                 // output channels that panels count in: a vector, or one
    bool flat = false;                     // pixels are cut as one row
    std::array<std::int64_t, 3> map;       // pixels of the output, as they are cut
    std::int64_t step = 1;                 // pixels that the cuts of the last axis count in
    bool panels_inside = false;            // LOOP 4 runs outside LOOP 3
    Layout copy = Layout::channels_first;  // of copied parts of the input
    bool always_copied = false;            // even where the input could be read in place
    bool made_input = false;               // just made for a block, so that it can be read as it stands, whole vectors of pixels, too
    bool packs_panels = false;             // of a plain call: each panel of weights is used by one task, which can pack it
    EvenSplit panels;                      // units of output channels of a group -> panels
    SpreadSplit chunks;                    // panels -> chunks
    std::array<SpreadSplit, 3> blocks;     // map -> blocks
    KOrder k;
    std::int64_t k_length = 0;  // of the whole sum
    std::int64_t tasks = 0;

    std::int64_t blocks_of_map() const { return blocks[0].parts * blocks[1].parts * blocks[2].parts; }
    Box block(std::int64_t i) const;
    // Lengths that no block exceeds.
    std::array<std::int64_t, 3> longest_block() const;
    std::int64_t most_pixels() const;
    std::int64_t pixels_of_tile() const { return lane == Lane::channel ? mr : nv * lanes; }
    CacheUse cache_use(const Problem& problem) const;
    std::int64_t most_vectors_of_pixels() const;  // lane = pixel: vectors end with their row
    std::int64_t most_channels_of_chunk() const { return chunks.longest() * panels.longest() * unit; }
    std::int64_t packed_elements_of_group() const { return panels.n * unit * k_length; }
    bool operator==(const GemmTiling&) const = default;
};

GemmTiling tile_gemm(const Problem& problem, const Context& on);

// The same for pieces of at most so many pixels of a row, and one panel at a time. The packed weights are those of tile_gemm.
constexpr std::int64_t pixels_of_piece = 8;
GemmTiling tile_gemm_pieces(const Problem& problem, const Context& on, std::int64_t pixels);

// The same for blocks of at most so many pixels of a flat map, and all panels at a time.
GemmTiling tile_gemm_blocks(const Problem& problem, const Context& on, std::int64_t pixels);

// The same for blocks of at most so many outputs along each axis, whose pixels are neighbours in the output, and at most so many panels.
GemmTiling tile_gemm_parts(const Problem& problem, const Context& on, const std::array<std::int64_t, 3>& longest_block,
                           std::int64_t panels);

// How many threads a problem is worth: all of them or one. (A number in between would make teams grow and shrink from call to call.)
int worthwhile_threads(const Problem& problem, const Context& on, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Tiling of the GEMM path. A pure function of shape, layout, dtype and kernel set.
//
// The product is pixels x channels, summed over k = taps x input channels:
//
//   LOOP 1  tasks: image, group, chunk of panels, block of pixels        the parallel dimension
//   LOOP 2    block of k                  its part of x fits L2; a panel's slice of weights streams from L2 (k_order.hpp)
//   LOOP 3      panel of output channels  as wide as a register tile, packed [panel][k][width]
//   LOOP 4        tile of pixels          the microkernel (kernels/gemm.inl)
//
// lane = channel: a register tile is mr pixels x nv vectors of output channels. The pixels may be any, so no map shape wastes work, but
// channels are padded to whole vectors. Channels first, the sums are transposed when they are stored.
// lane = pixel: a register tile is mr channels x nv vectors of pixels. It serves channels first where sums are short, channels are few and
// rows fill vectors.
// LOOP 4 runs outside LOOP 3 where the pixels of a tile should stay in L1: channels last with few weights, so that the output is written
// row by row, and lane = pixel on flat maps. With short sums it stays inside, because all tiles of a panel are then one call.
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
    int waiting_rows = 2;                  // lane = channel: a register tile with fewer pixels takes as long as one with this number
    std::int64_t unit = 1;                 // output channels of a unit of panels: a vector, or one channel
    bool flat = false;                     // all pixels of the map are cut as one row
    std::array<std::int64_t, 3> map;       // pixels of the output along the axes that are cut
    std::int64_t step = 1;                 // pixels of a unit of blocks[2]
    bool panels_inside = false;            // LOOP 4 runs outside LOOP 3
    Layout copy = Layout::channels_first;  // layout of copied parts of the input
    bool always_copied = false;            // the input is copied even where it could be read in place
    bool made_input = false;               // the caller just made the input of a block: it is read in place, and in whole vectors of pixels
    bool packs_panels = false;             // plain call: one task uses each panel of weights, and packs it
    EvenSplit panels;                      // units of output channels of a group -> panels
    SpreadSplit chunks;                    // panels -> chunks
    std::array<SpreadSplit, 3> blocks;     // map -> blocks
    KOrder k;
    std::int64_t k_length = 0;  // values of the whole sum
    std::int64_t tasks = 0;

    std::int64_t blocks_of_map() const { return blocks[0].parts * blocks[1].parts * blocks[2].parts; }
    Box block(std::int64_t i) const;
    // The largest length of a block along each axis.
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

// The same for blocks of at most `pixels` pixels of a row, and chunks of one panel. The packed weights are those of tile_gemm.
constexpr std::int64_t pixels_of_piece = 8;
GemmTiling tile_gemm_pieces(const Problem& problem, const Context& on, std::int64_t pixels);

// The same for blocks of at most `pixels` pixels of a flat map, and one chunk of all panels.
GemmTiling tile_gemm_blocks(const Problem& problem, const Context& on, std::int64_t pixels);

// The same for blocks of at most longest_block outputs along each axis, whose pixels are adjacent in the output, and chunks of at most
// `panels` panels.
GemmTiling tile_gemm_parts(const Problem& problem, const Context& on, const std::array<std::int64_t, 3>& longest_block,
                           std::int64_t panels);

// The number of threads that a problem is worth: `threads` or one. A number in between would make thread teams grow and shrink from call
// to call.
int worthwhile_threads(const Problem& problem, const Context& on, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The kernels of the direct convolution (lane = pixel) and their arguments. Plain data only, as table.hpp.
#pragma once
#include <cstdint>

#include "kernels/entries.hpp"
#include "kernels/output.hpp"

namespace npconv {

// One input channel with all taps of a few tap rows. Neighbouring tap rows meet input rows at the distance of the tile's rows. The input of
// the first tap row begins `offset` elements after x of the tile, its weights `w` elements after w of the tile.
struct DirectPass {
    std::int64_t offset;
    std::int64_t w;
    std::int64_t tap_rows;
};

// A register tile of all output channels of a group x `rows` rows x several vectors of pixels. A sum runs over passes, then over tap rows,
// then over tap columns. This order is the same for every tile, so that results do not depend on tiles.
//   input of (row r, vector v, tap row t, tap column s)   x + pass.offset + (r + t) * row_step + v * vector_step + column[s]
//   its weights                                           w + pass.w + (t * columns + s) * channels
//   its first pixel                                       number index + r * y_row + v * vector_step of the output
template <class T>
struct DirectTile {
    const T* x;
    const T* w;
    const DirectPass* pass;
    std::int64_t passes;
    std::int64_t row_step, vector_step;
    const std::int64_t* column;
    std::int64_t columns;
    std::int64_t last_columns;  // columns of the last tap row of a pass
    std::int64_t rows;          // rows of the tile, at most those of the kernel
    std::int64_t fetch;         // elements from x to the input that is prefetched for later; 0: no prefetch
    T* sums;                    // [channel][rows of the kernel][vector][lanes]
    bool accumulate;            // add to `sums`
    const Output<T>* output;    // null: the sums stay in `sums`
    bool channels_last;         // layout of the output
    std::int64_t index, y_row;
    std::int64_t row_pixels;    // pixel distance between tile rows that are parts of one output row; 0: tile rows are output rows
    std::int64_t pixels;        // pixels of the output row from the tile on; pixels beyond are read but not stored
    std::int64_t place, width;  // edge kernels: index of x in its input row, and values of that row; outside are zeros
};

template <class T>
struct DirectKernels {
    // Tiles of several rows, and tiles of one row.
    void (*tile[max_direct_channels][max_direct_vectors])(const DirectTile<T>&);  // [channels - 1][vectors - 1]
    void (*single[max_direct_channels][max_direct_vectors])(const DirectTile<T>&);
    // One vector of pixels at the edge of the input, with several rows or one; null if the instruction set has no masks.
    void (*edge_tile[max_direct_channels])(const DirectTile<T>&);
    void (*edge_single[max_direct_channels])(const DirectTile<T>&);
    // Stores sums that a tile kernel left in `sums` to the output. most_rows: rows of that kernel.
    void (*finish[max_direct_channels][max_direct_vectors])(const DirectTile<T>&, int most_rows);
};

struct DirectTable {
    DirectKernels<float> f32;
    DirectKernels<double> f64;
};

extern const DirectTable direct_kernels_baseline, direct_kernels_avx2, direct_kernels_avx512, direct_kernels_neon;

}  // namespace npconv

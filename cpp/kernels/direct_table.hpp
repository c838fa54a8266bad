// SPDX-License-Identifier: BSD-3-Clause
// The kernels of the direct convolution (lane = pixel) and how they are called. Plain data only, as table.hpp.
#pragma once
#include <cstdint>

#include "kernels/entries.hpp"
#include "kernels/output.hpp"

namespace npconv {

// One input channel with all taps of a few tap rows: those that meet rows of the tile's own distance. The input of the first begins
// `offset` elements after the tile's, their weights with weight number `w` of the tile's.
struct DirectPass {
    std::int64_t offset;
    std::int64_t w;
    std::int64_t tap_rows;
};

// A register tile of all output channels of a group x `rows` rows x some vectors of pixels, summed over the passes in order, of each over
// the tap rows, of each over the tap columns: whatever the tile, so that results do not depend on it.
//   input of (row r, vector v, tap row t, tap column s)   x + pass.offset + (r + t) * row_step + v * vector_step + column[s]
//   its weights                                           w + pass.w + (t * columns + s) * channels
//   its pixels                                            number index + r * y_row + v * vector_step of the output, and those beside it
template <class T>
struct DirectTile {
    const T* x;
    const T* w;
    const DirectPass* pass;
    std::int64_t passes;
    std::int64_t row_step, vector_step;
    const std::int64_t* column;
    std::int64_t columns;
    std::int64_t last_columns;  // of the last tap row of a pass
    std::int64_t rows;          // at most those of the kernel
    std::int64_t fetch;         // so much further stands the input of later passes, which is fetched; 0: nothing is
    T* sums;                    // [channel][rows of the kernel][vector][lanes]
    bool accumulate;            // add to `sums`
    const Output<T>* output;    // null: the sums stay there
    bool channels_last;         // which of its strides y_stride is
    std::int64_t index, y_row;
    std::int64_t row_pixels;    // by so many pixels of a row of the output the rows of the tile are apart; 0: they are rows of it
    std::int64_t pixels;        // of the output's row, that count: those beyond are read, too, and not stored
    std::int64_t place, width;  // at the edge: x stands at this place of a row of so many values, and what is outside counts as zero
};

template <class T>
struct DirectKernels {
    // Of tiles of several rows, and of one.
    void (*tile[max_direct_channels][max_direct_vectors])(const DirectTile<T>&);  // [channels - 1][vectors - 1]
    void (*single[max_direct_channels][max_direct_vectors])(const DirectTile<T>&);
    // One vector of pixels at the edge of the input, of several rows or one; null where the instruction set has no masks.
    void (*edge_tile[max_direct_channels])(const DirectTile<T>&);
    void (*edge_single[max_direct_channels])(const DirectTile<T>&);
    // From sums that were left to the output; most_rows: those of the kernel that left them.
    void (*finish[max_direct_channels][max_direct_vectors])(const DirectTile<T>&, int most_rows);
};

struct DirectTable {
    DirectKernels<float> f32;
    DirectKernels<double> f64;
};

extern const DirectTable direct_kernels_baseline, direct_kernels_avx2, direct_kernels_avx512, direct_kernels_neon;

}  // namespace npconv

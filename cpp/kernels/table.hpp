// SPDX-License-Identifier: BSD-3-Clause
// The arguments of the kernels of an instruction set; entries.hpp describes their abilities. Plain data only: translation units that are
// compiled for different instruction sets include this header, so it must not define a function. (The linker would keep one copy, perhaps
// the AVX-512 one.)
#pragma once
#include <cstdint>

#include "kernels/depthwise_table.hpp"
#include "kernels/direct_table.hpp"
#include "kernels/entries.hpp"
#include "kernels/output.hpp"
#include "kernels/pool_table.hpp"
#include "kernels/winograd_table.hpp"

namespace npconv {

// A run of `length` consecutive values of k (input channels of one tap). The input of the first is `offset` elements after the pixel
// (`at`), each next one k_stride elements further. Their weights begin at row `k` of the packed panel.
struct Segment {
    std::int64_t offset;
    std::int64_t k;
    std::int64_t length;
};

// Register tiles of the GEMM, summed over the segments in order. A sum runs in the order of k for every tile and lane, so that results do
// not depend on them.
//   lane = channel: mr pixels x nv vectors of channels   at, index: [mr], of pixels        w [k][nv * lanes]   sums [index][nv * lanes]
//   lane = pixel:   mr channels x nv vectors of pixels   at, index, count, slot: [nv]      w [k][mr]           sums [slot][mr][lanes]
template <class T>
struct GemmTile {
    const T* x;
    const std::int64_t* at;     // element offsets of the tile's pixels, or of the first pixels of its vectors
    const std::int64_t* index;  // the numbers of these pixels in y
    const std::int64_t* count;  // lane = pixel: pixels of each vector to store; the others are read but not stored
    const std::int64_t* slot;   // lane = pixel: numbers of the vectors in `sums`
    const Segment* segment;
    std::int64_t segments;
    std::int64_t k_stride;
    const T* w;
    std::int64_t tiles = 1;  // number of register tiles, one after the other in the lists
    const T* next_w;         // lane = channel: weights of later tiles, to prefetch; null or unused if next_lines is 0
    int next_lines;          //   vectors prefetched per register tile and step of k: 0, 1, 2 or 4
    int lines_left;          //   vectors per step of k still to prefetch; each register tile reduces them by next_lines
    T* sums;
    bool accumulate;          // add to `sums`: each block of a long sum begins at zero, so that the error stays small
    const Output<T>* output;  // null: the sums go back to `sums`
};

// to[place[k] * to_stride + r] = from[r * from_stride + k] for r < width <= lanes and k < columns; rows beyond `rows` are zero.
template <class T>
struct PackedRows {
    const T* from;
    std::int64_t from_stride;
    std::int64_t rows;
    std::int64_t width;
    std::int64_t columns;
    const std::int64_t* place;
    T* to;
    std::int64_t to_stride;
};

// to[i * rows + r] = from[r * row_step + i], i < n
template <class T>
struct Interleaved {
    const T* from;
    std::int64_t row_step;
    std::int64_t rows;
    std::int64_t n;
    T* to;
};

// to[m] = start + the sum of at[m] over the rows with begin <= m < end, for m < n. Whole vectors are written.
template <class T>
struct ShiftedRow {
    const T* at;
    std::int64_t begin, end;  // at[begin] ... at[end - 1]
};
template <class T>
struct RowSum {
    const ShiftedRow<T>* rows;
    std::int64_t count;
    std::int64_t n;
    T start;
    T* to;
};

template <class T>
struct Kernels {
    int lanes;                                                                    // elements of a vector
    void (*channel_tile[max_nv][max_mr])(const GemmTile<T>&);                     // [vectors - 1][pixels - 1]
    void (*pixel_tile[max_nv][max_mr])(const GemmTile<T>&);                       // [vectors - 1][channels - 1]
    void (*transpose_sums)(const PixelSums<T>&);                                  // to channels first
    void (*finish_sums)(const PixelSums<T>&);                                     // to channels last
    T (*pack_vectors)(const PackedRows<T>&);                                      // the largest magnitude, NaN if a value is
    void (*copy_every)(const T* from, std::int64_t step, std::int64_t n, T* to);  // to[i] = from[i * step], i < n
    void (*interleave)(const Interleaved<T>&);
    void (*sum_rows)(const RowSum<T>&);
};

struct KernelTable {
    const char* isa;
    const KernelEntries* entries;
    Kernels<float> f32;
    Kernels<double> f64;
    const WinogradTable* winograd;
    const DepthwiseTable* depthwise;
    const DirectTable* direct;
    const PoolTable* pool;
};

extern const KernelTable kernels_baseline, kernels_avx2, kernels_avx512, kernels_neon;

}  // namespace npconv

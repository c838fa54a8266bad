// SPDX-License-Identifier: BSD-3-Clause
// The GEMM microkernels. Pixels may stand anywhere in the input (`at`), so a tile crosses row ends, strides over pixels, reads the input in
// place or a copied part of it, by the same code.
//
// channel_tile: lane = output channel. One broadcast of the input per pixel and k, used for all vectors of the tile.
//
//              nv vectors of channels            registers of a k-step, avx512 7 x 4:  28 sums + 4 w + 1 x = 33, of which the last w
//            +----+----+----+----+               folds into the FMA's memory operand: 32
//   pixel 0  | sum| sum| sum| sum|  <- x[0]                            avx2   6 x 2:  12 sums + 2 w + 1 x = 15 of 16
//   ...      |    |    |    |    |                                     sse2   6 x 2:  12 sums + 2 w + 1 x + 1 product = 16 of 16
//   pixel mr-1                                                         neon   8 x 2:  16 sums + 2 w + 2 x = 20 of 32
//
// pixel_tile: lane = pixel, the same with the roles changed. One broadcast of a weight per channel and k.
//
//              nv vectors of pixels              registers of a k-step, avx512 8 x 3:  24 sums + 3 x + 1 w = 28 of 32
//            +----+----+----+                                          avx2   4 x 3:  12 sums + 3 x + 1 w = 16 of 16
// channel 0  | sum| sum| sum|  <- w[0]                                 sse2   4 x 2:   8 sums + 2 x + 1 w + 1 product = 12 of 16
//   ...      |    |    |    |                                          neon   8 x 3:  24 sums + 3 x + 2 w = 29 of 32
//
// Sources: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008; for the input read in place, Georganas et al.,
// "Anatomy of High-Performance Deep Learning Convolutions on SIMD Architectures", 2018.

template <class Vec, int MR, int NV>
void channel_tile(const GemmTile<typename Vec::T>& tile) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    constexpr int folded = MR * NV + NV + 1 > Vec::registers ? 1 : 0;  // vectors of w that find no register

    V sum[MR][NV];
    std::int64_t at[MR];
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
        at[i] = tile.at[i];
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) sum[i][j] = tile.accumulate ? Vec::load(tile.sums + (tile.index[i] * NV + j) * L) : Vec::zero();
    }

    const std::int64_t step = tile.k_stride;
    for (const Segment *s = tile.segment, *end = s + tile.segments; s != end; ++s) {
        const T* x = tile.x + s->offset;
        const T* w = tile.w + s->k * NV * L;
        for (std::int64_t k = s->length; k > 0; --k) {
            V wk[NV];
#pragma GCC unroll 4
            for (int j = 0; j < NV - folded; ++j) wk[j] = Vec::load(w + j * L);
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) {
                const V xi = Vec::set1(x[at[i]]);
#pragma GCC unroll 4
                for (int j = 0; j < NV - folded; ++j) sum[i][j] = Vec::fma(xi, wk[j], sum[i][j]);
                if constexpr (folded) {
                    asm volatile("" : "+r"(w));  // forget what w[k] held: load it anew as the FMA's memory operand
                    sum[i][NV - 1] = Vec::fma(xi, Vec::load(w + (NV - 1) * L), sum[i][NV - 1]);
                }
            }
            x += step;
            w += NV * L;
        }
    }

    if (tile.output) {
        finish_channel_tile<Vec>(sum, tile.index, *tile.output);
        return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) Vec::store(tile.sums + (tile.index[i] * NV + j) * L, sum[i][j]);
    }
}

// Channels that stand far apart are no stream that a processor foresees: where there are many, pixels are fetched so many steps of k ahead,
// more than wait in its window at once. (256 -> 64 at 56x56, read from the third-level cache: 4 to 8% faster; short sums: 3% slower.)
constexpr std::int64_t fetched_steps = 12;
constexpr std::int64_t fetched_length = 128;

template <class Vec, int MR, int NV>
void pixel_tile(const GemmTile<typename Vec::T>& tile) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;

    V sum[MR][NV];
    std::int64_t at[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
        at[j] = tile.at[j];
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) sum[i][j] = tile.accumulate ? Vec::load(tile.sums + (tile.slot[j] * MR + i) * L) : Vec::zero();
    }

    const std::int64_t step = tile.k_stride;
    for (const Segment *s = tile.segment, *end = s + tile.segments; s != end; ++s) {
        const T* x = tile.x + s->offset;
        const T* w = tile.w + s->k * MR;
        const std::int64_t fetch = s->length >= fetched_length ? fetched_steps * step : 0;
        for (std::int64_t k = s->length; k > 0; --k) {
            V xk[NV];
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) {
                xk[j] = Vec::load(x + at[j]);
                __builtin_prefetch(x + at[j] + fetch);
            }
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) {
                const V wi = Vec::set1(w[i]);
#pragma GCC unroll 4
                for (int j = 0; j < NV; ++j) sum[i][j] = Vec::fma(xk[j], wi, sum[i][j]);
            }
            x += step;
            w += MR;
        }
    }

    if (tile.output) {
        finish_pixel_tile<Vec>(sum, tile.index, tile.count, *tile.output);
        return;
    }
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) Vec::store(tile.sums + (tile.slot[j] * MR + i) * L, sum[i][j]);
    }
}

// Fills the tables with the kernels of all sizes up to the largest.
template <class Vec, int MR, int NV, int M = 1, int N = 1>
constexpr void fill_channel_tiles(Kernels<typename Vec::T>& kernels) {
    kernels.nv = NV;
    kernels.mr[N - 1] = M;  // in the end the largest
    kernels.channel_tile[N - 1][M - 1] = &channel_tile<Vec, M, N>;
    if constexpr (M < (N < NV ? max_mr : MR)) {
        fill_channel_tiles<Vec, MR, NV, M + 1, N>(kernels);
    } else if constexpr (N < NV) {
        fill_channel_tiles<Vec, MR, NV, 1, N + 1>(kernels);
    }
}

template <class Vec, int MR, int NV, int M = 1, int N = 1>
constexpr void fill_pixel_tiles(Kernels<typename Vec::T>& kernels) {
    kernels.pixel_mr = MR;
    kernels.pixel_nv = NV;
    kernels.pixel_tile[N - 1][M - 1] = &pixel_tile<Vec, M, N>;
    if constexpr (N < NV) {
        fill_pixel_tiles<Vec, MR, NV, M, N + 1>(kernels);
    } else if constexpr (M < MR) {
        fill_pixel_tiles<Vec, MR, NV, M + 1, 1>(kernels);
    }
}

// SPDX-License-Identifier: BSD-3-Clause
// The GEMM microkernels. The pixels of a tile may be anywhere in the input (`at`). So the same code serves tiles that cross row ends,
// strided pixels, and input that is read in place or copied.
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

// The first step of k is a plain product, because setting a sum to zero first would cost up to two cycles. (A sum of products that are all
// -0 is therefore -0.)
template <class Vec, bool First>
[[gnu::always_inline]] inline typename Vec::V add_product(typename Vec::V a, typename Vec::V b, typename Vec::V sum) {
    return First ? Vec::mul(a, b) : Vec::fma(a, b, sum);
}

template <class Vec, bool First, int MR, int NV>
[[gnu::always_inline]] inline void channel_step(typename Vec::V (&sum)[MR][NV], const std::int64_t (&at)[MR], const typename Vec::T* x,
                                                const typename Vec::T* w) {
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    constexpr int folded = MR * NV + NV + 1 > Vec::registers ? 1 : 0;  // vectors of w for which there is no register
    V wk[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV - folded; ++j) wk[j] = Vec::load(w + j * L);
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
        const V xi = Vec::set1(x[at[i]]);
#pragma GCC unroll 4
        for (int j = 0; j < NV - folded; ++j) sum[i][j] = add_product<Vec, First>(xi, wk[j], sum[i][j]);
        if constexpr (folded) {
            asm volatile("" : "+r"(w));  // makes the compiler load w again, as a memory operand of the instruction
            sum[i][NV - 1] = add_product<Vec, First>(xi, Vec::load(w + (NV - 1) * L), sum[i][NV - 1]);
        }
    }
}

// Weights that do not stay in the first-level cache between tiles are prefetched steps_ahead steps of k ahead: with two products a cycle,
// the processor's own prefetching is too slow. (1024 -> 256 at 14x14: 4% faster on Granite Rapids.)
constexpr std::int64_t steps_ahead = 8;
constexpr std::int64_t first_level_bytes = 48 * 1024;

// Fetched: the number of vectors of later weights that are prefetched with each step, from `next` on; -1: the tile's own weights are
// prefetched, steps_ahead steps ahead.
template <class Vec, int MR, int NV, int Fetched>
[[gnu::always_inline]] inline void channel_steps(typename Vec::V (&sum)[MR][NV], const std::int64_t (&at)[MR], const typename Vec::T* x,
                                                 const typename Vec::T* w, std::int64_t step, std::int64_t k, const typename Vec::T* next) {
    constexpr int L = Vec::lanes;
    for (; k > 0; --k) {
        channel_step<Vec, false>(sum, at, x, w);
        if constexpr (Fetched < 0) {
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) __builtin_prefetch(w + (steps_ahead * NV + j) * L);
        } else {
#pragma GCC unroll 4
            for (int j = 0; j < Fetched; ++j) __builtin_prefetch(next + j * L);
            next += Fetched * L;
        }
        x += step;
        w += NV * L;
    }
}

// One register tile. lines: vectors of later weights that are prefetched with each step, from `next` on.
template <class Vec, int MR, int NV>
[[gnu::always_inline]] inline void one_channel_tile(const GemmTile<typename Vec::T>& tile, const std::int64_t* pixels,
                                                    const std::int64_t* index, bool fetch, int lines, const typename Vec::T* next) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;

    V sum[MR][NV];
    std::int64_t at[MR];
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) at[i] = pixels[i];
    const std::int64_t step = tile.k_stride;
    const bool begin = tile.segments > 0 && tile.segment->length > 0;
    if (begin) {
        channel_step<Vec, true>(sum, at, tile.x + tile.segment->offset, tile.w + tile.segment->k * NV * L);
    } else {
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) sum[i][j] = Vec::zero();
        }
    }

    std::int64_t done = begin ? 1 : 0;  // steps of the segment
    for (const Segment *s = tile.segment, *end = s + tile.segments; s != end; ++s) {
        const T* x = tile.x + s->offset + done * step;
        const T* w = tile.w + (s->k + done) * NV * L;
        const std::int64_t k = s->length - done;
        if (fetch) {
            channel_steps<Vec, MR, NV, -1>(sum, at, x, w, step, k, nullptr);
        } else if (lines == 0) {
            channel_steps<Vec, MR, NV, 0>(sum, at, x, w, step, k, nullptr);
        } else if (lines == 1) {
            channel_steps<Vec, MR, NV, 1>(sum, at, x, w, step, k, next);
        } else if (lines == 2) {
            channel_steps<Vec, MR, NV, 2>(sum, at, x, w, step, k, next);
        } else {
            channel_steps<Vec, MR, NV, 4>(sum, at, x, w, step, k, next);
        }
        next += k * lines * L;
        done = 0;
    }

    if (tile.accumulate) {
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) sum[i][j] = Vec::add(Vec::load(tile.sums + (index[i] * NV + j) * L), sum[i][j]);
        }
    }
    if (tile.output) {
        finish_channel_tile<Vec>(sum, index, *tile.output);
        return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) Vec::store(tile.sums + (index[i] * NV + j) * L, sum[i][j]);
    }
}

template <class Vec, int MR, int NV>
void channel_tile(const GemmTile<typename Vec::T>& given) {
    const auto tile = given;  // the compiler must assume that a vector store changes the original
    constexpr int L = Vec::lanes;
    constexpr std::int64_t bytes_of_step = NV * L * static_cast<std::int64_t>(sizeof(typename Vec::T));
    std::int64_t steps = 0;
    for (std::int64_t i = 0; i < tile.segments; ++i) steps += tile.segment[i].length;
    const bool fetch = tile.next_lines == 0 && steps * bytes_of_step > first_level_bytes;
    const typename Vec::T* next = tile.next_w;
    int left = tile.lines_left;
    for (std::int64_t i = 0; i < tile.tiles; ++i) {
        const int lines = left > 0 ? tile.next_lines : 0;
        one_channel_tile<Vec, MR, NV>(tile, tile.at + i * MR, tile.index + i * MR, fetch, lines, next);
        next += lines * steps * L;
        left -= lines;
    }
}

// Processors do not prefetch channels that are far apart. Segments of at least fetched_length steps prefetch pixels fetched_steps steps of
// k ahead, which is more than the steps in the processor's window. (256 -> 64 at 56x56, read from the third-level cache: 4 to 8% faster;
// short sums: 3% slower.)
constexpr std::int64_t fetched_steps = 12;
constexpr std::int64_t fetched_length = 128;

template <class Vec, bool First, int MR, int NV>
[[gnu::always_inline]] inline void pixel_step(typename Vec::V (&sum)[MR][NV], const std::int64_t (&at)[NV], const typename Vec::T* x,
                                              const typename Vec::T* w) {
    using V = typename Vec::V;
    V xk[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) xk[j] = Vec::load(x + at[j]);
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
        const V wi = Vec::set1(w[i]);
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) sum[i][j] = add_product<Vec, First>(xk[j], wi, sum[i][j]);
    }
}

// One register tile. Its first vector is number `first` in the lists.
template <class Vec, int MR, int NV>
[[gnu::always_inline]] inline void one_pixel_tile(const GemmTile<typename Vec::T>& tile, std::int64_t first) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;

    V sum[MR][NV];
    std::int64_t at[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) at[j] = tile.at[first + j];
    const std::int64_t step = tile.k_stride;
    const bool begin = tile.segments > 0 && tile.segment->length > 0;
    if (begin) {
        pixel_step<Vec, true>(sum, at, tile.x + tile.segment->offset, tile.w + tile.segment->k * MR);
    } else {
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) {
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) sum[i][j] = Vec::zero();
        }
    }

    std::int64_t done = begin ? 1 : 0;  // steps of the segment
    for (const Segment *s = tile.segment, *end = s + tile.segments; s != end; ++s) {
        const T* x = tile.x + s->offset + done * step;
        const T* w = tile.w + (s->k + done) * MR;
        std::int64_t k = s->length - done;
        if (k >= fetched_length) {
            for (; k > fetched_steps; --k) {
                pixel_step<Vec, false>(sum, at, x, w);
#pragma GCC unroll 4
                for (int j = 0; j < NV; ++j) __builtin_prefetch(x + at[j] + fetched_steps * step);
                x += step;
                w += MR;
            }
        }
        for (; k > 0; --k) {
            pixel_step<Vec, false>(sum, at, x, w);
            x += step;
            w += MR;
        }
        done = 0;
    }

    const std::int64_t* slot = tile.slot + first;
    if (tile.accumulate) {
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) {
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) sum[i][j] = Vec::add(Vec::load(tile.sums + (slot[j] * MR + i) * L), sum[i][j]);
        }
    }
    if (tile.output) {
        finish_pixel_tile<Vec>(sum, tile.index + first, tile.count + first, *tile.output);
        return;
    }
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) Vec::store(tile.sums + (slot[j] * MR + i) * L, sum[i][j]);
    }
}

template <class Vec, int MR, int NV>
void pixel_tile(const GemmTile<typename Vec::T>& tile) {
    for (std::int64_t i = 0; i < tile.tiles; ++i) one_pixel_tile<Vec, MR, NV>(tile, i * NV);
}

// Fills the tables with the kernels of all sizes up to the largest.
template <class Vec, int MR, int NV, int M = 1, int N = 1>
constexpr void fill_channel_tiles(Kernels<typename Vec::T>& kernels) {
    kernels.channel_tile[N - 1][M - 1] = &channel_tile<Vec, M, N>;
    if constexpr (M < (N < NV ? max_mr : MR)) {
        fill_channel_tiles<Vec, MR, NV, M + 1, N>(kernels);
    } else if constexpr (N < NV) {
        fill_channel_tiles<Vec, MR, NV, 1, N + 1>(kernels);
    }
}

template <class Vec, int MR, int NV, int M = 1, int N = 1>
constexpr void fill_pixel_tiles(Kernels<typename Vec::T>& kernels) {
    kernels.pixel_tile[N - 1][M - 1] = &pixel_tile<Vec, M, N>;
    if constexpr (N < NV) {
        fill_pixel_tiles<Vec, MR, NV, M, N + 1>(kernels);
    } else if constexpr (M < MR) {
        fill_pixel_tiles<Vec, MR, NV, M + 1, 1>(kernels);
    }
}

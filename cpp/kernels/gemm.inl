// SPDX-License-Identifier: BSD-3-Clause
// The GEMM microkernel: lane = output channel, one broadcast of the input per pixel and k, used for all vectors of the tile.
//
//              nv vectors of channels            registers of a k-step, avx512 7 x 4:  28 acc + 4 w + 1 x = 33, of which the last w
//            +----+----+----+----+               folds into the FMA's memory operand: 32
//   pixel 0  | acc| acc| acc| acc|  <- x[0]                            avx2   6 x 2:  12 acc + 2 w + 1 x = 15 of 16
//   ...      |    |    |    |    |                                     sse2   6 x 2:  12 acc + 2 w + 1 x + 1 product = 16 of 16
//   pixel mr-1                                                         neon   8 x 2:  16 acc + 2 w + 2 x = 20 of 32
//
// The pixels of a tile may stand anywhere in the input (`pixel` offsets), so a tile crosses row ends, strides over pixels and reads a
// packed panel by the same code. Sources: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008; for the
// input read in place, Georganas et al., "Anatomy of High-Performance Deep Learning Convolutions on SIMD Architectures", 2018.

template <class Vec, int MR, int NV>
void gemm_tile(const GemmTile<typename Vec::T>& tile) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    constexpr int folded = MR * NV + NV + 1 > Vec::registers ? 1 : 0;  // vectors of w that find no register

    V acc[MR][NV];
    std::int64_t pixel[MR];
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
        pixel[i] = tile.pixel[i];
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) acc[i][j] = tile.accumulate ? Vec::load(tile.acc + (i * NV + j) * L) : Vec::zero();
    }

    const T* w = tile.w;
    const std::int64_t step = tile.k_stride;
    for (const Segment *s = tile.segment, *end = s + tile.segments; s != end; ++s) {
        const T* x = tile.x + s->offset;
        for (std::int64_t k = s->length; k > 0; --k) {
            V wk[NV];
#pragma GCC unroll 4
            for (int j = 0; j < NV - folded; ++j) wk[j] = Vec::load(w + j * L);
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) {
                const V xi = Vec::set1(x[pixel[i]]);
#pragma GCC unroll 4
                for (int j = 0; j < NV - folded; ++j) acc[i][j] = Vec::fma(xi, wk[j], acc[i][j]);
                if constexpr (folded) {
                    asm volatile("" : "+r"(w));  // forget what w[k] held: load it anew as the FMA's memory operand
                    acc[i][NV - 1] = Vec::fma(xi, Vec::load(w + (NV - 1) * L), acc[i][NV - 1]);
                }
            }
            x += step;
            w += NV * L;
        }
    }

#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) Vec::store(tile.acc + (i * NV + j) * L, acc[i][j]);
    }
}

// Fills table[m-1][v-1] with the kernel of m pixels and v vectors, for all m <= MR and v <= NV.
template <class Vec, int MR, int NV, int M = 1, int N = 1>
constexpr void fill_gemm(Kernels<typename Vec::T>& kernels) {
    kernels.gemm[M - 1][N - 1] = &gemm_tile<Vec, M, N>;
    if constexpr (N < NV) {
        fill_gemm<Vec, MR, NV, M, N + 1>(kernels);
    } else if constexpr (M < MR) {
        fill_gemm<Vec, MR, NV, M + 1, 1>(kernels);
    }
}

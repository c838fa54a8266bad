// SPDX-License-Identifier: BSD-3-Clause
// Direct convolution, lane = pixel. An input vector often crosses cache lines and then costs two loads. It is loaded once for each tap
// column and used for all rows of the tile that it contributes to, and for all channels:
//
//   input row iy = r + t     t: tap row, r: row of the tile         registers, avx512: 24 sums, up to 4 x + 1 w
//                                                                                avx2:   12 sums, up to 3 x + 1 w
//        iy 0  1  2  3  4  5  6  7  8  9     of 3 tap rows
//   r 0     #  #  #                          each # is the taps of a tap row times M channels. An input row contributes to rows
//   r 1        #  #  #                       [first, last] of the tile, fixed at compile time, so that sums stay in registers
//   ...                       ...
//   r 7                       #  #  #
//
// A long filter along a row is treated as a filter of several rows: the rows of the tile are neighbouring vectors of one row, and a tap row
// has one tap for each lane of a vector.

template <class Vec, int M, int R, int NV>
struct DirectSums {
    typename Vec::V sum[M][R][NV];
};

template <bool Edge>
struct DirectEdge {};
template <>
struct DirectEdge<true> {
    std::int64_t place, width;
};

template <class Vec>
[[gnu::always_inline]] inline typename Vec::V load_direct(const DirectEdge<false>&, const typename Vec::T* p, std::int64_t) {
    return Vec::load(p);
}
template <class Vec>
[[gnu::always_inline]] inline typename Vec::V load_direct(const DirectEdge<true>& edge, const typename Vec::T* p, std::int64_t column) {
    constexpr int L = Vec::lanes;
    const std::int64_t place = edge.place + column, left = edge.width - place;
    const int begin = place >= 0   ? 0
                      : place < -L ? L
                                   : static_cast<int>(-place),
              end = left > L   ? L
                    : left < 0 ? 0
                               : static_cast<int>(left);
    return Vec::load_masked(p, Vec::between(begin < end ? begin : end, end), Vec::zero());
}

// Adds n tap columns of one input row to rows First to Last of the tile. w: weights for row First. The weights for each next row are
// tap_row elements before.
template <class Vec, int M, int R, int NV, bool Edge, int First, int Last>
[[gnu::always_inline]] inline void direct_columns(const DirectEdge<Edge>& edge, DirectSums<Vec, M, R, NV>& s, const typename Vec::T* x,
                                                  std::int64_t step, const std::int64_t* column, std::int64_t n, const typename Vec::T* w,
                                                  std::int64_t tap_row) {
    using V = typename Vec::V;
    for (std::int64_t i = 0; i < n; ++i, w += M) {
        const typename Vec::T* from = x + column[i];
        V v[NV];
#pragma GCC unroll 8
        for (int j = 0; j < NV; ++j) v[j] = load_direct<Vec>(edge, from + j * step, column[i]);
        const typename Vec::T* weight = w;
#pragma GCC unroll 8
        for (int r = First; r <= Last; ++r, weight -= tap_row) {
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) {
                const V wm = Vec::set1(weight[m]);
#pragma GCC unroll 8
                for (int j = 0; j < NV; ++j) s.sum[m][r][j] = Vec::fma(v[j], wm, s.sum[m][r][j]);
            }
        }
    }
}

template <class Vec, bool Edge, int M, int R, int NV>
[[gnu::always_inline]] inline void direct_row(const DirectEdge<Edge>& edge, DirectSums<Vec, M, R, NV>& s, std::int64_t first,
                                              std::int64_t last, const typename Vec::T* x, std::int64_t step, const std::int64_t* column,
                                              std::int64_t n, const typename Vec::T* w, std::int64_t tap_row) {
    if constexpr (R == 1) {
        direct_columns<Vec, M, R, NV, Edge, 0, 0>(edge, s, x, step, column, n, w, tap_row);
    } else {
#define NPCONV_ROWS(f, l)                                                                                        \
    case (f) * max_direct_rows + (l):                                                                            \
        if constexpr (l < R) direct_columns<Vec, M, R, NV, Edge, f, l>(edge, s, x, step, column, n, w, tap_row); \
        break;
        switch (first * max_direct_rows + last) {
            NPCONV_ROWS(0, 0)
            NPCONV_ROWS(0, 1)
            NPCONV_ROWS(0, 2)
            NPCONV_ROWS(0, 3)
            NPCONV_ROWS(0, 4)
            NPCONV_ROWS(0, 5)
            NPCONV_ROWS(0, 6)
            NPCONV_ROWS(0, 7)
            NPCONV_ROWS(1, 1)
            NPCONV_ROWS(1, 2)
            NPCONV_ROWS(1, 3)
            NPCONV_ROWS(1, 4)
            NPCONV_ROWS(1, 5)
            NPCONV_ROWS(1, 6)
            NPCONV_ROWS(1, 7)
            NPCONV_ROWS(2, 2)
            NPCONV_ROWS(2, 3)
            NPCONV_ROWS(2, 4)
            NPCONV_ROWS(2, 5)
            NPCONV_ROWS(2, 6)
            NPCONV_ROWS(2, 7)
            NPCONV_ROWS(3, 3)
            NPCONV_ROWS(3, 4)
            NPCONV_ROWS(3, 5)
            NPCONV_ROWS(3, 6)
            NPCONV_ROWS(3, 7)
            NPCONV_ROWS(4, 4)
            NPCONV_ROWS(4, 5)
            NPCONV_ROWS(4, 6)
            NPCONV_ROWS(4, 7)
            NPCONV_ROWS(5, 5)
            NPCONV_ROWS(5, 6)
            NPCONV_ROWS(5, 7)
            NPCONV_ROWS(6, 6)
            NPCONV_ROWS(6, 7)
            NPCONV_ROWS(7, 7)
            default: __builtin_unreachable();
        }
#undef NPCONV_ROWS
    }
}

// Stores a vector of pixels of each of M channels, channels last.
template <class Vec, int M>
[[gnu::noinline]] void finish_turned(const typename Vec::T* sums, std::int64_t channel_step, std::int64_t index, std::int64_t pixels,
                                     const Output<typename Vec::T>& output) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    alignas(sizeof(V)) T turned[L * L];
    for (int c = 0; c < M; c += L) {
        V block[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) block[i] = c + i < M ? Vec::load(sums + (c + i) * channel_step) : Vec::zero();
        Vec::transpose(block);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) Vec::store(turned + i * L, block[i]);
        PixelSums<T> p{turned, L, pixels, output};
        p.output.y += index * output.y_stride + c;
        if (output.bias) p.output.bias += c;
        if (output.residual) p.output.residual += index * output.residual_stride + c;
        p.output.channels = M - c < L ? M - c : L;
        finish_sums<Vec>(p);
    }
}

// most_rows: rows of the kernel that left the sums.
template <class Vec, int M, int NV>
[[gnu::noinline]] void finish_direct(const DirectTile<typename Vec::T>& tile, int most_rows) {
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
        V sum[M][NV];
        std::int64_t index[NV], count[NV];
        for (int j = 0; j < NV; ++j) {
            const std::int64_t left = tile.pixels - r * tile.row_pixels - j * tile.vector_step;
            index[j] = tile.index + r * tile.y_row + j * tile.vector_step;
            count[j] = left < L ? left : L;
            if (tile.channels_last) {
                finish_turned<Vec, M>(tile.sums + (r * NV + j) * L, most_rows * NV * L, index[j], count[j], *tile.output);
            }
        }
        if (tile.channels_last) continue;
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; ++j) sum[m][j] = Vec::load(tile.sums + ((m * most_rows + r) * NV + j) * L);
        }
        finish_pixel_tile<Vec>(sum, index, count, *tile.output);
    }
}

template <class Vec, int M, int R, int NV, bool Edge = false>
void direct_tile(const DirectTile<typename Vec::T>& given) {
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    const auto tile = given;  // the compiler must assume that a vector store changes the original
    DirectSums<Vec, M, R, NV> s;
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; ++j) {
                s.sum[m][r][j] = tile.accumulate ? Vec::load(tile.sums + ((m * R + r) * NV + j) * L) : Vec::zero();
            }
        }
    }
    if (tile.output && !tile.channels_last) {  // output lines are fetched from memory although they are only written
        for (std::int64_t r = 0; r < tile.rows; ++r) {
            for (int m = 0; m < M; ++m) {
                for (int j = 0; j < NV; ++j) {
                    __builtin_prefetch(tile.output->y + m * tile.output->y_stride + tile.index + r * tile.y_row + j * tile.vector_step, 1);
                }
            }
        }
    }
    DirectEdge<Edge> edge;
    if constexpr (Edge) edge = {tile.place, tile.width};
    const std::int64_t tap_row = tile.columns * M, rows = R == 1 ? 1 : tile.rows, step = tile.vector_step;
    for (std::int64_t p = 0; p < tile.passes; ++p) {
        const DirectPass pass = tile.pass[p];
        const T* x = tile.x + pass.offset;
        const T* w = tile.w + pass.w;  // weights of tap row iy
        for (std::int64_t iy = 0; iy < rows + pass.tap_rows - 1; ++iy, x += tile.row_step, w += tap_row) {
            if (tile.fetch) {
#pragma GCC unroll 8
                for (int j = 0; j < NV; ++j) __builtin_prefetch(x + tile.fetch + j * step);
            }
            const std::int64_t last = iy < rows ? iy : rows - 1;
            if (iy < pass.tap_rows - 1) {
                direct_row<Vec>(edge, s, 0, last, x, step, tile.column, tile.columns, w, tap_row);
                continue;
            }
            // Row `first` of the tile is at its last tap row, which may be shorter.
            const std::int64_t first = iy - (pass.tap_rows - 1);
            direct_row<Vec>(edge, s, first, last, x, step, tile.column, tile.last_columns, w - first * tap_row, tap_row);
            if (tile.last_columns < tile.columns && first < last) {
                direct_row<Vec>(edge, s, first + 1, last, x, step, tile.column + tile.last_columns, tile.columns - tile.last_columns,
                                w - (first + 1) * tap_row + tile.last_columns * M, tap_row);
            }
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; ++j) Vec::store(tile.sums + ((m * R + r) * NV + j) * L, s.sum[m][r][j]);
        }
    }
    if (tile.output) finish_direct<Vec, M, NV>(tile, R);
}

template <class Vec, int M, int NV = 1>
constexpr void fill_direct_tiles(DirectKernels<typename Vec::T>& k) {
    constexpr DirectTileSize shape = entries.direct[sizeof(typename Vec::T) == sizeof(double)].tile[M - 1];
    if constexpr (NV == 1 && Vec::masks) {
        k.edge_tile[M - 1] = &direct_tile<Vec, M, shape.rows, 1, true>;
        k.edge_single[M - 1] = &direct_tile<Vec, M, 1, 1, true>;
    }
    if constexpr (NV <= shape.vectors) k.tile[M - 1][NV - 1] = &direct_tile<Vec, M, shape.rows, NV>;
    if constexpr (NV <= shape.single_vectors) k.single[M - 1][NV - 1] = &direct_tile<Vec, M, 1, NV>;
    if constexpr (NV <= shape.vectors || NV <= shape.single_vectors) k.finish[M - 1][NV - 1] = &finish_direct<Vec, M, NV>;
    if constexpr (NV < max_direct_vectors) {
        fill_direct_tiles<Vec, M, NV + 1>(k);
    } else if constexpr (M < max_direct_channels) {
        fill_direct_tiles<Vec, M + 1>(k);
    }
}

template <class Vec>
constexpr DirectKernels<typename Vec::T> make_direct_kernels() {
    DirectKernels<typename Vec::T> k{};
    fill_direct_tiles<Vec, 1>(k);
    return k;
}

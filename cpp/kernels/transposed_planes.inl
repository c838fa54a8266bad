// SPDX-License-Identifier: BSD-3-Clause
// Transposed depthwise convolution of planes with stride 2, channels first, lane = column of x. Two vectors of a row of y, its even and its
// odd columns, are sums of the same few shifted vectors of x, and are interleaved when they are stored. A step gives two rows of y, which
// share loads:
//
//   3 x 3, padding 1, row 2 m' and 2 m' + 1 of the padded y, from rows m' and m' - 1 of x
//                           even row            odd row
//   x[m'],     columns +1   .       w[0][0]     .       w[1][0]      (even column, odd column)
//              columns  0   w[0][1] w[0][2]     w[1][1] w[1][2]
//   x[m' - 1], columns +1   .       w[2][0]
//              columns  0   w[2][1] w[2][2]
//
// Columns outside x are masked, or replaced by zeros; rows outside are left out. A sum runs over the rows of x, then over its columns, both
// from the last to the first, for every strip.
// Registers, avx512: 3 x 3 has 4 sums, 9 weights, 2 of the input, 3 of the epilogue; the masks are elsewhere.

// Stores the lanes of two vectors alternately: n values.
template <class Vec>
[[gnu::always_inline]] inline void store_in_turn(typename Vec::T* to, typename Vec::V even, typename Vec::V odd, std::int64_t n) {
    constexpr int L = Vec::lanes;
    if (n == 2 * L) {
        Vec::store(to, Vec::zip_low(even, odd));
        Vec::store(to + L, Vec::zip_high(even, odd));
        return;
    }
    const int low = static_cast<int>(n < L ? n : L);
    Vec::store_n(to, Vec::zip_low(even, odd), low);
    if (n > L) Vec::store_n(to + L, Vec::zip_high(even, odd), static_cast<int>(n) - low);
}

// One vector of places m from `place` on, two vectors of columns of y. Whole: all loads are inside x. Odd: the padding of columns is odd,
// so that the two taps that meet the same element of x belong to different pairs of columns.
template <class Vec, int K, bool Odd, bool Whole>
[[gnu::noinline]] void transposed_strip(const TransposedPlanes<typename Vec::T>& given, std::int64_t place, std::int64_t channel,
                                        std::int64_t channels) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes, U = (K + 1) / 2, shifts = Odd ? K / 2 + 1 : U;
    constexpr bool kept = K * K + shifts + 7 <= Vec::registers;  // are the weights, in registers?
    const TransposedPlanes<T> p = given;                         // the compiler must assume that a vector store changes the original
    const Output<T>& o = p.output;
    const std::int64_t first_column = place + (p.left + 1) / 2;  // first column of the vector of x that tap 0 meets
    const std::int64_t columns = p.columns - 2 * place < 2 * L ? p.columns - 2 * place : 2 * L;
    const auto lane = [](std::int64_t i) { return static_cast<int>(i < 0 ? 0 : i < L ? i : L); };
    int begin[shifts], end[shifts];
#pragma GCC unroll 4
    for (int v = 0; v < shifts; ++v) {
        begin[v] = lane(v - first_column);
        end[v] = lane(p.input_columns - (first_column - v));
    }
    const auto load = [&](const T* from, int v) {
        if constexpr (Whole) {
            return Vec::load(from - v);
        } else if constexpr (Vec::masks) {
            return Vec::load_masked(from - v, Vec::between(begin[v], end[v]));
        } else {
            T part[L] = {};
            for (int i = begin[v]; i < end[v]; ++i) part[i] = from[i - v];
            return Vec::load(part);
        }
    };
    const Limits<Vec> limits(o);
    const std::int64_t steps_begin = (p.begin + p.top) / 2, steps_end = (p.end - 1 + p.top) / 2 + 1;
    for (std::int64_t c = channel; c < channel + channels; ++c) {
        const T* w = p.w + c * p.w_channel;
        V weights[kept ? K * K : 1];
        if constexpr (kept) {
#pragma GCC unroll 25
            for (int i = 0; i < K * K; ++i) weights[i] = Vec::set1(w[i]);
        }
        const V bias = o.bias ? Vec::set1(o.bias[c]) : Vec::zero();
        T* y = o.y + c * o.y_stride + 2 * place;
        for (std::int64_t m = steps_begin; m < steps_end; ++m) {
            V sum[2][2];
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) sum[i / 2][i % 2] = Vec::zero();
#pragma GCC unroll 3
            for (int u = 0; u < U; ++u) {
                const std::int64_t row = m - u;
                if (row < p.input_begin || row >= p.input_end) continue;
                const T* from = p.x + c * p.x_channel + (row - p.input_begin) * p.x_row + first_column;
#pragma GCC unroll 4
                for (int v = 0; v < shifts; ++v) {
                    const V input = load(from, v);
#pragma GCC unroll 4
                    for (int i = 0; i < 4; ++i) {
                        const int r = i / 2, s = i % 2, t = 2 * u + r, tap = Odd ? 2 * v - 1 + s : 2 * v + s;
                        if (t >= K || tap < 0 || tap >= K) continue;
                        const int number = K * K - 1 - (t * K + tap);
                        sum[r][s] = Vec::fma(kept ? weights[kept ? number : 0] : Vec::set1(w[number]), input, sum[r][s]);
                    }
                }
            }
#pragma GCC unroll 2
            for (int r = 0; r < 2; ++r) {
                const std::int64_t row = 2 * m + r - p.top;
                if (row < p.begin || row >= p.end) continue;
                const V even = limits(Vec::add(sum[r][0], bias)), odd = limits(Vec::add(sum[r][1], bias));
                store_in_turn<Vec>(y + (row - p.begin) * p.columns, even, odd, columns);
            }
        }
        if (!activated_in_registers(o)) {
            for (std::int64_t i = 0; i < p.end - p.begin; ++i) activate<Vec>(o.activation, o.a, o.b, y + i * p.columns, columns);
        }
    }
}

template <class Vec, int K, bool Odd>
void transposed_planes(const TransposedPlanes<typename Vec::T>& p) {
    constexpr int L = Vec::lanes, shifts = Odd ? K / 2 + 1 : (K + 1) / 2;
    const std::int64_t channels = p.output.channels, places = (p.columns + 1) / 2;
    // The strips of a channel follow each other, so that the channel stays in the cache. A single strip takes all channels.
    const std::int64_t together = places <= L ? channels : 1;
    for (std::int64_t c = 0; c < channels; c += together) {
        for (std::int64_t place = 0; place < places; place += L) {
            const std::int64_t last = place + (p.left + 1) / 2, first = last - (shifts - 1);
            if (first >= 0 && last + L <= p.input_columns) {
                transposed_strip<Vec, K, Odd, true>(p, place, c, together);
            } else {
                transposed_strip<Vec, K, Odd, false>(p, place, c, together);
            }
        }
    }
}

template <class Vec, int K>
void transposed_planes_of(const TransposedPlanes<typename Vec::T>& p) {
    p.left % 2 != 0 ? transposed_planes<Vec, K, true>(p) : transposed_planes<Vec, K, false>(p);
}

template <class Vec>
constexpr void fill_transposed_planes(DepthwiseKernels<typename Vec::T>& k) {
    k.transposed_planes[0] = &transposed_planes_of<Vec, 2>;
    k.transposed_planes[1] = &transposed_planes_of<Vec, 3>;
    k.transposed_planes[2] = &transposed_planes_of<Vec, 4>;
    k.transposed_planes[3] = &transposed_planes_of<Vec, 5>;
}

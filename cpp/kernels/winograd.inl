// SPDX-License-Identifier: BSD-3-Clause
// Winograd's transforms, with the matrices of core/cook_toom.hpp as constants. The rows of a pair of points p, -p differ in the signs of
// every second coefficient. Their results are e + s o and e - s o, where e is the sum of the terms with equal signs and s o that of the
// terms with opposite signs; s is chosen such that a coefficient of o is 1. F(4, 3): 12 additions and multiply-adds for a row or a column
// of six values, instead of 36.

template <int I>
struct Index {
    static constexpr int value = I;
};

// f(Index<0>) ... f(Index<N - 1>)
template <int N, int I = 0, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
    if constexpr (I < N) {
        f(Index<I>{});
        unrolled<N, I + 1>(f);
    }
}

// BT for N points of a set: values -> points. BT depends on the number of points alone, so the number of taps here is 1.
template <int Set, int N>
struct InputMatrix {
    static constexpr CookToom t = cook_toom(Set, 1, N);
    static constexpr int points = N, columns = N;
    // If a point is neither 0 nor one of a pair, the rows of pairs share no sums.
    static constexpr bool symmetric() {
        for (int i = 0; i < N - 1; ++i) {
            if (t.point[i] != 0.0L && !t.paired[i] && (i == 0 || !t.paired[i - 1])) return false;
        }
        return true;
    }
    static constexpr bool pair(int i) { return t.paired[i] && symmetric(); }
    static constexpr bool second(int i) { return i > 0 && t.paired[i - 1] && symmetric(); }
    static constexpr long double at(int i, int k) { return t.bt[i][k]; }
};
template <int Set, int R, int N>
struct WeightMatrix {
    static constexpr CookToom t = cook_toom(Set, R, N - R + 1);
    static constexpr int points = N, columns = R;
    static constexpr bool pair(int i) { return t.paired[i]; }
    static constexpr bool second(int i) { return i > 0 && t.paired[i - 1]; }
    static constexpr long double at(int i, int k) { return t.g[i][k]; }
};

// The coefficients of a row: all; or, for a pair of rows, those that are equal in both rows, or those that are opposite.
enum class Part { all, equal, opposite };

template <class Matrix, int I, Part P>
struct Row {
    static constexpr int columns = Matrix::columns;
    static constexpr long double part(int k) {
        if (P == Part::all) return Matrix::at(I, k);
        const long double product = Matrix::at(I, k) * Matrix::at(I + 1, k);
        return (P == Part::equal ? product > 0 : product < 0) ? Matrix::at(I, k) : 0.0L;
    }
    // The divisor of the opposite coefficients: the last of them.
    static constexpr long double scale() {
        if (P != Part::opposite) return 1.0L;
        int k = columns - 1;
        while (part(k) == 0.0L) --k;
        return part(k);
    }
    static constexpr long double at(int k) { return part(k) / scale(); }
};

// Output k from the points. The sum or difference of a pair is in the place of its first point.
template <int Set, int N, int M, int K>
struct OutputRow {
    static constexpr CookToom t = cook_toom(Set, N - M + 1, M);
    static constexpr int columns = N;
    static constexpr long double at(int i) { return i > 0 && t.paired[i - 1] ? 0.0L : t.at[K][i]; }
};

template <class T, class Row>
constexpr int leading() {
    for (int k = 0; k < Row::columns; ++k) {
        if (static_cast<T>(Row::at(k)) == T(1)) return k;
    }
    int k = 0;
    while (Row::at(k) == 0.0L) ++k;
    return k;
}

// The sum of Row::at(k) * v[k].
template <class Vec, class Row>
[[gnu::always_inline]] inline typename Vec::V combine(const typename Vec::V* v) {
    using T = typename Vec::T;
    constexpr int lead = leading<T, Row>();
    constexpr T first = static_cast<T>(Row::at(lead));
    typename Vec::V sum = v[lead];
    if constexpr (first != T(1)) sum = Vec::mul(Vec::set1(first), sum);
    unrolled<Row::columns>([&](auto index) __attribute__((always_inline)) {
        constexpr int k = decltype(index)::value;
        constexpr T c = static_cast<T>(Row::at(k));
        if constexpr (k == lead || c == T(0)) {
        } else if constexpr (c == T(1)) {
            sum = Vec::add(sum, v[k]);
        } else if constexpr (c == T(-1)) {
            sum = Vec::sub(sum, v[k]);
        } else {
            sum = Vec::fma(Vec::set1(c), v[k], sum);
        }
    });
    return sum;
}

// The functions below copy their arguments first: the compiler must assume that a store of a vector changes them otherwise.

// values -> points
template <class Vec, class Matrix>
[[gnu::always_inline]] inline void to_points(const typename Vec::V* v, typename Vec::V* points) {
    using T = typename Vec::T;
    unrolled<Matrix::points>([&](auto index) __attribute__((always_inline)) {
        constexpr int i = decltype(index)::value;
        if constexpr (Matrix::pair(i)) {
            using Opposite = Row<Matrix, i, Part::opposite>;
            const auto e = combine<Vec, Row<Matrix, i, Part::equal>>(v), o = combine<Vec, Opposite>(v);
            constexpr T s = static_cast<T>(Opposite::scale());
            if constexpr (s == T(1)) {
                points[i] = Vec::add(e, o);
                points[i + 1] = Vec::sub(e, o);
            } else {
                points[i] = Vec::fma(Vec::set1(s), o, e);
                points[i + 1] = Vec::fma(Vec::set1(-s), o, e);
            }
        } else if constexpr (!Matrix::second(i)) {
            points[i] = combine<Vec, Row<Matrix, i, Part::all>>(v);
        }
    });
}

// values -> point I only, with the same roundings
template <class Vec, class Matrix, int I>
[[gnu::always_inline]] inline typename Vec::V to_point(const typename Vec::V* v) {
    using T = typename Vec::T;
    if constexpr (Matrix::pair(I) || Matrix::second(I)) {
        constexpr int first = Matrix::pair(I) ? I : I - 1;
        using Opposite = Row<Matrix, first, Part::opposite>;
        constexpr T s = static_cast<T>(Opposite::scale()) * (I == first ? T(1) : T(-1));
        const auto e = combine<Vec, Row<Matrix, first, Part::equal>>(v), o = combine<Vec, Opposite>(v);
        return s == T(1) ? Vec::add(e, o) : s == T(-1) ? Vec::sub(e, o) : Vec::fma(Vec::set1(s), o, e);
    } else {
        return combine<Vec, Row<Matrix, I, Part::all>>(v);
    }
}

// points -> outputs
template <class Vec, int Set, int N, int M>
[[gnu::always_inline]] inline void to_outputs(const typename Vec::V* points, typename Vec::V* y) {
    constexpr CookToom t = cook_toom(Set, N - M + 1, M);
    using V = typename Vec::V;
    V sum[N] = {}, difference[N] = {};
    unrolled<N>([&](auto index) __attribute__((always_inline)) {
        constexpr int i = decltype(index)::value;
        if constexpr (t.paired[i]) {
            sum[i] = Vec::add(points[i], points[i + 1]);
            difference[i] = Vec::sub(points[i], points[i + 1]);
        } else if constexpr (i == 0 || !t.paired[i - 1]) {
            sum[i] = difference[i] = points[i];
        }
    });
    unrolled<M>([&](auto index) __attribute__((always_inline)) {
        constexpr int k = decltype(index)::value;
        y[k] = combine<Vec, OutputRow<Set, N, M, k>>(k % 2 == 0 ? sum : difference);
    });
}

template <class Vec, int Set, int N>
void winograd_input_columns(const InputColumns<typename Vec::T>& given) {
    const auto p = given;
    constexpr int L = Vec::lanes;
    for (std::int64_t c = 0; c < p.columns; ++c) {
        typename Vec::V d[N], t[N];
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) d[i] = Vec::load(p.from + i * p.row_stride + c * p.column_stride);
        to_points<Vec, InputMatrix<Set, N>>(d, t);
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) Vec::store(p.to + i * p.to_stride + c * L, t[i]);
    }
}

template <class Vec, int Set, int N, int M>
void winograd_input_rows(const InputRows<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    for (int i = 0; i < p.rows; ++i) {
        const T* from = p.from + i * p.from_stride;
        T* to[N];
#pragma GCC unroll 16
        for (int j = 0; j < N; ++j) to[j] = p.to[i * most_winograd_points + j] + p.to_offset;
        std::int64_t at = 0;
        for (std::int64_t tile = 0; tile < p.tiles; ++tile) {
            typename Vec::V d[N], t[N];
#pragma GCC unroll 16
            for (int j = 0; j < N; ++j) d[j] = Vec::load(from + j * L);
            to_points<Vec, InputMatrix<Set, N>>(d, t);
#pragma GCC unroll 16
            for (int j = 0; j < N; ++j) Vec::store(to[j] + at, t[j]);
            from += M * L;
            at += p.to_step;
        }
    }
}

template <class Vec, int Set, int N, int M>
void winograd_input_tiles(const InputTiles<typename Vec::T>& given) {
    const auto p = given;
    constexpr int L = Vec::lanes;
    for (int i = 0; i < p.rows; ++i) {
        const typename Vec::T* from = p.from + i * p.row_stride;
        typename Vec::T* to = p.to + i * N * p.point_stride;
        for (std::int64_t at = 0; at < p.vectors * L; at += L) {
            typename Vec::V d[N], t[N];
#pragma GCC unroll 16
            for (int j = 0; j < N; ++j) d[j] = Vec::load(from + j % M * p.column_stride + at + j / M);
            to_points<Vec, InputMatrix<Set, N>>(d, t);
#pragma GCC unroll 16
            for (int j = 0; j < N; ++j) Vec::store(to + j * p.point_stride + at, t[j]);
        }
    }
}

template <class Vec, int Set, int N, int M>
void winograd_output_columns(const OutputColumns<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    for (int j = 0; j < p.columns; ++j) {
        const T* from[N];
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) from[i] = p.from[i * most_winograd_points + j] + p.from_offset;
        T* to = p.to + j * L;
        std::int64_t at = 0;
        for (std::int64_t tile = 0; tile < p.tiles; ++tile) {
            typename Vec::V m[N], y[M];
#pragma GCC unroll 16
            for (int i = 0; i < N; ++i) m[i] = Vec::load(from[i] + at);
            at += p.from_step;
            to_outputs<Vec, Set, N, M>(m, y);
#pragma GCC unroll 16
            for (int i = 0; i < M; ++i) Vec::store(to + i * most_winograd_points * L, y[i]);
            to += M * most_winograd_points * L;
        }
    }
}

template <class Vec, int Set, int N, int M>
void winograd_output_rows(const OutputRows<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    const T* from = p.from;
    for (std::int64_t tile = 0; tile < p.tiles; ++tile) {
        for (int i = 0; i < p.rows; ++i) {
            typename Vec::V m[N], y[M];
#pragma GCC unroll 16
            for (int j = 0; j < N; ++j) m[j] = Vec::load(from + j * L);
            to_outputs<Vec, Set, N, M>(m, y);
            T* to = p.to + i * p.row_stride + tile * M * p.pixel_stride;
#pragma GCC unroll 16
            for (int k = 0; k < M; ++k) Vec::store(to + k * p.pixel_stride, y[k]);
            from += most_winograd_points * L;
        }
    }
}

template <class Vec, int Set, int R, int N>
void winograd_weights(const TapsToPoints<typename Vec::T>& given) {
    const auto p = given;
    const typename Vec::T* taps[R];
#pragma GCC unroll 16
    for (int a = 0; a < R; ++a) taps[a] = p.taps[a];
    for (std::int64_t at = 0; at < p.n; at += Vec::lanes) {
        typename Vec::V w[R], t[N];
#pragma GCC unroll 16
        for (int a = 0; a < R; ++a) w[a] = taps[a] ? Vec::load(taps[a] + at) : Vec::zero();
        to_points<Vec, WeightMatrix<Set, R, N>>(w, t);
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) Vec::store(p.to + i * p.to_stride + at, t[i]);
    }
}

template <class Vec, int I, int Tiles>
void winograd_few_tiles(const FewTiles<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int N = winograd_few_axis.points, K = winograd_few_axis.taps;
    using G = WeightMatrix<N, K, N>;
    V sum[N][Tiles];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
#pragma GCC unroll 4
        for (int i = 0; i < Tiles; ++i) sum[j][i] = Vec::zero();
    }
    const T* v[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) v[j] = p.v + j * p.v_stride;
    for (int piece = 0; piece < p.pieces; ++piece) {
        const std::int64_t tap = p.piece[piece].tap_stride;
        const T* taps[K];
#pragma GCC unroll 3
        for (int a = 0; a < K; ++a) taps[a] = p.piece[piece].taps + a * K * tap;
        for (std::int64_t c = p.piece[piece].channels; c > 0; --c) {
            V half[K];
#pragma GCC unroll 3
            for (int b = 0; b < K; ++b) {
                V w[K];
#pragma GCC unroll 3
                for (int a = 0; a < K; ++a) w[a] = Vec::load(taps[a] + b * tap);
                half[b] = to_point<Vec, G, I>(w);
            }
            // Point by point, so that registers are left for the sums. Pointers are kept as they are, for lack of registers.
            unrolled<N>([&](auto index) __attribute__((always_inline)) {
                constexpr int j = decltype(index)::value;
                const V u = to_point<Vec, G, j>(half);
#pragma GCC unroll 4
                for (int i = 0; i < Tiles; ++i) sum[j][i] = Vec::fma(Vec::set1(v[j][i * p.v_step]), u, sum[j][i]);
                ++v[j];
                asm volatile("" : "+r"(v[j]));
            });
#pragma GCC unroll 3
            for (int a = 0; a < K; ++a) taps[a] += p.channel_stride;
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
#pragma GCC unroll 4
        for (int i = 0; i < Tiles; ++i) {
            T* m = p.m + j * p.m_stride + i * p.m_step;
            Vec::store(m, p.accumulate ? Vec::add(Vec::load(m), sum[j][i]) : sum[j][i]);
        }
    }
}

template <class Vec, int I = 0, int Tiles = 1>
constexpr void fill_few_tiles(WinogradKernels<typename Vec::T>& kernels) {
    kernels.few_tiles[I][Tiles - 1] = &winograd_few_tiles<Vec, I, Tiles>;
    if constexpr (Tiles < winograd_few) {
        fill_few_tiles<Vec, I, Tiles + 1>(kernels);
    } else if constexpr (I + 1 < winograd_few_axis.points) {
        fill_few_tiles<Vec, I + 1, 1>(kernels);
    }
}

template <class Vec, int Axis = 0, int M = 1>
constexpr void fill_transforms(WinogradKernels<typename Vec::T>& kernels) {
    constexpr WinogradAxis axis = winograd_axes[Axis];
    constexpr int set = axis.points, taps = axis.taps, points = M + taps - 1;
    auto& k = kernels.axis[Axis];
    k.input_columns[M - 1] = &winograd_input_columns<Vec, set, points>;
    k.input_rows[M - 1] = &winograd_input_rows<Vec, set, points, M>;
    k.input_tiles[M - 1] = &winograd_input_tiles<Vec, set, points, M>;
    k.output_columns[M - 1] = &winograd_output_columns<Vec, set, points, M>;
    k.output_rows[M - 1] = &winograd_output_rows<Vec, set, points, M>;
    k.weights[M - 1] = &winograd_weights<Vec, set, taps, points>;
    if constexpr (M < axis.outputs()) {
        fill_transforms<Vec, Axis, M + 1>(kernels);
    } else if constexpr (Axis + 1 < winograd_axis_count) {
        fill_transforms<Vec, Axis + 1>(kernels);
    }
}

template <class Vec>
constexpr WinogradKernels<typename Vec::T> make_winograd_kernels() {
    WinogradKernels<typename Vec::T> k{};
    fill_transforms<Vec>(k);
    if constexpr (entries.winograd[sizeof(typename Vec::T) == sizeof(double)].few_tiles) fill_few_tiles<Vec>(k);  // 24 sums
    k.gather_channels = &gather_channels<Vec>;
    k.split_tiles = &split_tiles<Vec>;
    k.keep_magnitudes = &keep_magnitudes<Vec>;
    k.largest_lanes = &largest_lanes<Vec>;
    return k;
}

// SPDX-License-Identifier: BSD-3-Clause
// Windows that are pooled at once, without intermediate lines: adjacent windows (channels first), and windows of few taps (channels last).

// Adjacent windows read x once, at the speed of memory. The processor's own prefetching keeps too short a distance (Zen 5: 20% slower).
template <class T>
[[gnu::always_inline]] inline void fetch_ahead(const T* p) {
    constexpr std::int64_t bytes = 4096;
    __builtin_prefetch(p + bytes / static_cast<std::int64_t>(sizeof(T)));
}

// The number of slices of x that output row (d, h) pools, and of rows in each. rows_of() writes the offsets of these rows to `row`. Joins
// go row by row, then slice by slice, as for lines.
struct RowCount {
    int slices, rows;
};

template <class X>
RowCount rows_of(const PoolBlock<X>& b, std::int64_t d, std::int64_t h, std::int64_t* row) {
    int n = 0, slices = 0;
    const Taps depth(b.axis[0]), height(b.axis[1]);
    for (std::int64_t t = 0; t < depth.count; ++t) {
        const std::int64_t i = depth.at(d, t);
        for (std::int64_t u = 0; i >= 0 && u < height.count; ++u) {
            const std::int64_t j = height.at(h, u);
            if (j >= 0) row[n++] = i * b.x_step[0] + j * b.x_step[1];
        }
        if (i >= 0) ++slices;
    }
    return {slices, slices > 0 ? n / slices : 0};
}

constexpr int most_rows = 32;  // rows of x that rows_of may return

// One vector of outputs of adjacent windows. All: all values may be read; else only `left` values.
template <class Op, int Step, int N, bool All>
[[gnu::always_inline]] inline typename Op::Cell step_cell(const typename Op::T* x, const std::int64_t* row, int n, std::int64_t left) {
    using Vec = typename Op::Vec;
    constexpr int L = Vec::lanes;
    typename Op::Cell all = Vec::set1(Op::nothing);
#pragma GCC unroll 4
    for (int r = 0; r < (N > 0 ? N : n); ++r) {
        typename Op::Cell v[Step];
        for (int s = 0; s < Step; ++s) {
            const typename Op::T* p = x + row[r] + s * L;
            const std::int64_t here = left - s * L;
            fetch_ahead(p);
            if constexpr (All)
                v[s] = Op::taken(Vec::load(p));
            else
                v[s] = Op::taken(here >= L ? Vec::load(p) : here > 0 ? Vec::load_n(p, static_cast<int>(here)) : Vec::set1(0));
        }
        const auto even = Vec::even(v[0], v[1]), odd = Vec::odd(v[0], v[1]);
        typename Op::Cell cell;
        if constexpr (Step == 2) {
            cell = Op::join(even, odd);
        } else {
            const auto e = Vec::even(v[2], v[3]), o = Vec::odd(v[2], v[3]);
            cell = Op::join(Op::join(Op::join(Vec::even(even, e), Vec::even(odd, o)), Vec::odd(even, e)), Vec::odd(odd, o));
        }
        all = r == 0 ? cell : Op::join(all, cell);
    }
    return all;
}

template <class Op, int Step, int Slices, int N, bool All>
[[gnu::always_inline]] inline typename Op::Cell step_slices(const typename Op::T* x, const std::int64_t* row, RowCount n,
                                                            std::int64_t left) {
    auto all = step_cell<Op, Step, N, All>(x, row, n.rows, left);
    for (int s = 1; s < (Slices > 0 ? Slices : n.slices); ++s)
        all = Op::join(all, step_cell<Op, Step, N, All>(x, row + s * (N > 0 ? N : n.rows), n.rows, left));
    return all;
}

// Adjacent windows, channels first: each vector of outputs is pooled from all rows of its windows at once.
template <class Op, int Step, int Slices, int N, class Then>
[[gnu::always_inline]] inline void step_row_of(const typename Op::T* x, const std::int64_t* row, RowCount n, std::int64_t outputs,
                                               typename Op::T* y, const Then& then) {
    using Vec = typename Op::Vec;
    constexpr int L = Vec::lanes;
    std::int64_t i = 0;
    for (; i + L <= outputs; i += L) Vec::store(y + i, then(step_slices<Op, Step, Slices, N, true>(x + Step * i, row, n, Step * L)));
    if (i == outputs) return;
    if (outputs >= L) {
        i = outputs - L;  // some again
        Vec::store(y + i, then(step_slices<Op, Step, Slices, N, true>(x + Step * i, row, n, Step * L)));
        return;
    }
    const int left = static_cast<int>(outputs);
    Vec::store_n(y, then(step_slices<Op, Step, Slices, N, false>(x, row, n, Step * left)), left);
}

template <int Slices, int Rows>
struct Numbers {};

// `count` rows of y whose windows have rows of x at the same offsets `row`.
template <class Op, int Step, class Then>
void step_rows(const typename Op::T* x, std::int64_t x_step, const std::int64_t* row, RowCount n, std::int64_t count, std::int64_t outputs,
               typename Op::T* y, std::int64_t y_step, const Then& then) {
    const auto all = [&]<int Slices, int N>(Numbers<Slices, N>) {
        for (std::int64_t i = 0; i < count; ++i) step_row_of<Op, Step, Slices, N>(x + i * x_step, row, n, outputs, y + i * y_step, then);
    };
    if (n.slices == 1 && n.rows == 1) return all(Numbers<1, 1>{});
    if (n.slices == 1 && n.rows == 2) return all(Numbers<1, 2>{});
    if (n.slices == 2 && n.rows == 2) return all(Numbers<2, 2>{});
    if (n.slices == 1 && n.rows == 4) return all(Numbers<1, 4>{});
    all(Numbers<0, 0>{});
}

template <class Op, int Step>
void pool_steps(const PoolBlock<typename Op::T>& b) {
    using T = typename Op::T;
    const Results<Op, T> results(b);
    const PoolAxis& a = b.axis[1];
    const std::int64_t width = b.axis[2].output;
    for (std::int64_t d = b.begin[0]; d < b.end[0]; ++d) {
        for (std::int64_t h = b.begin[1], count = 1; h < b.end[1]; h += count) {
            std::int64_t row[most_rows];
            const RowCount n = rows_of(b, d, h, row);
            // The number of rows from here on whose windows are completely inside and have equal divisors.
            const std::int64_t top = h * a.stride - a.pad_before, inside = (a.input - a.kernel - top) / a.stride + 1;
            const std::int64_t left = b.end[1] - h;
            count = top < 0 || inside < 1 || b.counted[1] ? 1 : inside < left ? inside : left;
            const T* x = b.x + b.begin[2] * Step;
            T* y = b.y + results.row_at(d, h);
            const std::int64_t x_step = a.stride * b.x_step[1];
            const auto run = [&](const auto& then) { step_rows<Op, Step>(x, x_step, row, n, count, results.outputs, y, width, then); };
            if constexpr (!Op::idempotent) {
                if (b.after == PoolAfter::divide) {
                    results.divided(results.row_divisor(d, h), run);
                    continue;
                }
            }
            run([](typename Op::Cell v) { return Op::given(v); });
        }
    }
}

template <int Slices, int Rows, int Taps>
struct TapCounts {
    static constexpr int slices = Slices, rows = Rows, taps = Taps;
};

// Joins the taps of a pixel row by row, then slice by slice. taps_of_row: the number of taps in each row.
template <class Op, class Counts, int Vectors, class Load>
[[gnu::always_inline]] inline void taps_joined(const typename Op::T* const* taps, RowCount some, int taps_of_row, const Load& load,
                                               typename Op::Cell (&all)[Vectors]) {
    const int slices = Counts::slices > 0 ? Counts::slices : some.slices, rows = Counts::rows > 0 ? Counts::rows : some.rows;
    const int in_row = Counts::taps > 0 ? Counts::taps : taps_of_row;
#pragma GCC unroll 2
    for (int s = 0; s < slices; ++s) {
        typename Op::Cell slice[Vectors] = {};
#pragma GCC unroll 3
        for (int r = 0; r < rows; ++r, taps += in_row) {
            typename Op::Cell row[Vectors] = {};
#pragma GCC unroll 4
            for (int u = 0; u < Vectors; ++u) row[u] = load(taps[0], u);
#pragma GCC unroll 4
            for (int t = 1; t < in_row; ++t) {
#pragma GCC unroll 4
                for (int u = 0; u < Vectors; ++u) row[u] = Op::join(row[u], load(taps[t], u));
            }
#pragma GCC unroll 4
            for (int u = 0; u < Vectors; ++u) slice[u] = r == 0 ? row[u] : Op::join(slice[u], row[u]);
        }
#pragma GCC unroll 4
        for (int u = 0; u < Vectors; ++u) all[u] = s == 0 ? slice[u] : Op::join(all[u], slice[u]);
    }
}

// Pools `unit` channels of one pixel from its n taps. `rows`: the numbers of slices and of rows of taps, which are all of one length.
template <class Op, class Then>
[[gnu::always_inline]] inline void taps_pixel(const typename Op::T* const* taps, RowCount rows, int n, std::int64_t unit, typename Op::T* y,
                                              const Then& finished) {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    constexpr std::int64_t L = Vec::lanes;
    const int all_rows = rows.slices * rows.rows, in_row = all_rows > 0 ? n / all_rows : 0;
    std::int64_t c = 0;
    if (n == 0) {
        T v[L];
        Vec::store(v, finished(Vec::set1(Op::nothing)));
        for (; c < unit; ++c) y[c] = v[0];
        return;
    }
    const auto fours = [&](auto counts) {
        for (; c + 4 * L <= unit; c += 4 * L) {
            typename Vec::V v[4] = {};
            const auto load = [c](const T* p, int u) {
                if constexpr (decltype(counts)::taps != 3) fetch_ahead(p + c + u * Vec::lanes);  // not for windows that overlap
                return Op::taken(Vec::load(p + c + u * Vec::lanes));
            };
            taps_joined<Op, decltype(counts), 4>(taps, rows, in_row, load, v);
            for (int u = 0; u < 4; ++u) Vec::store(y + c + u * L, finished(v[u]));
        }
    };
    const auto are = [&](int slices, int rows_of_slice, int taps_of_row) {
        return rows.slices == slices && rows.rows == rows_of_slice && in_row == taps_of_row;
    };
    if (are(1, 1, 1))
        fours(TapCounts<1, 1, 1>{});
    else if (are(1, 2, 2))
        fours(TapCounts<1, 2, 2>{});
    else if (are(1, 3, 3))
        fours(TapCounts<1, 3, 3>{});
    else if (are(2, 2, 2))
        fours(TapCounts<2, 2, 2>{});
    else if (are(1, 1, 4))
        fours(TapCounts<1, 1, 4>{});
    else
        fours(TapCounts<0, 0, 0>{});
    for (; c < unit; c += L) {
        const int m = unit - c < L ? static_cast<int>(unit - c) : static_cast<int>(L);
        typename Vec::V v[1] = {};
        const auto join = [&](const auto& load) { taps_joined<Op, TapCounts<0, 0, 0>, 1>(taps, rows, in_row, load, v); };
        if (m == L) {
            join([c](const T* p, int) { return Op::taken(Vec::load(p + c)); });
            Vec::store(y + c, finished(v[0]));
        } else {
            join([c, m](const T* p, int) { return Op::taken(Vec::load_n(p + c, m)); });
            Vec::store_n(y + c, finished(v[0]), m);
        }
    }
}

// Channels last, windows of few taps: each output pixel is pooled from all its taps at once.
template <class Op>
void pool_taps(const PoolBlock<typename Op::T>& b) {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    const Results<Op, T> results(b);
    const Taps width(b.axis[2]);
    for (std::int64_t d = b.begin[0]; d < b.end[0]; ++d) {
        for (std::int64_t h = b.begin[1]; h < b.end[1]; ++h) {
            const T* taps[most_rows];
            std::int64_t row[most_rows];
            const RowCount rows = rows_of(b, d, h, row);
            T* y = b.y + results.row_at(d, h);
            const T row_divisor = b.after == PoolAfter::divide ? results.row_divisor(d, h) : T(1);
            for (std::int64_t w = b.begin[2]; w < b.end[2]; ++w, y += b.y_pixel) {
                int n = 0;
                for (int r = 0; r < rows.slices * rows.rows; ++r) {
                    for (std::int64_t t = 0; t < width.count; ++t) {
                        const std::int64_t i = width.at(w, t);
                        if (i >= 0) taps[n++] = b.x + row[r] + i * b.x_step[2];
                    }
                }
                T divisor = row_divisor, factor = 1;
                if constexpr (!Op::idempotent) {
                    if (b.counted[2]) divisor *= b.counted[2][w];
                    if (results.power_of_two(static_cast<double>(divisor))) {
                        factor = 1 / divisor;
                        divisor = 1;
                    }
                }
                taps_pixel<Op>(taps, rows, n, b.unit, y, [&](typename Vec::V v) {
                    if constexpr (!Op::idempotent) {
                        if (factor != 1) return Vec::mul(v, Vec::set1(factor));
                        if (divisor != 1) return Vec::div(v, Vec::set1(divisor));
                    }
                    return Op::given(v);
                });
            }
        }
    }
}

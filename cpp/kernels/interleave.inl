// SPDX-License-Identifier: BSD-3-Clause
// Interleaves rows: the phases of a transposed convolution become one row.

// A perfect shuffle halves the distance between values that belong together; log2(R) shuffles make them adjacent.
template <class Vec, int R>
[[gnu::always_inline]] inline void shuffle_rows(typename Vec::V (&row)[R]) {
    for (int half = R; half > 1; half /= 2) {
        typename Vec::V next[R];
        for (int i = 0; i < R / 2; ++i) {
            next[2 * i] = Vec::zip_low(row[i], row[i + R / 2]);
            next[2 * i + 1] = Vec::zip_high(row[i], row[i + R / 2]);
        }
        for (int i = 0; i < R; ++i) row[i] = next[i];
    }
}

template <class Vec, int R>
void interleave_rows(const Interleaved<typename Vec::T>& rows) {
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    typename Vec::V row[R];
    const T* from = rows.from;
    T* to = rows.to;
    std::int64_t n = rows.n;
    for (; n >= L; n -= L, from += L, to += R * L) {
        for (int r = 0; r < R; ++r) row[r] = Vec::load(from + r * rows.row_step);
        shuffle_rows<Vec, R>(row);
        for (int r = 0; r < R; ++r) Vec::store(to + r * L, row[r]);
    }
    if (n == 0) return;
    for (int r = 0; r < R; ++r) row[r] = Vec::load_n(from + r * rows.row_step, static_cast<int>(n));
    shuffle_rows<Vec, R>(row);
    std::int64_t left = R * n;
    for (int r = 0; r < R && left > 0; ++r, left -= L) {
        if (left >= L) {
            Vec::store(to + r * L, row[r]);
        } else {
            Vec::store_n(to + r * L, row[r], static_cast<int>(left));
        }
    }
}

template <class Vec>
void sum_rows(const RowSum<typename Vec::T>& p) {
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    for (std::int64_t m = 0; m < p.n; m += L) {
        typename Vec::V sum = Vec::set1(p.start);
        for (std::int64_t i = 0; i < p.count; ++i) {
            const ShiftedRow<T>& row = p.rows[i];
            const std::int64_t begin = row.begin - m, end = row.end - m;
            if (begin <= 0 && end >= L) {
                sum = Vec::add(sum, Vec::load(row.at + m));
            } else if (begin < L && end > 0) {
                const int first = begin > 0 ? static_cast<int>(begin) : 0, last = end < L ? static_cast<int>(end) : L;
                if constexpr (Vec::masks) {
                    sum = Vec::add(sum, Vec::load_masked(row.at + m, Vec::between(first, last)));
                } else {
                    T part[L] = {};
                    for (int lane = first; lane < last; ++lane) part[lane] = row.at[m + lane];
                    sum = Vec::add(sum, Vec::load(part));
                }
            }
        }
        Vec::store(p.to + m, sum);
    }
}

template <class Vec>
void interleave(const Interleaved<typename Vec::T>& rows) {
    if (rows.rows == 2) return interleave_rows<Vec, 2>(rows);
    if (rows.rows == 4) return interleave_rows<Vec, 4>(rows);
    if (rows.rows == 8) return interleave_rows<Vec, 8>(rows);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
        const typename Vec::T* from = rows.from + r * rows.row_step;
        for (std::int64_t i = 0; i < rows.n; ++i) rows.to[i * rows.rows + r] = from[i];
    }
}

// SPDX-License-Identifier: BSD-3-Clause
// Every second or fourth value of a row: the phases of an input that is read with a stride.

// Loads values [begin, begin + lanes), but reads only the first n values of `from`.
template <class Vec>
[[gnu::always_inline]] inline typename Vec::V load_within(const typename Vec::T* from, std::int64_t begin, std::int64_t n) {
    const std::int64_t left = n - begin;
    return left >= Vec::lanes ? Vec::load(from + begin) : left <= 0 ? Vec::zero() : Vec::load_n(from + begin, static_cast<int>(left));
}

// Loads every Step-th value. Only `read` values of `from` may be read.
template <class Vec, std::int64_t Step>
[[gnu::always_inline]] inline typename Vec::V load_every(const typename Vec::T* from, std::int64_t read) {
    static_assert(Step == 2 || Step == 4);
    constexpr std::int64_t L = Vec::lanes;
    const typename Vec::V low = Vec::even(load_within<Vec>(from, 0, read), load_within<Vec>(from, L, read));
    if constexpr (Step == 2) return low;
    return Vec::even(low, Vec::even(load_within<Vec>(from, 2 * L, read), load_within<Vec>(from, 3 * L, read)));
}

template <class Vec, std::int64_t Step>
void copy_vectors(const typename Vec::T* from, std::int64_t n, typename Vec::T* to) {
    constexpr std::int64_t L = Vec::lanes;
    // All vectors but the last may read up to the first value of the next vector.
    for (; n > L; n -= L, from += Step * L, to += L) Vec::store(to, load_every<Vec, Step>(from, Step * L));
    if (n > 0) Vec::store_n(to, load_every<Vec, Step>(from, Step * (n - 1) + 1), static_cast<int>(n));
}

template <class Vec>
void copy_every(const typename Vec::T* from, std::int64_t step, std::int64_t n, typename Vec::T* to) {
    if (step == 2) return copy_vectors<Vec, 2>(from, n, to);
    if (step == 4) return copy_vectors<Vec, 4>(from, n, to);
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * step];
}

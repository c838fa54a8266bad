// SPDX-License-Identifier: BSD-3-Clause
// Every second or fourth value of a row: the phases of an input that is read with a stride.

// The values of [begin, begin + lanes) of the `n` that may be read.
template <class Vec>
[[gnu::always_inline]] inline typename Vec::V load_within(const typename Vec::T* from, std::int64_t begin, std::int64_t n) {
    const std::int64_t left = n - begin;
    return left >= Vec::lanes ? Vec::load(from + begin) : left <= 0 ? Vec::zero() : Vec::load_n(from + begin, static_cast<int>(left));
}

template <class Vec>
void copy_every(const typename Vec::T* from, std::int64_t step, std::int64_t n, typename Vec::T* to) {
    using V = typename Vec::V;
    constexpr std::int64_t L = Vec::lanes;
    if (step != 2 && step != 4) {
        for (std::int64_t i = 0; i < n; ++i) to[i] = from[i * step];
        return;
    }
    for (std::int64_t i = 0; i < n; i += L) {
        const typename Vec::T* f = from + step * i;
        const std::int64_t count = n - i < L ? n - i : L, read = step * (count - 1) + 1;  // nothing beyond the last that is wanted
        V v;
        if (step == 2) {
            v = Vec::even(load_within<Vec>(f, 0, read), load_within<Vec>(f, L, read));
        } else {
            const V low = Vec::even(load_within<Vec>(f, 0, read), load_within<Vec>(f, L, read));
            v = Vec::even(low, Vec::even(load_within<Vec>(f, 2 * L, read), load_within<Vec>(f, 3 * L, read)));
        }
        if (count == L) {
            Vec::store(to + i, v);
        } else {
            Vec::store_n(to + i, v, static_cast<int>(count));
        }
    }
}

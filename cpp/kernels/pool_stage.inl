// SPDX-License-Identifier: BSD-3-Clause
// Copies a row of x with its border: with a stride as phases (de-interleaved, so that each tap of all outputs is one run), otherwise
// densely.

// Were there NaNs among the values? Used only where it makes a difference: see OrderedOf. The sum of all values tells. Infinities of both
// signs give a NaN, too, which only costs time.
template <class Op>
struct NanWatch {
    using Vec = typename Op::Vec;
    static constexpr bool needed = Op::nan_matters;
    typename Vec::V sum = Vec::set1(0);
    typename Op::T single = 0;
    [[gnu::always_inline]] void see(typename Vec::V v) {
        if constexpr (needed) sum = Vec::add(sum, v);
    }
    [[gnu::always_inline]] void see_one(typename Op::T v) {
        if constexpr (needed) single += v;
    }
    [[gnu::always_inline]] bool seen() const {
        if constexpr (needed) return Vec::any_nan(Vec::add(sum, Vec::set1(single)));
        return true;
    }
};

// Makes one vector of each phase from Step vectors.
template <class Vec, int Step>
[[gnu::always_inline]] inline void split_step(const typename Vec::V (&v)[Step], typename Vec::T* phase, std::int64_t pitch) {
    if constexpr (Step == 2) {
        Vec::store(phase, Vec::even(v[0], v[1]));
        Vec::store(phase + pitch, Vec::odd(v[0], v[1]));
    } else {
        const auto e0 = Vec::even(v[0], v[1]), e1 = Vec::even(v[2], v[3]), o0 = Vec::odd(v[0], v[1]), o1 = Vec::odd(v[2], v[3]);
        Vec::store(phase, Vec::even(e0, e1));
        Vec::store(phase + pitch, Vec::even(o0, o1));
        Vec::store(phase + 2 * pitch, Vec::odd(e0, e1));
        Vec::store(phase + 3 * pitch, Vec::odd(o0, o1));
    }
}

// phase[f * pitch + q] = from[q * Step + f] for Step 2 or 4, q * Step + f < n. Writes whole vectors; values beyond the last one are
// unspecified.
template <class Op, int Step>
[[gnu::always_inline]] inline void split_phases(const typename Op::T* from, std::int64_t n, typename Op::T* phase, std::int64_t pitch,
                                                NanWatch<Op>& watch) {
    using Vec = typename Op::Vec;
    constexpr std::int64_t L = Vec::lanes;
    typename Vec::V v[Step];
    std::int64_t q = 0;
    const auto whole = [&] {
        for (int i = 0; i < Step; ++i) {
            v[i] = Vec::load(from + q * Step + i * L);
            watch.see(v[i]);
        }
        split_step<Vec, Step>(v, phase + q, pitch);
    };
    for (; (q + L) * Step <= n; q += L) whole();
    if (q * Step == n) return;
    if (n >= Step * L) {  // fewer than Step values one by one, then the last whole vectors again
        const std::int64_t steps = n / Step;
        for (std::int64_t i = steps * Step; i < n; ++i) {
            phase[i % Step * pitch + steps] = from[i];
            watch.see_one(from[i]);
        }
        q = steps - L;
        whole();
        return;
    }
    for (int i = 0; i < Step; ++i) {
        const std::int64_t here = n - i * L;
        v[i] = here >= L ? Vec::load(from + i * L) : here > 0 ? Vec::load_n(from + i * L, static_cast<int>(here)) : Vec::set1(0);
        watch.see(v[i]);
    }
    split_step<Vec, Step>(v, phase, pitch);
}

// Writes a row of n values with `before` places of border before it, and border after it up to `length`.
template <class Op>
[[gnu::always_inline]] inline void put_dense(const typename Op::T* from, std::int64_t before, std::int64_t n, typename Op::T* to,
                                             std::int64_t length, NanWatch<Op>& watch) {
    using Vec = typename Op::Vec;
    constexpr std::int64_t L = Vec::lanes;
    const auto nothing = Vec::set1(Op::nothing);
    const auto keep = [&watch](typename Op::T* p, typename Vec::V value) {
        watch.see(value);
        Vec::store(p, value);
    };
    for (std::int64_t i = 0; i < before; i += L) Vec::store(to + i, nothing);
    typename Op::T* const row = to + before;
    std::int64_t i = 0;
    for (; i + L <= n; i += L) keep(row + i, Vec::load(from + i));
    if (i < n && n >= L)
        keep(row + n - L, Vec::load(from + n - L));  // some again
    else if (i < n)
        keep(row, Vec::load_n(from, static_cast<int>(n)));
    for (i = before + n; i < length; i += L) Vec::store(to + i, nothing);
}

// The same as phases, `pitch` elements apart.
template <class Op, int Step>
[[gnu::always_inline]] inline void put_phases(const typename Op::T* from, std::int64_t before, std::int64_t n, typename Op::T* to,
                                              std::int64_t pitch, std::int64_t length, NanWatch<Op>& watch) {
    using Vec = typename Op::Vec;
    constexpr std::int64_t L = Vec::lanes;
    const auto nothing = Vec::set1(Op::nothing);
    for (int f = 0; before > 0 && f < Step; ++f) {
        for (std::int64_t q = 0; q * Step < before; q += L) Vec::store(to + f * pitch + q, nothing);
    }
    const std::int64_t uneven = (Step - before % Step) % Step, first = uneven < n ? uneven : n;  // values before the first whole step
    if (first < n) split_phases<Op, Step>(from + first, n - first, to + (before + first) / Step, pitch, watch);
    for (int f = 0; f < Step; ++f) {
        const std::int64_t beyond = before + n - f;  // the places q of this phase with q * Step < beyond are filled
        for (std::int64_t q = beyond <= 0 ? 0 : (beyond + Step - 1) / Step; q < length; q += L) Vec::store(to + f * pitch + q, nothing);
    }
    for (std::int64_t i = 0; i < first; ++i) {
        to[(before + i) % Step * pitch + (before + i) / Step] = from[i];
        watch.see_one(from[i]);
    }
}

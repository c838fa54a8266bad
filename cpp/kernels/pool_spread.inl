// SPDX-License-Identifier: BSD-3-Clause
// The gradient of an average along the width, with a stride: phases of the row are computed and interleaved.

// Interleaves `step` phases, `pitch` elements apart: to[i * step + f] = phase[f * pitch + i]. Writes whole vectors.
template <class Vec>
inline void weave_phases(const typename Vec::T* phase, std::int64_t pitch, std::int64_t step, std::int64_t n, typename Vec::T* to) {
    constexpr std::int64_t L = Vec::lanes;
    for (std::int64_t i = 0; i < n; i += L) {
        const auto load = [&](std::int64_t f) { return Vec::load(phase + f * pitch + i); };
        if (step == 2) {
            const auto even = load(0), odd = load(1);
            Vec::store(to + 2 * i, Vec::zip_low(even, odd));
            Vec::store(to + 2 * i + L, Vec::zip_high(even, odd));
            continue;
        }
        const auto p0 = load(0), p1 = load(1), p2 = load(2), p3 = load(3);
        const auto e0 = Vec::zip_low(p0, p2), e1 = Vec::zip_high(p0, p2), o0 = Vec::zip_low(p1, p3), o1 = Vec::zip_high(p1, p3);
        Vec::store(to + 4 * i, Vec::zip_low(e0, o0));
        Vec::store(to + 4 * i + L, Vec::zip_high(e0, o0));
        Vec::store(to + 4 * i + 2 * L, Vec::zip_low(e1, o1));
        Vec::store(to + 4 * i + 3 * L, Vec::zip_high(e1, o1));
    }
}

// Place w, with w + pad_before == q * stride + f, is the sum of the inputs q - (shift of a tap) over the taps of phase f. staged: the row
// with its border, `places` places.
template <class Op, class X>
void spread_row(const PoolBlock<X>& b, std::int64_t places, const typename Op::T* staged, typename Op::T* to) {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    constexpr std::int64_t L = Vec::lanes;
    const PoolAxis& a = b.axis[2];
    const std::int64_t s = a.stride, unit = b.unit, back = (a.kernel - 1) * a.dilation / s;
    const std::int64_t q0 = (b.begin[2] + a.pad_before) / s, n = (places - back) * unit;  // of a phase
    T* line = to - (b.begin[2] + a.pad_before - q0 * s) * unit;
    T* part = static_cast<T*>(b.partial.values);
    for (std::int64_t f = 0; f < s; ++f) {
        T* p = part + f * b.row_pitch;
        // The taps of phase f: t, t + repeat, ... The farthest input is added first.
        std::int64_t t = f, repeat = s;
        if (a.dilation > 1) {
            for (t = 0; t < s && (t * a.dilation) % s != f;) ++t;
            for (repeat = 1; (repeat * a.dilation) % s != 0;) ++repeat;
        }
        if (t >= a.kernel || t >= s) {
            for (std::int64_t i = 0; i < n; ++i) p[i] = 0;
            continue;
        }
        const std::int64_t last = t + (a.kernel - 1 - t) / repeat * repeat;
        for (std::int64_t i = 0; i < n; i += L) {
            auto sum = Vec::load(staged + (i + (back - last * a.dilation / s) * unit));
            for (std::int64_t tap = last - repeat; tap >= t; tap -= repeat)
                sum = Vec::add(sum, Vec::load(staged + (i + (back - tap * a.dilation / s) * unit)));
            Vec::store(p + i, sum);
        }
    }
    if (unit == 1 && (s == 2 || s == 4)) return weave_phases<Vec>(part, b.row_pitch, s, n, line);
    for (std::int64_t q = 0; q * unit < n; ++q) {
        for (std::int64_t f = 0; f < s; ++f) {
            for (std::int64_t c = 0; c < unit; ++c) line[(q * s + f) * unit + c] = part[f * b.row_pitch + q * unit + c];
        }
    }
}

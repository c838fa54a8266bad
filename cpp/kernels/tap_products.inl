// SPDX-License-Identifier: BSD-3-Clause
// The gradient of depthwise weights, lane = channel: over a rectangle of pixels the products of a gradient with what each tap meets are
// summed in registers, a few taps at a time, so that the gradient is loaded once for them.

constexpr int taps_at_once = 9;  // 9 sums, 1 gradient: two products a cycle want 8 sums that do not wait for each other

template <class Vec, int Taps, bool Whole, class Pick>
[[gnu::always_inline]] inline void sum_taps(const TapProducts<typename Vec::T>& p, const std::int64_t* offset, typename Vec::T* sums,
                                            std::int64_t sum_step, const Pick& pick) {
    using V = typename Vec::V;
    using T = typename Vec::T;
    V sum[Taps];
    std::int64_t at[Taps];
#pragma GCC unroll 9
    for (int t = 0; t < Taps; ++t) {
        sum[t] = Vec::load(sums + t * sum_step);
        at[t] = offset[t];
    }
    const std::int64_t g_pixel = p.g_pixel, x_pixel = p.x_pixel, columns = p.columns;
    for (std::int64_t row = 0; row < p.rows; ++row) {
        const T *g = p.g + row * p.g_row, *x = p.x + row * p.x_row;
        for (std::int64_t i = 0; i < columns; ++i, g += g_pixel, x += x_pixel) {
            const V gradient = Whole ? Vec::load(g) : Vec::load_n(g, p.channels);
#pragma GCC unroll 9
            for (int t = 0; t < Taps; ++t) sum[t] = Vec::fma(gradient, pick(Vec::load(x + at[t])), sum[t]);
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < Taps; ++t) Vec::store(sums + t * sum_step, sum[t]);
}

template <class Vec, int Taps, class Pick>
void sum_some_taps(const TapProducts<typename Vec::T>& p, const std::int64_t* offset, typename Vec::T* sums, std::int64_t sum_step,
                   const Pick& pick) {
    if (p.channels == Vec::lanes) {
        sum_taps<Vec, Taps, true>(p, offset, sums, sum_step, pick);
    } else {
        sum_taps<Vec, Taps, false>(p, offset, sums, sum_step, pick);
    }
}

template <class Vec, class Pick>
void sum_all_taps(const TapProducts<typename Vec::T>& p, typename Vec::T* sums, std::int64_t sum_step, const Pick& pick) {
    std::int64_t t = 0;
    for (; t + taps_at_once <= p.taps; t += taps_at_once)
        sum_some_taps<Vec, taps_at_once>(p, p.offset + t, sums + t * sum_step, sum_step, pick);
    for (; t + 3 <= p.taps; t += 3) sum_some_taps<Vec, 3>(p, p.offset + t, sums + t * sum_step, sum_step, pick);
    for (; t < p.taps; ++t) sum_some_taps<Vec, 1>(p, p.offset + t, sums + t * sum_step, sum_step, pick);
}

template <class Vec>
void tap_products(const TapProducts<typename Vec::T>& p) {
    constexpr int L = Vec::lanes;
    if (p.group == 1) return sum_all_taps<Vec>(p, p.sums, L, NoPicker());
    for (std::int64_t i = 0; i < p.group; ++i) sum_all_taps<Vec>(p, p.sums + i * L, p.group * L, GroupPicker<Vec>(p.group, i));
}

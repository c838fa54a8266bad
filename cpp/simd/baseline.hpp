// SPDX-License-Identifier: BSD-3-Clause
// Vec for the x86-64 baseline (SSE2, no FMA): 4 floats or 2 doubles in one of 16 registers. The interface is described in simd/README.md.
#pragma once
#include <emmintrin.h>

#include <cstdint>

namespace npconv {
namespace {

struct F64 {
    using T = double;
    using V = __m128d;
    static constexpr int lanes = 2;
    static constexpr int registers = 16;
    static constexpr bool fused = false;
    static constexpr bool masks = false;

    static V zero() { return _mm_setzero_pd(); }
    static V set1(T a) { return _mm_set1_pd(a); }
    static V load(const T* p) { return _mm_loadu_pd(p); }
    static void store(T* p, V a) { _mm_storeu_pd(p, a); }
    static V load_n(const T* p, int n) { return n == 0 ? zero() : n == 1 ? _mm_load_sd(p) : load(p); }
    static void store_n(T* p, V a, int n) {
        if (n == 1) _mm_store_sd(p, a);
        if (n == 2) store(p, a);
    }
    static V add(V a, V b) { return _mm_add_pd(a, b); }
    static V sub(V a, V b) { return _mm_sub_pd(a, b); }
    static V mul(V a, V b) { return _mm_mul_pd(a, b); }
    static V div(V a, V b) { return _mm_div_pd(a, b); }
    static V fma(V a, V b, V c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }  // two roundings
    static V max(V a, V b) { return _mm_max_pd(a, b); }
    static V min(V a, V b) { return _mm_min_pd(a, b); }
    static V abs(V a) { return _mm_andnot_pd(_mm_set1_pd(-0.0), a); }
    static V copysign(V magnitude, V sign) {
        const V bit = _mm_set1_pd(-0.0);
        return _mm_or_pd(_mm_andnot_pd(bit, magnitude), _mm_and_pd(bit, sign));
    }
    static V if_less(V a, V b, V then, V otherwise) {
        const V mask = _mm_cmplt_pd(a, b);
        return _mm_or_pd(_mm_and_pd(mask, then), _mm_andnot_pd(mask, otherwise));
    }
    // No roundpd before SSE4.1: adding 1.5 * 2^52 leaves no bit below the unit. Exact integers for |a| < 2^51.
    static V round(V a) { return sub(add(a, set1(0x1.8p52)), set1(0x1.8p52)); }
    static V pow2(V k) {
        const __m128i bits = _mm_castpd_si128(_mm_add_pd(k, _mm_set1_pd(0x1.8p52)));
        return _mm_castsi128_pd(_mm_slli_epi64(_mm_add_epi64(bits, _mm_set1_epi64x(1023)), 52));
    }
    static V scale(V a, V k) {
        const V half = round(mul(k, set1(0.5)));
        return mul(mul(a, pow2(half)), pow2(sub(k, half)));
    }
    static V sqrt(V a) { return _mm_sqrt_pd(a); }
    static bool any_nan(V a) { return _mm_movemask_pd(_mm_cmpunord_pd(a, a)) != 0; }
    static V larger(V first, V second) { return _mm_max_pd(second, first); }
    static V later(V first, V second) {
        const V mask = _mm_cmpunord_pd(second, second);
        return _mm_or_pd(_mm_and_pd(mask, second), _mm_andnot_pd(mask, _mm_max_pd(second, first)));
    }
    static V even(V a, V b) { return _mm_unpacklo_pd(a, b); }
    static V odd(V a, V b) { return _mm_unpackhi_pd(a, b); }
    static V zip_low(V a, V b) { return _mm_unpacklo_pd(a, b); }
    static V zip_high(V a, V b) { return _mm_unpackhi_pd(a, b); }
    static void transpose(V (&r)[lanes]) {
        const V a = _mm_unpacklo_pd(r[0], r[1]), b = _mm_unpackhi_pd(r[0], r[1]);
        r[0] = a;
        r[1] = b;
    }
    static void load_columns(const T* p, std::int64_t stride, V* r) {
        V rows[lanes];
        for (int i = 0; i < lanes; ++i) rows[i] = load(p + i * stride);
        transpose(rows);
        for (int i = 0; i < lanes; ++i) r[i] = rows[i];
    }
};

struct F32 {
    using T = float;
    using V = __m128;
    static constexpr int lanes = 4;
    static constexpr int registers = 16;
    static constexpr bool fused = false;
    static constexpr bool masks = false;

    static V zero() { return _mm_setzero_ps(); }
    static V set1(T a) { return _mm_set1_ps(a); }
    static V load(const T* p) { return _mm_loadu_ps(p); }
    static void store(T* p, V a) { _mm_storeu_ps(p, a); }
    static V load_n(const T* p, int n) {
        T copy[lanes] = {};
        for (int i = 0; i < n; ++i) copy[i] = p[i];
        return load(copy);
    }
    static void store_n(T* p, V a, int n) {
        T copy[lanes];
        store(copy, a);
        for (int i = 0; i < n; ++i) p[i] = copy[i];
    }
    static V add(V a, V b) { return _mm_add_ps(a, b); }
    static V sub(V a, V b) { return _mm_sub_ps(a, b); }
    static V mul(V a, V b) { return _mm_mul_ps(a, b); }
    static V div(V a, V b) { return _mm_div_ps(a, b); }
    static V fma(V a, V b, V c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }  // two roundings
    static V max(V a, V b) { return _mm_max_ps(a, b); }
    static V min(V a, V b) { return _mm_min_ps(a, b); }
    static V abs(V a) { return _mm_andnot_ps(_mm_set1_ps(-0.0F), a); }
    static V copysign(V magnitude, V sign) {
        const V bit = _mm_set1_ps(-0.0F);
        return _mm_or_ps(_mm_andnot_ps(bit, magnitude), _mm_and_ps(bit, sign));
    }
    static V if_less(V a, V b, V then, V otherwise) {
        const V mask = _mm_cmplt_ps(a, b);
        return _mm_or_ps(_mm_and_ps(mask, then), _mm_andnot_ps(mask, otherwise));
    }
    static V round(V a) { return sub(add(a, set1(0x1.8p23F)), set1(0x1.8p23F)); }  // as in F64
    static V pow2(V k) {
        const __m128i bits = _mm_castps_si128(_mm_add_ps(k, _mm_set1_ps(0x1.8p23F)));
        return _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(bits, _mm_set1_epi32(127)), 23));
    }
    static V scale(V a, V k) {
        const V half = round(mul(k, set1(0.5F)));
        return mul(mul(a, pow2(half)), pow2(sub(k, half)));
    }
    static void to_f64(V a, F64::V& low, F64::V& high) {
        low = _mm_cvtps_pd(a);
        high = _mm_cvtps_pd(_mm_movehl_ps(a, a));
    }
    static V from_f64(F64::V low, F64::V high) { return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)); }
    static V sqrt(V a) { return _mm_sqrt_ps(a); }
    static bool any_nan(V a) { return _mm_movemask_ps(_mm_cmpunord_ps(a, a)) != 0; }
    static V larger(V first, V second) { return _mm_max_ps(second, first); }
    static V later(V first, V second) {
        const V mask = _mm_cmpunord_ps(second, second);
        return _mm_or_ps(_mm_and_ps(mask, second), _mm_andnot_ps(mask, _mm_max_ps(second, first)));
    }
    static V even(V a, V b) { return _mm_shuffle_ps(a, b, 0x88); }
    static V odd(V a, V b) { return _mm_shuffle_ps(a, b, 0xdd); }
    static V zip_low(V a, V b) { return _mm_unpacklo_ps(a, b); }
    static V zip_high(V a, V b) { return _mm_unpackhi_ps(a, b); }
    static void transpose(V (&r)[lanes]) {
        const V a = _mm_unpacklo_ps(r[0], r[1]), b = _mm_unpackhi_ps(r[0], r[1]);
        const V c = _mm_unpacklo_ps(r[2], r[3]), d = _mm_unpackhi_ps(r[2], r[3]);
        r[0] = _mm_movelh_ps(a, c);
        r[1] = _mm_movehl_ps(c, a);
        r[2] = _mm_movelh_ps(b, d);
        r[3] = _mm_movehl_ps(d, b);
    }
    static void load_columns(const T* p, std::int64_t stride, V* r) {
        V rows[lanes];
        for (int i = 0; i < lanes; ++i) rows[i] = load(p + i * stride);
        transpose(rows);
        for (int i = 0; i < lanes; ++i) r[i] = rows[i];
    }
};

}  // namespace
}  // namespace npconv

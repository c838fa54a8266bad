// SPDX-License-Identifier: BSD-3-Clause
// Vec for AVX-512 (F, DQ, BW, VL): 16 floats or 8 doubles in one of 32 registers. The interface is described in simd/README.md.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace npconv {
namespace {

struct F64 {
    using T = double;
    using V = __m512d;
    static constexpr int lanes = 8;
    static constexpr int registers = 32;
    static constexpr bool fused = true;
    static __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1u); }

    static V zero() { return _mm512_setzero_pd(); }
    static V set1(T a) { return _mm512_set1_pd(a); }
    static V load(const T* p) { return _mm512_loadu_pd(p); }
    static void store(T* p, V a) { _mm512_storeu_pd(p, a); }
    static V load_n(const T* p, int n) { return _mm512_maskz_loadu_pd(first(n), p); }
    static constexpr bool masks = true;
    using Mask = __mmask8;
    static Mask between(int begin, int end) { return static_cast<Mask>(first(end) & ~first(begin)); }
    static V load_masked(const T* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
    static V load_masked(const T* p, Mask m, V otherwise) { return _mm512_mask_loadu_pd(otherwise, m, p); }
    static void store_n(T* p, V a, int n) { _mm512_mask_storeu_pd(p, first(n), a); }
    static V add(V a, V b) { return _mm512_add_pd(a, b); }
    static V sub(V a, V b) { return _mm512_sub_pd(a, b); }
    static V mul(V a, V b) { return _mm512_mul_pd(a, b); }
    static V div(V a, V b) { return _mm512_div_pd(a, b); }
    static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
    // sum += a * b where the sum stands: compilers that run out of registers move it, else, to where a or b was.
    static void accumulate(V& sum, V a, V b) { asm("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
    static V max(V a, V b) { return _mm512_max_pd(a, b); }
    static V min(V a, V b) { return _mm512_min_pd(a, b); }
    static V abs(V a) { return _mm512_abs_pd(a); }
    static V copysign(V magnitude, V sign) {
        const V bit = _mm512_set1_pd(-0.0);
        return _mm512_or_pd(_mm512_andnot_pd(bit, magnitude), _mm512_and_pd(bit, sign));
    }
    static V if_less(V a, V b, V then, V otherwise) { return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), otherwise, then); }
    static V round(V a) { return _mm512_roundscale_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    static V pow2(V k) {
        const __m512i bits = _mm512_castpd_si512(_mm512_add_pd(k, _mm512_set1_pd(0x1.8p52)));
        return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_add_epi64(bits, _mm512_set1_epi64(1023)), 52));
    }
    static V scale(V a, V k) { return _mm512_scalef_pd(a, k); }
    static V sqrt(V a) { return _mm512_sqrt_pd(a); }
    static bool any_nan(V a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q) != 0; }
    static V larger(V first, V second) { return _mm512_max_pd(second, first); }
    using Index = __m512i;
    static Index index_in_groups(int group, int i) {
        const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm512_add_epi64(_mm512_and_si512(lane, _mm512_set1_epi64(-group)), _mm512_set1_epi64(i));
    }
    static V pick(V a, Index index) { return _mm512_permutexvar_pd(index, a); }
    // As bits, magnitudes are ordered as numbers are, and NaN is beyond infinity.
    static V larger_magnitude(V a, V b) {
        return _mm512_castsi512_pd(_mm512_max_epu64(_mm512_castpd_si512(a), _mm512_castpd_si512(_mm512_abs_pd(b))));
    }
    static V later(V first, V second) { return _mm512_mask_max_pd(second, _mm512_cmp_pd_mask(second, second, _CMP_ORD_Q), second, first); }
    static V even(V a, V b) { return _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b); }
    static V odd(V a, V b) { return _mm512_permutex2var_pd(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b); }
    static V shift_up(V before, V a) {
        return _mm512_castsi512_pd(_mm512_alignr_epi64(_mm512_castpd_si512(a), _mm512_castpd_si512(before), 7));
    }
    static V shift_down(V a, V after) {
        return _mm512_castsi512_pd(_mm512_alignr_epi64(_mm512_castpd_si512(after), _mm512_castpd_si512(a), 1));
    }
    static V zip_low(V a, V b) { return _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b); }
    static V zip_high(V a, V b) { return _mm512_permutex2var_pd(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b); }
    static void load_columns(const T* p, std::int64_t stride, V* r) {
        const auto quarters = [&](const T* q) {  // two columns of rows 0, 2, 4, 6, counted from q
            V v = _mm512_castpd128_pd512(_mm_loadu_pd(q));
            v = _mm512_insertf64x2(v, _mm_loadu_pd(q + 2 * stride), 1);
            v = _mm512_insertf64x2(v, _mm_loadu_pd(q + 4 * stride), 2);
            return _mm512_insertf64x2(v, _mm_loadu_pd(q + 6 * stride), 3);
        };
        const V a = quarters(p), b = quarters(p + stride);
        r[0] = _mm512_unpacklo_pd(a, b);
        r[1] = _mm512_unpackhi_pd(a, b);
    }
    static void transpose(V (&r)[lanes]) {
        V t[8];
        for (int i = 0; i < 4; ++i) {  // t[2i], t[2i+1]: even and odd columns of rows 2i, 2i+1
            t[2 * i] = _mm512_unpacklo_pd(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_pd(r[2 * i], r[2 * i + 1]);
        }
        for (int j = 0; j < 2; ++j) {
            const V a = _mm512_shuffle_f64x2(t[j], t[2 + j], 0x88), b = _mm512_shuffle_f64x2(t[j], t[2 + j], 0xdd);
            const V c = _mm512_shuffle_f64x2(t[4 + j], t[6 + j], 0x88), d = _mm512_shuffle_f64x2(t[4 + j], t[6 + j], 0xdd);
            r[j] = _mm512_shuffle_f64x2(a, c, 0x88);
            r[4 + j] = _mm512_shuffle_f64x2(a, c, 0xdd);
            r[2 + j] = _mm512_shuffle_f64x2(b, d, 0x88);
            r[6 + j] = _mm512_shuffle_f64x2(b, d, 0xdd);
        }
    }
};

struct F32 {
    using T = float;
    using V = __m512;
    static constexpr int lanes = 16;
    static constexpr int registers = 32;
    static constexpr bool fused = true;
    static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }

    static V zero() { return _mm512_setzero_ps(); }
    static V set1(T a) { return _mm512_set1_ps(a); }
    static V load(const T* p) { return _mm512_loadu_ps(p); }
    static void store(T* p, V a) { _mm512_storeu_ps(p, a); }
    static V load_n(const T* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
    static constexpr bool masks = true;
    using Mask = __mmask16;
    static Mask between(int begin, int end) { return static_cast<Mask>(first(end) & ~first(begin)); }
    static V load_masked(const T* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
    static V load_masked(const T* p, Mask m, V otherwise) { return _mm512_mask_loadu_ps(otherwise, m, p); }
    static void store_n(T* p, V a, int n) { _mm512_mask_storeu_ps(p, first(n), a); }
    static V add(V a, V b) { return _mm512_add_ps(a, b); }
    static V sub(V a, V b) { return _mm512_sub_ps(a, b); }
    static V mul(V a, V b) { return _mm512_mul_ps(a, b); }
    static V div(V a, V b) { return _mm512_div_ps(a, b); }
    static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
    // sum += a * b where the sum stands: compilers that run out of registers move it, else, to where a or b was.
    static void accumulate(V& sum, V a, V b) { asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
    static V max(V a, V b) { return _mm512_max_ps(a, b); }
    static V min(V a, V b) { return _mm512_min_ps(a, b); }
    static V abs(V a) { return _mm512_abs_ps(a); }
    static V copysign(V magnitude, V sign) {
        const V bit = _mm512_set1_ps(-0.0F);
        return _mm512_or_ps(_mm512_andnot_ps(bit, magnitude), _mm512_and_ps(bit, sign));
    }
    static V if_less(V a, V b, V then, V otherwise) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), otherwise, then); }
    static V round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    static V pow2(V k) {
        const __m512i bits = _mm512_castps_si512(_mm512_add_ps(k, _mm512_set1_ps(0x1.8p23F)));
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(127)), 23));
    }
    static V scale(V a, V k) { return _mm512_scalef_ps(a, k); }
    static void to_f64(V a, F64::V& low, F64::V& high) {
        low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
        high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    }
    static V from_f64(F64::V low, F64::V high) {
        return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
    }
    static V sqrt(V a) { return _mm512_sqrt_ps(a); }
    static bool any_nan(V a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0; }
    static V larger(V first, V second) { return _mm512_max_ps(second, first); }
    using Index = __m512i;
    static Index index_in_groups(int group, int i) {
        const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        return _mm512_add_epi32(_mm512_and_si512(lane, _mm512_set1_epi32(-group)), _mm512_set1_epi32(i));
    }
    static V pick(V a, Index index) { return _mm512_permutexvar_ps(index, a); }
    static V larger_magnitude(V a, V b) {
        return _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(_mm512_abs_ps(b))));
    }
    static V later(V first, V second) { return _mm512_mask_max_ps(second, _mm512_cmp_ps_mask(second, second, _CMP_ORD_Q), second, first); }
    static V even(V a, V b) {
        return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b);
    }
    static V odd(V a, V b) {
        return _mm512_permutex2var_ps(a, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b);
    }
    static V shift_up(V before, V a) {
        return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(a), _mm512_castps_si512(before), 15));
    }
    static V shift_down(V a, V after) {
        return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(after), _mm512_castps_si512(a), 1));
    }
    static V zip_low(V a, V b) {
        return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
    }
    static V zip_high(V a, V b) {
        return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
    }
    // Quarters of rows are loaded to where they belong, which takes half of the shuffles of transpose().
    static void load_columns(const T* p, std::int64_t stride, V* r) {
        const auto quarters = [&](const T* q) {  // four columns of rows 0, 4, 8, 12, counted from q
            V v = _mm512_castps128_ps512(_mm_loadu_ps(q));
            v = _mm512_insertf32x4(v, _mm_loadu_ps(q + 4 * stride), 1);
            v = _mm512_insertf32x4(v, _mm_loadu_ps(q + 8 * stride), 2);
            return _mm512_insertf32x4(v, _mm_loadu_ps(q + 12 * stride), 3);
        };
        const V a = quarters(p), b = quarters(p + stride), d = quarters(p + 2 * stride), e = quarters(p + 3 * stride);
        const __m512d ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b)), AB = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
        const __m512d de = _mm512_castps_pd(_mm512_unpacklo_ps(d, e)), DE = _mm512_castps_pd(_mm512_unpackhi_ps(d, e));
        r[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, de));
        r[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, de));
        r[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(AB, DE));
        r[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(AB, DE));
    }
    static void load_transposed(const T* p, std::int64_t stride, V (&r)[lanes]) {
#pragma GCC unroll 4
        for (int c = 0; c < lanes; c += 4) load_columns(p + c, stride, r + c);
    }
    static void transpose(V (&r)[lanes]) {
        V t[16], u[16];
        for (int i = 0; i < 8; ++i) {
            t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for (int i = 0; i < 4; ++i) {  // u[4i+j]: quarter q holds column 4q+j of rows 4i..4i+3
            for (int j = 0; j < 2; ++j) {
                const __m512d a = _mm512_castps_pd(t[4 * i + j]), b = _mm512_castps_pd(t[4 * i + 2 + j]);
                u[4 * i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                u[4 * i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
            }
        }
        for (int j = 0; j < 4; ++j) {
            const V a = _mm512_shuffle_f32x4(u[j], u[4 + j], 0x88), b = _mm512_shuffle_f32x4(u[j], u[4 + j], 0xdd);
            const V c = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0x88), d = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0xdd);
            r[j] = _mm512_shuffle_f32x4(a, c, 0x88);
            r[8 + j] = _mm512_shuffle_f32x4(a, c, 0xdd);
            r[4 + j] = _mm512_shuffle_f32x4(b, d, 0x88);
            r[12 + j] = _mm512_shuffle_f32x4(b, d, 0xdd);
        }
    }
};

}  // namespace
}  // namespace npconv

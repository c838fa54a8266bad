// SPDX-License-Identifier: BSD-3-Clause
// Vec for AVX2 + FMA: 8 floats or 4 doubles in one of 16 registers. The interface is described in simd/README.md.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace npconv {
namespace {

struct F64 {
    using T = double;
    using V = __m256d;
    static constexpr int lanes = 4;
    static constexpr int registers = 16;
    static constexpr bool fused = true;
    static __m256i first(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }

    static V zero() { return _mm256_setzero_pd(); }
    static V set1(T a) { return _mm256_set1_pd(a); }
    static V load(const T* p) { return _mm256_loadu_pd(p); }
    static void store(T* p, V a) { _mm256_storeu_pd(p, a); }
    static V load_n(const T* p, int n) { return _mm256_maskload_pd(p, first(n)); }
    static constexpr bool masks = true;
    using Mask = __m256i;
    static Mask between(int begin, int end) { return _mm256_andnot_si256(first(begin), first(end)); }
    static V load_masked(const T* p, Mask m) { return _mm256_maskload_pd(p, m); }
    static V load_masked(const T* p, Mask m, V otherwise) {
        return _mm256_blendv_pd(otherwise, _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m));
    }
    static void store_n(T* p, V a, int n) { _mm256_maskstore_pd(p, first(n), a); }
    static V add(V a, V b) { return _mm256_add_pd(a, b); }
    static V sub(V a, V b) { return _mm256_sub_pd(a, b); }
    static V mul(V a, V b) { return _mm256_mul_pd(a, b); }
    static V div(V a, V b) { return _mm256_div_pd(a, b); }
    static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
    static V max(V a, V b) { return _mm256_max_pd(a, b); }
    static V min(V a, V b) { return _mm256_min_pd(a, b); }
    static V abs(V a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
    static V copysign(V magnitude, V sign) {
        const V bit = _mm256_set1_pd(-0.0);
        return _mm256_or_pd(_mm256_andnot_pd(bit, magnitude), _mm256_and_pd(bit, sign));
    }
    static V if_less(V a, V b, V then, V otherwise) { return _mm256_blendv_pd(otherwise, then, _mm256_cmp_pd(a, b, _CMP_LT_OQ)); }
    static V round(V a) { return _mm256_round_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    static V pow2(V k) {
        const __m256i bits = _mm256_castpd_si256(_mm256_add_pd(k, _mm256_set1_pd(0x1.8p52)));
        return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_add_epi64(bits, _mm256_set1_epi64x(1023)), 52));
    }
    static V scale(V a, V k) {
        const V half = round(mul(k, set1(0.5)));
        return mul(mul(a, pow2(half)), pow2(sub(k, half)));
    }
    static V sqrt(V a) { return _mm256_sqrt_pd(a); }
    static bool any_nan(V a) { return _mm256_movemask_pd(_mm256_cmp_pd(a, a, _CMP_UNORD_Q)) != 0; }
    static V larger(V first, V second) { return _mm256_max_pd(second, first); }
    using Index = __m256i;
    static Index index_in_groups(int group, int i) {  // of halves of lanes
        const __m256i lane = _mm256_setr_epi32(0, 0, 2, 2, 4, 4, 6, 6), half = _mm256_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1);
        return _mm256_add_epi32(_mm256_and_si256(lane, _mm256_set1_epi32(-2 * group)), _mm256_add_epi32(half, _mm256_set1_epi32(2 * i)));
    }
    static V pick(V a, Index index) { return _mm256_castsi256_pd(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(a), index)); }
    static V later(V first, V second) {
        return _mm256_blendv_pd(_mm256_max_pd(second, first), second, _mm256_cmp_pd(second, second, _CMP_UNORD_Q));
    }
    static V even(V a, V b) { return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8); }
    static V odd(V a, V b) { return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xd8); }
    static V zip_low(V a, V b) { return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x20); }
    static V zip_high(V a, V b) { return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x31); }
    static void load_columns(const T* p, std::int64_t stride, V* r) {
        const V a = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(p + 2 * stride), 1);
        const V b = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p + stride)), _mm_loadu_pd(p + 3 * stride), 1);
        r[0] = _mm256_unpacklo_pd(a, b);
        r[1] = _mm256_unpackhi_pd(a, b);
    }
    static void transpose(V (&r)[lanes]) {
        const V a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
        const V c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
        r[0] = _mm256_permute2f128_pd(a, c, 0x20);
        r[1] = _mm256_permute2f128_pd(b, d, 0x20);
        r[2] = _mm256_permute2f128_pd(a, c, 0x31);
        r[3] = _mm256_permute2f128_pd(b, d, 0x31);
    }
};

struct F32 {
    using T = float;
    using V = __m256;
    static constexpr int lanes = 8;
    static constexpr int registers = 16;
    static constexpr bool fused = true;
    static __m256i first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }

    static V zero() { return _mm256_setzero_ps(); }
    static V set1(T a) { return _mm256_set1_ps(a); }
    static V load(const T* p) { return _mm256_loadu_ps(p); }
    static void store(T* p, V a) { _mm256_storeu_ps(p, a); }
    static V load_n(const T* p, int n) { return _mm256_maskload_ps(p, first(n)); }
    static constexpr bool masks = true;
    using Mask = __m256i;
    static Mask between(int begin, int end) { return _mm256_andnot_si256(first(begin), first(end)); }
    static V load_masked(const T* p, Mask m) { return _mm256_maskload_ps(p, m); }
    static V load_masked(const T* p, Mask m, V otherwise) {
        return _mm256_blendv_ps(otherwise, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
    }
    static void store_n(T* p, V a, int n) { _mm256_maskstore_ps(p, first(n), a); }
    static V add(V a, V b) { return _mm256_add_ps(a, b); }
    static V sub(V a, V b) { return _mm256_sub_ps(a, b); }
    static V mul(V a, V b) { return _mm256_mul_ps(a, b); }
    static V div(V a, V b) { return _mm256_div_ps(a, b); }
    static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
    static V max(V a, V b) { return _mm256_max_ps(a, b); }
    static V min(V a, V b) { return _mm256_min_ps(a, b); }
    static V abs(V a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a); }
    static V copysign(V magnitude, V sign) {
        const V bit = _mm256_set1_ps(-0.0F);
        return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
    }
    static V if_less(V a, V b, V then, V otherwise) { return _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
    static V round(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    static V pow2(V k) {
        const __m256i bits = _mm256_castps_si256(_mm256_add_ps(k, _mm256_set1_ps(0x1.8p23F)));
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(127)), 23));
    }
    static V scale(V a, V k) {
        const V half = round(mul(k, set1(0.5F)));
        return mul(mul(a, pow2(half)), pow2(sub(k, half)));
    }
    static void to_f64(V a, F64::V& low, F64::V& high) {
        low = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
        high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    }
    static V from_f64(F64::V low, F64::V high) {
        return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
    }
    static V sqrt(V a) { return _mm256_sqrt_ps(a); }
    static bool any_nan(V a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)) != 0; }
    static V larger(V first, V second) { return _mm256_max_ps(second, first); }
    using Index = __m256i;
    static Index index_in_groups(int group, int i) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_add_epi32(_mm256_and_si256(lane, _mm256_set1_epi32(-group)), _mm256_set1_epi32(i));
    }
    static V pick(V a, Index index) { return _mm256_permutevar8x32_ps(a, index); }
    static V later(V first, V second) {
        return _mm256_blendv_ps(_mm256_max_ps(second, first), second, _mm256_cmp_ps(second, second, _CMP_UNORD_Q));
    }
    static V even(V a, V b) {
        const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
        return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
    }
    static V odd(V a, V b) {
        const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
        return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
    }
    static V zip_low(V a, V b) { return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20); }
    static V zip_high(V a, V b) { return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31); }
    static void load_columns(const T* p, std::int64_t stride, V* r) {
        const auto halves = [&](const T* q) {  // four columns of rows 0 and 4, counted from q
            return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(q)), _mm_loadu_ps(q + 4 * stride), 1);
        };
        const V a = halves(p), b = halves(p + stride), d = halves(p + 2 * stride), e = halves(p + 3 * stride);
        const __m256d ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), AB = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
        const __m256d de = _mm256_castps_pd(_mm256_unpacklo_ps(d, e)), DE = _mm256_castps_pd(_mm256_unpackhi_ps(d, e));
        r[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, de));
        r[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, de));
        r[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(AB, DE));
        r[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(AB, DE));
    }
    static void transpose(V (&r)[lanes]) {
        V t[8], u[8];
        for (int i = 0; i < 4; ++i) {
            t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for (int i = 0; i < 2; ++i) {  // u[4i+j]: half h holds column 4h+j of rows 4i..4i+3
            for (int j = 0; j < 2; ++j) {
                const __m256d a = _mm256_castps_pd(t[4 * i + j]), b = _mm256_castps_pd(t[4 * i + 2 + j]);
                u[4 * i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
                u[4 * i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
            }
        }
        for (int j = 0; j < 4; ++j) {
            r[j] = _mm256_permute2f128_ps(u[j], u[4 + j], 0x20);
            r[4 + j] = _mm256_permute2f128_ps(u[j], u[4 + j], 0x31);
        }
    }
};

}  // namespace
}  // namespace npconv

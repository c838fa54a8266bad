// SPDX-License-Identifier: BSD-3-Clause
// Vec for NEON (64-bit ARM): 4 floats or 2 doubles in one of 32 registers. The interface is described in simd/README.md.
#pragma once
#include <arm_neon.h>

#include <cstdint>

namespace npconv {
namespace {

struct F64 {
    using T = double;
    using V = float64x2_t;
    static constexpr int lanes = 2;
    static constexpr int registers = 32;
    static constexpr bool fused = true;
    static constexpr bool masks = false;

    static V zero() { return vdupq_n_f64(0.0); }
    static V set1(T a) { return vdupq_n_f64(a); }
    static V load(const T* p) { return vld1q_f64(p); }
    static void store(T* p, V a) { vst1q_f64(p, a); }
    static V load_n(const T* p, int n) { return n == 0 ? zero() : n == 1 ? vsetq_lane_f64(p[0], zero(), 0) : load(p); }
    static void store_n(T* p, V a, int n) {
        if (n == 1) p[0] = vgetq_lane_f64(a, 0);
        if (n == 2) store(p, a);
    }
    static V add(V a, V b) { return vaddq_f64(a, b); }
    static V sub(V a, V b) { return vsubq_f64(a, b); }
    static V mul(V a, V b) { return vmulq_f64(a, b); }
    static V div(V a, V b) { return vdivq_f64(a, b); }
    static V fma(V a, V b, V c) { return vfmaq_f64(c, a, b); }
    static V max(V a, V b) { return vmaxq_f64(a, b); }
    static V min(V a, V b) { return vminq_f64(a, b); }
    static V abs(V a) { return vabsq_f64(a); }
    static V copysign(V magnitude, V sign) { return vbslq_f64(vdupq_n_u64(0x8000000000000000u), sign, magnitude); }
    static V if_less(V a, V b, V then, V otherwise) { return vbslq_f64(vcltq_f64(a, b), then, otherwise); }
    static V round(V a) { return vrndnq_f64(a); }
    static V pow2(V k) { return vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(vcvtq_s64_f64(k), vdupq_n_s64(1023)), 52)); }
    static V scale(V a, V k) {
        const V half = round(mul(k, set1(0.5)));
        return mul(mul(a, pow2(half)), pow2(sub(k, half)));
    }
    static V sqrt(V a) { return vsqrtq_f64(a); }
    static bool any_nan(V a) { return (vgetq_lane_u64(vceqq_f64(a, a), 0) & vgetq_lane_u64(vceqq_f64(a, a), 1)) != ~0ULL; }
    static V larger(V first, V second) { return vbslq_f64(vcgtq_f64(second, first), second, first); }
    static V later(V first, V second) {
        return vbslq_f64(vceqq_f64(second, second), vbslq_f64(vcgtq_f64(second, first), second, first), second);
    }
    static V even(V a, V b) { return vuzp1q_f64(a, b); }
    static V odd(V a, V b) { return vuzp2q_f64(a, b); }
    static V zip_low(V a, V b) { return vzip1q_f64(a, b); }
    static V zip_high(V a, V b) { return vzip2q_f64(a, b); }
    static void transpose(V (&r)[lanes]) {
        const V a = vtrn1q_f64(r[0], r[1]), b = vtrn2q_f64(r[0], r[1]);
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
    using V = float32x4_t;
    static constexpr int lanes = 4;
    static constexpr int registers = 32;
    static constexpr bool fused = true;
    static constexpr bool masks = false;

    static V zero() { return vdupq_n_f32(0.0F); }
    static V set1(T a) { return vdupq_n_f32(a); }
    static V load(const T* p) { return vld1q_f32(p); }
    static void store(T* p, V a) { vst1q_f32(p, a); }
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
    static V add(V a, V b) { return vaddq_f32(a, b); }
    static V sub(V a, V b) { return vsubq_f32(a, b); }
    static V mul(V a, V b) { return vmulq_f32(a, b); }
    static V div(V a, V b) { return vdivq_f32(a, b); }
    static V fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
    static V max(V a, V b) { return vmaxq_f32(a, b); }
    static V min(V a, V b) { return vminq_f32(a, b); }
    static V abs(V a) { return vabsq_f32(a); }
    static V copysign(V magnitude, V sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude); }
    static V if_less(V a, V b, V then, V otherwise) { return vbslq_f32(vcltq_f32(a, b), then, otherwise); }
    static V round(V a) { return vrndnq_f32(a); }
    static V pow2(V k) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(k), vdupq_n_s32(127)), 23)); }
    static V scale(V a, V k) {
        const V half = round(mul(k, set1(0.5F)));
        return mul(mul(a, pow2(half)), pow2(sub(k, half)));
    }
    static void to_f64(V a, F64::V& low, F64::V& high) {
        low = vcvt_f64_f32(vget_low_f32(a));
        high = vcvt_high_f64_f32(a);
    }
    static V from_f64(F64::V low, F64::V high) { return vcvt_high_f32_f64(vcvt_f32_f64(low), high); }
    static V sqrt(V a) { return vsqrtq_f32(a); }
    static bool any_nan(V a) { return vminvq_u32(vceqq_f32(a, a)) != ~0U; }
    static V larger(V first, V second) { return vbslq_f32(vcgtq_f32(second, first), second, first); }
    static V later(V first, V second) {
        return vbslq_f32(vceqq_f32(second, second), vbslq_f32(vcgtq_f32(second, first), second, first), second);
    }
    static V even(V a, V b) { return vuzp1q_f32(a, b); }
    static V odd(V a, V b) { return vuzp2q_f32(a, b); }
    static V zip_low(V a, V b) { return vzip1q_f32(a, b); }
    static V zip_high(V a, V b) { return vzip2q_f32(a, b); }
    static void transpose(V (&r)[lanes]) {
        const V a = vtrn1q_f32(r[0], r[1]), b = vtrn2q_f32(r[0], r[1]);
        const V c = vtrn1q_f32(r[2], r[3]), d = vtrn2q_f32(r[2], r[3]);
        const auto f64 = [](V v) { return vreinterpretq_f64_f32(v); };
        r[0] = vreinterpretq_f32_f64(vtrn1q_f64(f64(a), f64(c)));
        r[1] = vreinterpretq_f32_f64(vtrn1q_f64(f64(b), f64(d)));
        r[2] = vreinterpretq_f32_f64(vtrn2q_f64(f64(a), f64(c)));
        r[3] = vreinterpretq_f32_f64(vtrn2q_f64(f64(b), f64(d)));
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

// SPDX-License-Identifier: BSD-3-Clause
// Activations in place, on a stretch of output that is still in L1. One implementation serves float, double and every instruction set.
//
// Promise: sigmoid, tanh, silu, gelu and gelu_tanh are within 4 ULP of the exact function of the stored value, down to subnormal results,
// in round-to-nearest (measured: below 2.9, over every float in 2^-12..2^7 and samples elsewhere and of double; test_activations.py).
// A NaN stays a NaN. Nothing branches on the data: every lane runs the same instructions, and if_less selects. The sets with FMA agree
// bitwise.
//
// Where accuracy might be lost, and how it is kept:
//   exp        An absolute error of the argument is a relative error of the result. So the argument is an unevaluated sum hi + lo, and is
//              reduced by k ln2 in two pieces (Cody & Waite, Software Manual for the Elementary Functions, 1980). 2^k is multiplied last,
//              so that a subnormal result is rounded once.
//   tanh       -t / (2 + t), t = expm1(-2|x|), which is small where tanh is (Kahan, Branch Cuts, 1987; fdlibm, 1993).
//   gelu       x Phi(x), Phi(-a) = exp(-a^2 / 2) h(a). The scaled Mills ratio h holds no exponential: (a + offset) h(a) is nearly constant,
//              and one polynomial in t = (a - center) / (a + center) serves all a (Shepherd & Laframboise, Chebyshev Approximation of
//              (1 + 2x) exp(x^2) erfc x, Math. Comp. 36, 1981).
//   gelu_tanh  x sigmoid(2u): the same as x (1 + tanh u) / 2 without the cancellation. (Both gelus: Hendrycks & Gimpel, 2016.)
// Sums and products with their errors: Knuth, TAOCP 2, 4.2.2; Dekker 1971; with FMA: Ogita, Rump & Oishi 2005.
//
// Functions that pass a Pair are always_inline: passing it through memory would cost more than the arithmetic.

template <class T>
struct Constants;

// clang-format off
// BEGIN fit_activations.py
template <>
struct Constants<float> {
    static constexpr float splitter = 4097.0F;
    static constexpr float least_exponent = -126.0F;
    static constexpr float minus_log2e = -0x1.715476p0F;
    static constexpr float ln2_high = 0x1.62e4p-1F;
    static constexpr float ln2_low = 0x1.7f7d1cp-20F;
    static constexpr float tanh_limit = 10.0F;
    static constexpr float silu_limit = 110.0F;
    static constexpr float gelu_limit = 15.0F;
    static constexpr float gelu_tanh_limit = 11.0F;
    static constexpr float gelu_tanh_linear = 0x1.988454p0F;
    static constexpr float gelu_tanh_linear_low = -0x1.857936p-25F;
    static constexpr float gelu_tanh_cubic = 0x1.2444f2p-4F;
    static constexpr float gelu_tanh_cubic_low = 0x1.49b16ap-29F;
    static constexpr float mills_center = 0x1.2p2F;
    static constexpr float mills_offset = 0x1.36p0F;
    static constexpr float mills_middle = 0x1.efee24p-2F;
    static constexpr float exp_tail[5] = {  // relative error of exp 2^-26.7
        0x1p-1F,
        -0x1.5554dep-3F,
        0x1.55551ap-5F,
        -0x1.120b62p-7F,
        0x1.6d10fcp-10F,
    };
    static constexpr float mills_slope[10] = {  // of the fraction 2^-27.6
        -0x1.04d0ap-3F,
        0x1.93f866p-5F,
        0x1.4b3d12p-9F,
        -0x1.65b878p-6F,
        0x1.3a8ddep-6F,
        -0x1.3e05e4p-7F,
        0x1.628a74p-9F,
        0x1.d64576p-14F,
        -0x1.9b3d74p-12F,
        -0x1.322158p-15F,
    };
};

template <>
struct Constants<double> {
    static constexpr double splitter = 134217729.0;
    static constexpr double least_exponent = -1022.0;
    static constexpr double minus_log2e = -0x1.71547652b82fep0;
    static constexpr double ln2_high = 0x1.62e42fefa38p-1;
    static constexpr double ln2_low = 0x1.ef35793c7673p-45;
    static constexpr double tanh_limit = 20.0;
    static constexpr double silu_limit = 760.0;
    static constexpr double gelu_limit = 39.0;
    static constexpr double gelu_tanh_limit = 22.0;
    static constexpr double gelu_tanh_linear = 0x1.9884533d43651p0;
    static constexpr double gelu_tanh_linear_low = -0x1.cbc0d30ebfd15p-54;
    static constexpr double gelu_tanh_cubic = 0x1.2444f2a4d8b4bp-4;
    static constexpr double gelu_tanh_cubic_low = -0x1.6c843a29d1c7p-61;
    static constexpr double mills_center = 5.0;
    static constexpr double mills_offset = 0x1.36p0;
    static constexpr double mills_middle = 0x1.e934ef82b3beep-2;
    static constexpr double exp_tail[10] = {  // relative error of exp 2^-55.9
        0x1.0000000000001p-1,
        -0x1.5555555555556p-3,
        0x1.5555555553d68p-5,
        -0x1.11111111109b5p-7,
        0x1.6c16c17889ef1p-10,
        -0x1.a01a01a7c2efep-13,
        0x1.a019b9149a41cp-16,
        -0x1.71de0db2f6b19p-19,
        0x1.28917c89a43a7p-22,
        -0x1.af389ecfc4b9cp-26,
    };
    static constexpr double mills_slope[22] = {  // of the fraction 2^-56.0
        -0x1.f2f20a97df668p-4,
        0x1.c6c487027b92ep-5,
        -0x1.ce9fe2bb006e6p-8,
        -0x1.0b2aa5ac39f1bp-6,
        0x1.41185cc7b3b99p-6,
        -0x1.b2f4b0882a59dp-7,
        0x1.8a8a6ab35599cp-8,
        -0x1.ab3b6676dbb65p-10,
        0x1.2ef5e71d2693fp-15,
        0x1.63a6bf0f3bffp-13,
        -0x1.bffeeda4bf42ep-15,
        -0x1.1d0abbc07e054p-17,
        0x1.270ddd57902a1p-17,
        -0x1.c5e231c774e26p-23,
        -0x1.51dfabaf2a1cep-20,
        0x1.2ebff7ecb2fdp-23,
        0x1.99862b8ee2d1p-23,
        -0x1.a115f7bb2a7f5p-26,
        -0x1.094c90616d177p-25,
        0x1.95e4f3d9092dp-31,
        0x1.0d2f90d5a3a7cp-28,
        0x1.8d663e6b456b8p-31,
    };
};
// END fit_activations.py
// clang-format on

// c[first] + c[first + step] t + c[first + 2 step] t^2 + ...
template <class Vec, int first, int step, int terms>
typename Vec::V horner(const typename Vec::T (&c)[terms], typename Vec::V t) {
    constexpr int last = first + (terms - 1 - first) / step * step;
    typename Vec::V sum = Vec::set1(c[last]);
    for (int i = last - step; i >= first; i -= step) sum = Vec::fma(sum, t, Vec::set1(c[i]));
    return sum;
}

// c[0] + c[1] t + c[2] t^2 + ... A long polynomial has two chains, even and odd powers, because the latency of one chain would bind.
template <class Vec, int terms>
typename Vec::V polynomial(const typename Vec::T (&c)[terms], typename Vec::V t) {
    if constexpr (terms <= 12) {
        return horner<Vec, 0, 1>(c, t);
    } else {
        const auto square = Vec::mul(t, t);
        return Vec::fma(horner<Vec, 1, 2>(c, square), t, horner<Vec, 0, 2>(c, square));
    }
}

// The unevaluated sum hi + lo.
template <class Vec>
struct Pair {
    typename Vec::V hi, lo;
};

// a + b exactly.
template <class Vec>
[[gnu::always_inline]] inline Pair<Vec> two_sum(typename Vec::V a, typename Vec::V b) {
    const auto sum = Vec::add(a, b);
    const auto b_part = Vec::sub(sum, a), a_part = Vec::sub(sum, b_part);
    return {sum, Vec::add(Vec::sub(a, a_part), Vec::sub(b, b_part))};
}

// a + b exactly where |a| >= |b|.
template <class Vec>
[[gnu::always_inline]] inline Pair<Vec> fast_two_sum(typename Vec::V a, typename Vec::V b) {
    const auto sum = Vec::add(a, b);
    return {sum, Vec::sub(b, Vec::sub(sum, a))};
}

// a as a sum of two halves whose products are exact (Veltkamp 1968).
template <class Vec>
[[gnu::always_inline]] inline Pair<Vec> split(typename Vec::V a) {
    const auto scaled = Vec::mul(a, Vec::set1(Constants<typename Vec::T>::splitter));
    const auto high = Vec::sub(scaled, Vec::sub(scaled, a));
    return {high, Vec::sub(a, high)};
}

// a * b exactly, unless the low part underflows.
template <class Vec>
[[gnu::always_inline]] inline Pair<Vec> two_product(typename Vec::V a, typename Vec::V b) {
    const auto product = Vec::mul(a, b);
    if constexpr (Vec::fused) {
        return {product, Vec::fma(a, b, Vec::sub(Vec::zero(), product))};
    } else {
        const Pair<Vec> x = split<Vec>(a), y = split<Vec>(b);
        auto error = Vec::sub(Vec::mul(x.hi, y.hi), product);
        error = Vec::add(error, Vec::mul(x.hi, y.lo));
        error = Vec::add(error, Vec::mul(x.lo, y.hi));
        return {product, Vec::add(error, Vec::mul(x.lo, y.lo))};
    }
}

// e^-(hi + lo) = (1 + expm1) 2^k, |expm1| < 0.42. Callers multiply by 1 + expm1 with an fma, in one rounding.
template <class Vec>
struct ReducedExp {
    typename Vec::V expm1, k;
};

template <class Vec>
[[gnu::always_inline]] inline ReducedExp<Vec> exp_minus(Pair<Vec> x) {
    using C = Constants<typename Vec::T>;
    const auto k = Vec::round(Vec::mul(x.hi, Vec::set1(C::minus_log2e)));
    const auto high = Vec::fma(k, Vec::set1(C::ln2_high), x.hi);  // exact, with and without FMA
    const auto low = Vec::fma(k, Vec::set1(C::ln2_low), x.lo);
    const auto r = Vec::add(high, low);
    const auto excess = Vec::sub(Vec::sub(r, high), low);  // r is too large by this, so e^-r is too small by it, to first order
    const auto tail = Vec::fma(Vec::mul(r, r), polynomial<Vec>(C::exp_tail, r), excess);
    return {Vec::sub(tail, r), k};
}

// min(|x|, limit). Beyond the limit the function is 0 or x in this precision, and intermediate values might overflow.
template <class Vec>
typename Vec::V magnitude(typename Vec::V x, typename Vec::T limit) {
    return Vec::min(Vec::set1(limit), Vec::abs(x));
}

// max(x, -a).
template <class Vec>
typename Vec::V limited_below(typename Vec::V x, typename Vec::V a) {
    return Vec::if_less(x, Vec::zero(), Vec::sub(Vec::zero(), a), x);
}

// weight * sigmoid(z), where |z| = hi + lo and z has the sign of x: weight / (1 + e^-|z|), times e^-|z| where x < 0.
template <class Vec>
[[gnu::always_inline]] inline typename Vec::V times_sigmoid(typename Vec::V weight, typename Vec::V x, Pair<Vec> abs_z) {
    const auto zero = Vec::zero(), one = Vec::set1(1);
    const ReducedExp<Vec> e = exp_minus<Vec>(abs_z);
    const auto power = Vec::pow2(Vec::max(Vec::set1(Constants<typename Vec::T>::least_exponent), e.k));  // in the sum any tiny one will do
    const auto denominator = Vec::add(one, Vec::fma(power, e.expm1, power));
    const auto numerator = Vec::if_less(x, zero, Vec::fma(weight, e.expm1, weight), weight);
    return Vec::scale(Vec::div(numerator, denominator), Vec::if_less(x, zero, e.k, zero));
}

template <class Vec>
typename Vec::V sigmoid(typename Vec::V x) {
    const auto a = magnitude<Vec>(x, Constants<typename Vec::T>::silu_limit);
    return times_sigmoid<Vec>(Vec::set1(1), x, {a, Vec::zero()});
}

template <class Vec>
typename Vec::V silu(typename Vec::V x) {
    const auto a = magnitude<Vec>(x, Constants<typename Vec::T>::silu_limit);
    return times_sigmoid<Vec>(limited_below<Vec>(x, a), x, {a, Vec::zero()});
}

// |z| = sqrt(8 / pi) (a + 0.044715 a^3) = a (linear + cubic a^2), to twice the precision.
template <class Vec>
typename Vec::V gelu_tanh(typename Vec::V x) {
    using C = Constants<typename Vec::T>;
    const auto a = magnitude<Vec>(x, C::gelu_tanh_limit);
    const auto cubic = Vec::set1(C::gelu_tanh_cubic);
    const Pair<Vec> square = two_product<Vec>(a, a);
    const Pair<Vec> product = two_product<Vec>(cubic, square.hi);
    const Pair<Vec> sum = two_sum<Vec>(Vec::set1(C::gelu_tanh_linear), product.hi);
    auto low = Vec::add(Vec::add(product.lo, sum.lo), Vec::set1(C::gelu_tanh_linear_low));
    low = Vec::fma(cubic, square.lo, low);
    low = Vec::fma(Vec::set1(C::gelu_tanh_cubic_low), square.hi, low);
    const Pair<Vec> z = two_product<Vec>(a, sum.hi);
    return times_sigmoid<Vec>(limited_below<Vec>(x, a), x, {z.hi, Vec::fma(a, low, z.lo)});
}

// max(x, 0) + gelu(-|x|), where gelu(-a) = -a exp(-a^2 / 2) C(t) / (a + offset), C(t) = middle + t slope(t). A correction compensates for
// the rounding of numerator, denominator and quotient: these errors could reach 3.9 ULP.
template <class Vec>
typename Vec::V gelu(typename Vec::V x) {
    using C = Constants<typename Vec::T>;
    const auto zero = Vec::zero(), half = Vec::set1(typename Vec::T(0.5));
    const auto a = magnitude<Vec>(x, C::gelu_limit);
    const Pair<Vec> square = two_product<Vec>(a, a);
    const ReducedExp<Vec> e = exp_minus<Vec>({Vec::mul(half, square.hi), Vec::mul(half, square.lo)});

    const auto center = Vec::set1(C::mills_center), middle = Vec::set1(C::mills_middle), offset = Vec::set1(C::mills_offset);
    const auto t = Vec::div(Vec::sub(a, center), Vec::add(a, center));
    const auto rise = Vec::mul(t, polynomial<Vec>(C::mills_slope, t));
    const auto rest = Vec::fma(Vec::add(middle, rise), e.expm1, rise);  // C(t) (1 + expm1) = middle + rest
    const Pair<Vec> numerator = fast_two_sum<Vec>(middle, rest);
    const Pair<Vec> denominator = fast_two_sum<Vec>(offset, a);  // exact for a > offset too, because offset has few bits

    const auto minus_inverse = Vec::div(Vec::set1(-1), denominator.hi);
    const auto minus_phi = Vec::mul(numerator.hi, minus_inverse);  // -Phi(-a) 2^-k
    const auto remainder = Vec::add(Vec::fma(minus_phi, denominator.hi, numerator.hi), Vec::fma(minus_phi, denominator.lo, numerator.lo));
    const auto correction = Vec::mul(a, Vec::mul(remainder, minus_inverse));
    return Vec::add(Vec::if_less(x, zero, zero, x), Vec::scale(Vec::fma(a, minus_phi, correction), e.k));
}

template <class Vec>
typename Vec::V tanh(typename Vec::V x) {
    const auto a = magnitude<Vec>(x, Constants<typename Vec::T>::tanh_limit);
    const ReducedExp<Vec> e = exp_minus<Vec>({Vec::add(a, a), Vec::zero()});
    const auto power = Vec::pow2(e.k);
    const auto t = Vec::fma(power, e.expm1, Vec::sub(power, Vec::set1(1)));
    return Vec::copysign(Vec::div(t, Vec::add(Vec::set1(2), t)), x);
}

template <class Vec>
typename Vec::V hardswish(typename Vec::V x) {
    const auto u = Vec::max(Vec::set1(-3), x);
    const auto six = Vec::set1(6);
    return Vec::mul(u, Vec::div(Vec::min(six, Vec::add(u, Vec::set1(3))), six));
}

template <class Vec, class F>
void for_each_vector(typename Vec::T* values, long long n, F f) {
    for (long long i = 0; i < n; i += Vec::lanes) {
        const bool whole = n - i >= Vec::lanes;
        const int count = whole ? Vec::lanes : static_cast<int>(n - i);
        const auto y = f(whole ? Vec::load(values + i) : Vec::load_n(values + i, count));
        if (whole) {
            Vec::store(values + i, y);
        } else {
            Vec::store_n(values + i, y, count);
        }
    }
}

// a, b: the limits of clip; a: the slope of leaky_relu.
template <class Vec>
void activate(Activation kind, typename Vec::T a, typename Vec::T b, typename Vec::T* values, long long n) {
    using V = typename Vec::V;
    switch (kind) {
        case Activation::none: return;
        case Activation::clip: {
            const V low = Vec::set1(a), high = Vec::set1(b);
            return for_each_vector<Vec>(values, n, [=](V x) { return Vec::min(high, Vec::max(low, x)); });
        }
        case Activation::leaky_relu: {
            const V slope = Vec::set1(a);
            return for_each_vector<Vec>(values, n, [=](V x) { return Vec::if_less(x, Vec::zero(), Vec::mul(slope, x), x); });
        }
        case Activation::sigmoid: return for_each_vector<Vec>(values, n, [](V x) { return sigmoid<Vec>(x); });
        case Activation::tanh: return for_each_vector<Vec>(values, n, [](V x) { return tanh<Vec>(x); });
        case Activation::silu: return for_each_vector<Vec>(values, n, [](V x) { return silu<Vec>(x); });
        case Activation::hardswish: return for_each_vector<Vec>(values, n, [](V x) { return hardswish<Vec>(x); });
        case Activation::gelu: return for_each_vector<Vec>(values, n, [](V x) { return gelu<Vec>(x); });
        case Activation::gelu_tanh: return for_each_vector<Vec>(values, n, [](V x) { return gelu_tanh<Vec>(x); });
    }
}

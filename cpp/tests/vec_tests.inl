// SPDX-License-Identifier: BSD-3-Clause
// Every member of Vec as simd/README.md describes it, for the header that a shim (test_vec_*.cpp) has included. No library header with
// inline code may come in here: such a function, compiled for AVX-512, could be the copy that the linker keeps.
#include "simd/integers.hpp"
#include "vec_tests.hpp"

namespace npconv::test {
namespace {

template <class Vec>
struct Lanes {
    typename Vec::T of[Vec::lanes];
    Lanes() = default;
    explicit Lanes(typename Vec::V v) { Vec::store(of, v); }
    typename Vec::V vector() const { return Vec::load(of); }
};

// value(lane) in each lane
template <class Vec, class F>
Lanes<Vec> each(F value) {
    Lanes<Vec> l;
    for (int i = 0; i < Vec::lanes; ++i) l.of[i] = static_cast<typename Vec::T>(value(i));
    return l;
}

// The lanes of v are expected(lane), signs of zeros apart; NaN where NaN is expected.
template <class Vec, class F>
void expect(const VecContext& c, const char* what, typename Vec::V v, F expected) {
    const Lanes<Vec> got(v);
    for (int i = 0; i < Vec::lanes; ++i) {
        const auto e = static_cast<typename Vec::T>(expected(i));
        if (!(got.of[i] == e || (got.of[i] != got.of[i] && e != e)))
            c.fail(c.sink, what, i, static_cast<double>(got.of[i]), static_cast<double>(e));
    }
}

constexpr double huge = __builtin_huge_val();
constexpr double nan = __builtin_nan("");

// Ordinary and special values, a different one in each lane for each turn.
constexpr double values[] = {1.5, -2.25, 0.0, -0.0, 3e-39, huge, -huge, nan, 7.0, -0.1, 1e30, -1e-30, 0.5, 2.5, 1e-3, -1234.5, 3.5};
constexpr int turns = sizeof(values) / sizeof(values[0]);
constexpr double value_of(int i) { return values[i % turns]; }

template <class Vec>
void load_and_store(const VecContext& c) {
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    expect<Vec>(c, "zero", Vec::zero(), [](int) { return 0; });
    expect<Vec>(c, "set1", Vec::set1(T(2.5)), [](int) { return 2.5; });
    T* const ends[] = {reinterpret_cast<T*>(c.before_guard), reinterpret_cast<T*>(c.after_guard)};
    for (int n = 0; n <= L; ++n) {
        for (int side = 0; side < 2; ++side) {
            T* p = side == 0 ? ends[0] - n : ends[1];
            for (int i = 0; i < n; ++i) p[i] = T(i + 1);
            expect<Vec>(c, "load_n", Vec::load_n(p, n), [n](int i) { return i < n ? i + 1 : 0; });
            // Around what store_n may write stands -1, where there is memory.
            T* from = side == 0 ? p - 1 : p;
            for (int i = 0; i <= n; ++i) from[i] = T(-1);
            Vec::store_n(p, each<Vec>([](int i) { return 10 * i; }).vector(), n);
            for (int i = 0; i < n; ++i) {
                if (p[i] != T(10 * i)) c.fail(c.sink, "store_n", i, static_cast<double>(p[i]), 10 * i);
            }
            T* beside = side == 0 ? p - 1 : p + n;
            if (*beside != T(-1)) c.fail(c.sink, "store_n beside its lanes", n, static_cast<double>(*beside), -1);
        }
    }
    for (int shift = 1; shift <= L; ++shift) {  // any alignment
        T* p = ends[0] - L - shift;
        Vec::store(p, each<Vec>([](int i) { return i; }).vector());
        expect<Vec>(c, "load", Vec::load(p), [](int i) { return i; });
    }
}

template <class Vec>
void arithmetic(const VecContext& c) {
    using T = typename Vec::T;
    for (int t = 0; t < turns; ++t) {
        for (int u = 0; u < turns; ++u) {
            const Lanes<Vec> a = each<Vec>([t](int i) { return value_of(i + t); });
            const Lanes<Vec> b = each<Vec>([t, u](int i) { return value_of(i + t + u); });
            const Lanes<Vec> d = each<Vec>([t](int i) { return value_of(3 * i + t); });
            const auto va = a.vector(), vb = b.vector(), vd = d.vector();
            expect<Vec>(c, "add", Vec::add(va, vb), [&](int i) { return a.of[i] + b.of[i]; });
            expect<Vec>(c, "sub", Vec::sub(va, vb), [&](int i) { return a.of[i] - b.of[i]; });
            expect<Vec>(c, "mul", Vec::mul(va, vb), [&](int i) { return a.of[i] * b.of[i]; });
            expect<Vec>(c, "div", Vec::div(va, vb), [&](int i) { return a.of[i] / b.of[i]; });
            expect<Vec>(c, "abs", Vec::abs(va), [&](int i) { return a.of[i] < 0 ? -a.of[i] : a.of[i]; });
            expect<Vec>(c, "max", Vec::max(va, vb), [&](int i) {
                return b.of[i] != b.of[i]   ? T(nan)
                       : a.of[i] != a.of[i] ? Lanes<Vec>(Vec::max(va, vb)).of[i]
                       : a.of[i] > b.of[i]  ? a.of[i]
                                            : b.of[i];
            });
            expect<Vec>(c, "min", Vec::min(va, vb), [&](int i) {
                return b.of[i] != b.of[i]   ? T(nan)
                       : a.of[i] != a.of[i] ? Lanes<Vec>(Vec::min(va, vb)).of[i]
                       : a.of[i] < b.of[i]  ? a.of[i]
                                            : b.of[i];
            });
            expect<Vec>(c, "if_less", Vec::if_less(va, vb, vd, Vec::set1(T(42))),
                        [&](int i) { return a.of[i] < b.of[i] ? d.of[i] : T(42); });
            const Lanes<Vec> signs(Vec::copysign(va, vb));
            for (int i = 0; i < Vec::lanes; ++i) {
                const bool negative = __builtin_signbit(signs.of[i]) != 0, wanted = __builtin_signbit(b.of[i]) != 0;
                if (negative != wanted) c.fail(c.sink, "sign of copysign", i, negative, wanted);
            }
            expect<Vec>(c, "magnitude of copysign", Vec::abs(signs.vector()), [&](int i) { return a.of[i] < 0 ? -a.of[i] : a.of[i]; });
        }
    }
}

// One rounding or two: (1 + e)(1 - e) - 1 is -e^2 in one.
template <class Vec>
void multiply_add(const VecContext& c) {
    using T = typename Vec::T;
    const T e = sizeof(T) == 4 ? T(0x1p-20) : T(0x1p-40);
    expect<Vec>(c, "fma", Vec::fma(Vec::set1(1 + e), Vec::set1(1 - e), Vec::set1(-1)), [e](int) { return Vec::fused ? -e * e : T(0); });
    expect<Vec>(c, "fma", Vec::fma(Vec::set1(3), each<Vec>([](int i) { return i; }).vector(), Vec::set1(T(0.5))),
                [](int i) { return 3 * i + 0.5; });
}

template <class Vec>
void rounding(const VecContext& c) {
    using T = typename Vec::T;
    const double limit = sizeof(T) == 4 ? 0x1p21 : 0x1p50;
    for (double scale = 1; scale < limit; scale *= 8) {
        for (int eighths = -80; eighths < 80; eighths += Vec::lanes) {
            const auto at = [=](int i) { return static_cast<T>(scale + 0.125 * (eighths + i)) * T(eighths % 3 ? 1 : -1); };
            expect<Vec>(c, "round", Vec::round(each<Vec>(at).vector()), [&](int i) { return __builtin_rint(static_cast<double>(at(i))); });
        }
    }
}

template <class Vec>
void powers(const VecContext& c) {
    const int bias = sizeof(typename Vec::T) == 4 ? 127 : 1023;
    for (int k = 1 - bias; k + Vec::lanes - 1 <= bias; ++k) {
        expect<Vec>(c, "pow2", Vec::pow2(each<Vec>([k](int i) { return k + i; }).vector()),
                    [k](int i) { return __builtin_ldexp(1, k + i); });
    }
    // scale(a, k) = a 2^k in one rounding: into overflow, and into the subnormals.
    for (int k = -bias - 60; k < bias + 4; ++k) {
        const Lanes<Vec> a = each<Vec>([](int i) { return (1 + 0.123456789012345678 * (i + 1) / Vec::lanes) * (i % 2 ? 1 : -1); });
        const auto exponent = each<Vec>([k](int i) { return k + i % 3; });
        expect<Vec>(c, "scale", Vec::scale(a.vector(), exponent.vector()), [&](int i) {
            if constexpr (sizeof(a.of[0]) == 4)
                return __builtin_ldexpf(a.of[i], k + i % 3);
            else
                return __builtin_ldexp(a.of[i], k + i % 3);
        });
    }
}

template <class Vec>
void transposition(const VecContext& c) {
    typename Vec::V rows[Vec::lanes];
    for (int r = 0; r < Vec::lanes; ++r) rows[r] = each<Vec>([r](int i) { return 100 * r + i; }).vector();
    Vec::transpose(rows);
    for (int r = 0; r < Vec::lanes; ++r) expect<Vec>(c, "transpose", rows[r], [r](int i) { return 100 * i + r; });
    typename Vec::T memory[Vec::lanes * (Vec::lanes + 3)];
    for (int i = 0; i < Vec::lanes * (Vec::lanes + 3); ++i) memory[i] = static_cast<typename Vec::T>(i);
    constexpr int columns = 16 / static_cast<int>(sizeof(typename Vec::T));
    Vec::load_columns(memory + 1, Vec::lanes + 1, rows);
    for (int r = 0; r < columns; ++r) expect<Vec>(c, "load_columns", rows[r], [r](int i) { return (Vec::lanes + 1) * i + r + 1; });
    if constexpr (requires(const typename Vec::T* p) { Vec::load_transposed(p, 0, rows); }) {
        Vec::load_transposed(memory, Vec::lanes + 3, rows);
        for (int r = 0; r < Vec::lanes; ++r) expect<Vec>(c, "load_transposed", rows[r], [r](int i) { return (Vec::lanes + 3) * i + r; });
    }
    const auto low = each<Vec>([](int i) { return i; }).vector(), high = each<Vec>([](int i) { return Vec::lanes + i; }).vector();
    expect<Vec>(c, "even", Vec::even(low, high), [](int i) { return 2 * i; });
    expect<Vec>(c, "odd", Vec::odd(low, high), [](int i) { return 2 * i + 1; });
    if constexpr (requires { Vec::shift_up(low, high); }) {
        expect<Vec>(c, "shift_up", Vec::shift_up(low, high), [](int i) { return Vec::lanes - 1 + i; });
        expect<Vec>(c, "shift_down", Vec::shift_down(low, high), [](int i) { return i + 1; });
    }
    const auto turn = [](int i) { return i / 2 + (i % 2) * Vec::lanes; };
    expect<Vec>(c, "zip_low", Vec::zip_low(low, high), turn);
    expect<Vec>(c, "zip_high", Vec::zip_high(low, high), [&](int i) { return turn(i) + Vec::lanes / 2; });
}

// The later of two that is greater or NaN, else the earlier, bit for bit: -0 and 0 are equal.
template <class Vec>
void order(const VecContext& c) {
    using T = typename Vec::T;
    for (int t = 0; t < turns; ++t) {
        for (int u = 0; u < turns; ++u) {
            const Lanes<Vec> a = each<Vec>([t](int i) { return value_of(i + t); });
            const Lanes<Vec> b = each<Vec>([t, u](int i) { return value_of(i + t + u); });
            const auto wanted = [&](int i) { return b.of[i] > a.of[i] || b.of[i] != b.of[i] ? b.of[i] : a.of[i]; };
            const auto v = Vec::later(a.vector(), b.vector());
            expect<Vec>(c, "later", v, wanted);
            const Lanes<Vec> got(v), larger(Vec::larger(a.vector(), b.vector()));
            bool one = false;
            for (int i = 0; i < Vec::lanes; ++i) {
                one |= a.of[i] != a.of[i];
                const T w = wanted(i);
                if (__builtin_signbit(got.of[i]) != __builtin_signbit(w) && w == w) c.fail(c.sink, "sign of later", i, 0, 1);
                const bool ordered = a.of[i] == a.of[i] && b.of[i] == b.of[i];
                if (ordered && (larger.of[i] != w || __builtin_signbit(larger.of[i]) != __builtin_signbit(w)))
                    c.fail(c.sink, "larger", i, static_cast<double>(larger.of[i]), static_cast<double>(w));
            }
            if (Vec::any_nan(a.vector()) != one) c.fail(c.sink, "any_nan", t, !one, one);
        }
    }
    expect<Vec>(c, "sqrt", Vec::sqrt(each<Vec>([](int i) { return i * i; }).vector()), [](int i) { return i; });
}

template <class Vec>
void masked(const VecContext& c) {
    if constexpr (Vec::masks) {
        using T = typename Vec::T;
        constexpr int L = Vec::lanes;
        for (int begin = 0; begin <= L; ++begin) {
            for (int end = begin; end <= L; ++end) {
                for (int side = 0; side < 2; ++side) {  // what is masked may lie beyond the page, on either side
                    T* p = side == 0 ? reinterpret_cast<T*>(c.before_guard) - end : reinterpret_cast<T*>(c.after_guard) - begin;
                    for (int i = begin; i < end; ++i) p[i] = T(i + 1);
                    expect<Vec>(c, "load_masked", Vec::load_masked(p, Vec::between(begin, end), Vec::set1(T(-7))),
                                [=](int i) { return i >= begin && i < end ? i + 1 : -7; });
                    expect<Vec>(c, "load_masked", Vec::load_masked(p, Vec::between(begin, end)),
                                [=](int i) { return i >= begin && i < end ? i + 1 : 0; });
                }
            }
        }
    }
}

// Integers of the same width as a vector of F32.
template <class Element>
void integers(const VecContext& c) {
    using Vec = IntegerVec<Element>;
    constexpr int L = Vec::lanes;
    Element a[L], b[L], got[L];
    for (int i = 0; i < L; ++i) {
        a[i] = static_cast<Element>(37 * i - 90);
        b[i] = static_cast<Element>(150 - 61 * i);
    }
    const auto check = [&](const char* what, typename Vec::V v, auto wanted) {
        Vec::store(got, v);
        for (int i = 0; i < L; ++i) {
            if (got[i] != wanted(i)) c.fail(c.sink, what, i, static_cast<double>(got[i]), static_cast<double>(wanted(i)));
        }
    };
    const auto va = Vec::load(a), vb = Vec::load(b);
    check("set1", Vec::set1(Element(-5)), [](int) { return Element(-5); });
    check("later", Vec::later(va, vb), [&](int i) { return b[i] > a[i] ? b[i] : a[i]; });
    check("even", Vec::even(va, vb), [&](int i) { return i < L / 2 ? a[2 * i] : b[2 * i - L]; });
    check("odd", Vec::odd(va, vb), [&](int i) { return i < L / 2 ? a[2 * i + 1] : b[2 * i + 1 - L]; });
    for (int n = 0; n <= L; ++n) {
        Element* p = reinterpret_cast<Element*>(c.before_guard) - n;
        Vec::store_n(p, va, n);
        check("load_n", Vec::load_n(p, n), [&](int i) { return i < n ? a[i] : Element(0); });
    }
}

void conversion(const VecContext& c) {
    const Lanes<F32> a = each<F32>([](int i) { return 0.1F + static_cast<float>(i); });
    F64::V low, high;
    F32::to_f64(a.vector(), low, high);
    expect<F64>(c, "to_f64, low", low, [&](int i) { return static_cast<double>(a.of[i]); });
    expect<F64>(c, "to_f64, high", high, [&](int i) { return static_cast<double>(a.of[F64::lanes + i]); });
    expect<F32>(c, "from_f64 of to_f64", F32::from_f64(low, high), [&](int i) { return a.of[i]; });
    const auto third = F64::set1(1.0 / 3);
    expect<F32>(c, "from_f64 rounds", F32::from_f64(third, F64::set1(1e300)),
                [](int i) { return i < F64::lanes ? 1.0F / 3 : static_cast<float>(huge); });
}

constinit const VecTest tests[] = {
    {"float32 load_and_store", &load_and_store<F32>},
    {"float64 load_and_store", &load_and_store<F64>},
    {"float32 arithmetic", &arithmetic<F32>},
    {"float64 arithmetic", &arithmetic<F64>},
    {"float32 multiply_add", &multiply_add<F32>},
    {"float64 multiply_add", &multiply_add<F64>},
    {"float32 rounding", &rounding<F32>},
    {"float64 rounding", &rounding<F64>},
    {"float32 powers", &powers<F32>},
    {"float64 powers", &powers<F64>},
    {"float32 transposition", &transposition<F32>},
    {"float64 transposition", &transposition<F64>},
    {"conversion", &conversion},
    {"float32 order", &order<F32>},
    {"float64 order", &order<F64>},
    {"float32 masked", &masked<F32>},
    {"float64 masked", &masked<F64>},
    {"int8", &integers<signed char>},
    {"uint8", &integers<unsigned char>},
    {"int16", &integers<short>},
    {"int32", &integers<int>},
    {"int64", &integers<long>},
};

}  // namespace

constinit const VecTests NPCONV_VEC_TESTS = {NPCONV_ISA_NAME, tests, sizeof(tests) / sizeof(tests[0])};

}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// The activations of every kernel set against long double: within 4 ULP, NaN kept, limits at infinity, nothing touched beside the output.
// The wide sweeps are in tests/test_activations.py; this one also runs where there is no Python: on ARM under qemu.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "compare.hpp"
#include "guarded.hpp"

namespace npconv::test {
namespace {

using Wide = long double;

Wide sigmoid(Wide v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); }

Wide exact(Activation kind, Wide v, Wide a) {
    const Wide pi = 3.14159265358979323846264338327950288L;
    if (v == -std::numeric_limits<Wide>::infinity() && kind >= Activation::silu) return 0;
    switch (kind) {
        case Activation::leaky_relu: return v < 0 ? a * v : v;
        case Activation::sigmoid: return sigmoid(v);
        case Activation::tanh: return std::tanh(v);
        case Activation::silu: return v * sigmoid(v);
        case Activation::hardswish: return v * std::clamp<Wide>(v + 3, 0, 6) / 6;
        case Activation::gelu: return v * std::erfc(-v / std::sqrt(Wide(2))) / 2;
        case Activation::gelu_tanh: return v * sigmoid(2 * std::sqrt(2 / pi) * (v + Wide(0.044715L) * v * v * v));
        default: return v;
    }
}

// The distance between T's neighbours at v.
template <class T>
Wide ulp(Wide v) {
    using Limits = std::numeric_limits<T>;
    const int exponent = v == 0 ? Limits::min_exponent : std::max(std::ilogb(v) + 1, Limits::min_exponent);
    return std::ldexp(Wide(1), exponent - Limits::digits);
}

// Both signs of: zero, the smallest numbers, every binade up to the largest, the stretch where the functions bend.
template <class T>
std::vector<T> arguments() {
    using Limits = std::numeric_limits<T>;
    std::vector<T> values = {T(0), Limits::denorm_min(), Limits::min(), Limits::max()};
    Random random(1);
    for (int e = Limits::min_exponent; e < Limits::max_exponent; ++e) values.push_back(std::ldexp(T(1) + std::fabs(random.real<T>()), e));
    for (int i = 0; i < 4000; ++i) values.push_back(random.real<T>() * T(i % 2 ? 4 : 40));
    for (T limit : {T(3), T(10), T(15), T(88), T(104), T(110), T(709), T(746)}) values.push_back(limit);
    const std::vector<T> positive = values;
    for (const T v : positive) values.push_back(-v);
    return values;
}

constexpr Activation kinds[] = {Activation::leaky_relu, Activation::sigmoid, Activation::tanh,     Activation::silu,
                                Activation::hardswish,  Activation::gelu,    Activation::gelu_tanh};

// n pixels of one channel, whose sums stand in the first lanes of as many vectors.
template <class T>
PixelSums<T> one_channel(const Kernels<T>& kernels, const T* sums, std::int64_t n, T* y, Activation kind) {
    PixelSums<T> t{};
    t.sums = sums;
    t.stride = kernels.lanes;
    t.pixels = n;
    t.output.y = y;
    t.output.y_stride = n;
    t.output.channels = 1;
    t.output.activation = kind;
    t.output.a = T(0.01);
    return t;
}

template <class T>
class Activations : public ::testing::Test {};
TYPED_TEST_SUITE(Activations, Elements);

TYPED_TEST(Activations, WithinFourUlp) {
    using T = TypeParam;
    const std::vector<T> x = arguments<T>();
    const auto n = static_cast<std::int64_t>(x.size());
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        std::vector<T> sums(x.size() * static_cast<std::size_t>(kernels.lanes)), y(x.size());
        for (std::size_t i = 0; i < x.size(); ++i) sums[i * static_cast<std::size_t>(kernels.lanes)] = x[i];
        for (const Activation kind : kinds) {
            kernels.transpose_sums(one_channel(kernels, sums.data(), n, y.data(), kind));
            Wide worst = 0;
            T where = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const Wide e = exact(kind, x[i], T(0.01));
                Wide error = std::fabs(y[i] - e) / ulp<T>(e);
                if (std::isnan(y[i])) error = std::numeric_limits<Wide>::infinity();
                if (error > worst) {
                    worst = error;
                    where = x[i];
                }
            }
            EXPECT_LE(worst, 4) << "activation " << static_cast<int>(kind) << " at " << ::testing::PrintToString(where);
        }
    });
}

TYPED_TEST(Activations, NaNIsKeptAndLimitsAtInfinity) {
    using T = TypeParam;
    constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (const T x : {nan, infinity, -infinity}) {
            const std::vector<T> sums(static_cast<std::size_t>(kernels.lanes), x);
            for (const Activation kind : kinds) {
                T y = 0;
                kernels.transpose_sums(one_channel(kernels, sums.data(), 1, &y, kind));
                T expected = x;  // NaN, and infinity where nothing bounds it
                if (kind == Activation::sigmoid && x == x) expected = x > 0 ? T(1) : T(0);
                if (kind == Activation::tanh && x == x) expected = x > 0 ? T(1) : T(-1);
                if (kind >= Activation::silu && x < 0) expected = T(0);
                EXPECT_TRUE(same(std::fabs(y), std::fabs(expected)) && !(y * expected < 0))
                    << "activation " << static_cast<int>(kind) << " of " << x << " is " << y;
            }
        }
    });
}

// They work in place on the output just written: its end may be the end of the memory.
TYPED_TEST(Activations, StayBetweenGuardPages) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (const GuardPages side : guard_sides) {
            for (std::int64_t n = 1; n <= 2 * kernels.lanes + 1; ++n) {
                Guarded<T> sums(n * kernels.lanes, side), y(n, side);
                std::fill(sums.begin(), sums.end(), T(-1.5));
                for (const Activation kind : kinds) {
                    std::fill(y.begin(), y.end(), T(9));
                    PixelSums<T> t = one_channel(kernels, sums.data(), n, y.data(), kind);
                    kernels.transpose_sums(t);
                    const T first = y[0];
                    EXPECT_LE(first, T(0.2));
                    EXPECT_EQ(std::count(y.begin(), y.end(), first), n);
                    std::fill(y.begin(), y.end(), T(9));
                    t.output.y_stride = 1;  // n channels of one pixel
                    t.output.channels = n;
                    t.pixels = 1;
                    kernels.transpose_sums(t);
                    EXPECT_EQ(std::count(y.begin(), y.end(), first), n);
                    EXPECT_TRUE(y.canaries_intact());
                }
            }
        }
    });
}

}  // namespace
}  // namespace npconv::test

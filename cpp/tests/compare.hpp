// SPDX-License-Identifier: BSD-3-Clause
// Comparison bit by bit, random numbers, and the kernel sets of this machine: what the tests of kernels share.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>

#include "kernels/registry.hpp"

namespace npconv::test {

using Elements = ::testing::Types<float, double>;

// Equal bits, or both NaN.
template <class T>
bool same(T a, T b) {
    return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}

template <class T>
::testing::AssertionResult same(const T* got, const T* expected, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
        if (!same(got[i], expected[i])) {
            return ::testing::AssertionFailure() << "element " << i << " of " << n << " is " << ::testing::PrintToString(got[i])
                                                 << ", expected " << ::testing::PrintToString(expected[i]);
        }
    }
    return ::testing::AssertionSuccess();
}

// Reproducible everywhere: the engines of <random> are specified, its distributions are not.
class Random {
  public:
    explicit Random(std::uint32_t seed) : engine_(seed) {}
    // From low to high, both included.
    std::int64_t integer(std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
    }
    template <class T>
    T small_integer() {  // sums of products of these are exact in float for any k in the tests
        return static_cast<T>(integer(-8, 8));
    }
    template <class T>
    T real() {  // in -1..1, all bits of the significand in use, never 0
        const T r = std::ldexp(static_cast<T>(engine_() >> 11) + T(0.5), -53);
        return engine_() & 1 ? r : -r;
    }

  private:
    std::mt19937_64 engine_;
};

// Of the entries of an operation that for T.
template <class T, class Entry, std::size_t N>
const Entry& entry_of(const Entry (&entries)[N]) {
    for (const Entry& e : entries) {
        if (e.types == all_of(dtype_of_type<T>())) return e;
    }
    throw std::logic_error("no entry");
}

// Calls f(kernels of T) for each kernel set that this machine can run.
template <class T, class F>
void for_each_set(const F& f) {
    int sets = 0;
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        SCOPED_TRACE(std::string(set.table->isa) + (sizeof(T) == 4 ? " float32" : " float64"));
        f(*set.table, kernels_of<T>(*set.table));
        ++sets;
    }
    EXPECT_GE(sets, 1);
}

}  // namespace npconv::test

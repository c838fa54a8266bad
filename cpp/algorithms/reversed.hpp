// SPDX-License-Identifier: BSD-3-Clause
// The order of values for maxima, and a map that reverses it, so that minima are maxima of mapped values.
#pragma once
#include <cstdint>
#include <limits>
#include <type_traits>

namespace npconv {

// -v for floats, ~v for integers, which cannot overflow. It is its own inverse, for every bit of a NaN, too.
template <class X>
constexpr X reversed(X v) {
    if constexpr (std::is_floating_point_v<X>)
        return -v;
    else
        return static_cast<X>(~v);
}

// The maximum of no values.
template <class X>
constexpr X lowest() {
    return std::numeric_limits<X>::has_infinity ? -std::numeric_limits<X>::infinity() : std::numeric_limits<X>::lowest();
}

// Does the second value replace the first as the maximum? Of equal values the first stays, of NaNs the last.
template <class X>
constexpr bool newer(X first, X second) {
    return second > first || second != second;
}

// The place of v, which must be among the n elements: the first such place; if v is NaN, the last place of a NaN.
template <class X>
constexpr std::int64_t place_of(const X* x, std::int64_t n, X v) {
    std::int64_t k = v == v ? 0 : n - 1;
    if (v == v)
        while (x[k] != v) ++k;
    else
        while (x[k] == x[k]) --k;
    return k;
}

}  // namespace npconv

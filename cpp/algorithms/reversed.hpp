// SPDX-License-Identifier: BSD-3-Clause
// The order of values in which maxima are taken; and values in reverse order, whose maxima are minima.
#pragma once
#include <cstdint>
#include <limits>
#include <type_traits>

namespace npconv {

// -v, of integers ~v, which has no overflow. Its own inverse, for every bit of a NaN, too.
template <class X>
constexpr X reversed(X v) {
    if constexpr (std::is_floating_point_v<X>)
        return -v;
    else
        return static_cast<X>(~v);
}

// The maximum of nothing.
template <class X>
constexpr X lowest() {
    return std::numeric_limits<X>::has_infinity ? -std::numeric_limits<X>::infinity() : std::numeric_limits<X>::lowest();
}

// Does the second take the place of the first? Of equal values the first stays, of NaNs the last.
template <class X>
constexpr bool newer(X first, X second) {
    return second > first || second != second;
}

// Where n elements have v, which is one of them: the first place, of NaNs the last.
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

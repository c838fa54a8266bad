// SPDX-License-Identifier: BSD-3-Clause
// What averages are divided by.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/pool_shape.hpp"

namespace npconv {

// What an average divides by: the taps in x and its padding or in x alone, a number of the caller's, or the elements of an adaptive window.
struct AverageRule {
    bool count_include_pad = true;
    std::optional<std::int64_t> divisor = std::nullopt;
    bool of_window = false;
};

// Taps that an average counts for output o of an axis.
std::int64_t counted_taps(const Axis& axis, std::int64_t o, bool count_include_pad);
// Outputs for which it counts all of them: first to second.
std::pair<std::int64_t, std::int64_t> complete_windows(const Axis& axis, bool count_include_pad);

// Do the divisors differ along an axis?
std::array<bool, 3> divisors_that_differ(const PoolShape& shape, const AverageRule& rule);

// Divisors of an average, as far as they differ along an axis; the rest is one number.
template <class X>
struct Divisors {
    const PoolShape& shape;
    const AverageRule& rule;
    const std::array<bool, 3> differ;
    X common = 1;

    // differ: see divisors_that_differ.
    Divisors(const PoolShape& s, const AverageRule& r, const std::array<bool, 3>& d) : shape(s), rule(r), differ(d) {
        if (rule.divisor) common = static_cast<X>(*rule.divisor);
        for (std::size_t i = 0; i < 3 && !rule.divisor; ++i) {
            if (!differ[i]) common *= static_cast<X>(count(i, 0));
        }
    }
    std::int64_t count(std::size_t i, std::int64_t o) const { return counted_taps(shape.axis[i], o, rule.count_include_pad); }
    void fill(std::size_t i, std::int64_t begin, std::int64_t end, X* to) const {
        const auto [low, high] = complete_windows(shape.axis[i], rule.count_include_pad);
        for (std::int64_t o = begin; o < end; ++o)
            to[o - begin] = static_cast<X>(o >= low && o < high ? shape.axis[i].kernel : count(i, o));
    }
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What averages are divided by.
#pragma once
#include <array>
#include <cstdint>
#include <utility>

#include "plan/pool_problem.hpp"

namespace npconv {

// Taps that an average counts for output o of an axis.
std::int64_t counted_taps(const Axis& axis, std::int64_t o, bool count_include_pad);

// Do the divisors differ along an axis?
std::array<bool, 3> divisors_that_differ(const PoolShape& shape, const AverageRule& rule);

// Divisors of many windows; those that are complete are told apart without a division.
class WindowDivisors {
  public:
    WindowDivisors(const PoolShape& shape, const AverageRule& rule);
    // Elements that count for output o of axis i.
    std::int64_t count(std::size_t i, std::int64_t o) const {
        const bool complete = o >= complete_[i].first && o < complete_[i].second;
        return complete ? shape_.axis[i].kernel : counted_taps(shape_.axis[i], o, rule_.count_include_pad);
    }
    double of(const std::array<std::int64_t, 3>& o) const {
        if (rule_.divisor) return static_cast<double>(*rule_.divisor);
        return static_cast<double>(count(0, o[0])) * static_cast<double>(count(1, o[1])) * static_cast<double>(count(2, o[2]));
    }

  private:
    PoolShape shape_;
    AverageRule rule_;
    std::array<std::pair<std::int64_t, std::int64_t>, 3> complete_;  // first to second
};

}  // namespace npconv

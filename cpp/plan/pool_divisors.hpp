// SPDX-License-Identifier: BSD-3-Clause
// The divisors of averages.
#pragma once
#include <array>
#include <cstdint>
#include <utility>

#include "plan/pool_problem.hpp"

namespace npconv {

// The number of taps along an axis that the average of output o counts.
std::int64_t counted_taps(const Axis& axis, std::int64_t o, bool count_include_pad);

// For each axis: do the divisors of its outputs differ?
std::array<bool, 3> divisors_that_differ(const PoolShape& shape, const AverageRule& rule);

// Divisors of many windows. Windows that are complete along an axis need no division to find theirs.
class WindowDivisors {
  public:
    WindowDivisors(const PoolShape& shape, const AverageRule& rule);
    // The number of elements that count for output o of axis i.
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
    std::array<std::pair<std::int64_t, std::int64_t>, 3> complete_;  // outputs first..second - 1 have complete windows
};

}  // namespace npconv

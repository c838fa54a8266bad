// SPDX-License-Identifier: BSD-3-Clause
// Pairwise summation: a stack of sums of 1, 2, 4, ... numbers, so that the error grows only with the logarithm of their count.
#pragma once
#include <array>
#include <cstdint>

namespace npconv {

class PairwiseSum {
  public:
    void add(double v) {
        std::size_t l = 0;
        for (std::uint64_t full = count_++; (full & 1) != 0; full >>= 1) v = level_[l++] + v;
        level_[l] = v;
    }
    double total() const {
        double sum = 0;
        std::size_t l = 0;
        bool any = false;
        for (std::uint64_t left = count_; left != 0; left >>= 1, ++l) {
            if ((left & 1) == 0) continue;
            sum = any ? level_[l] + sum : level_[l];
            any = true;
        }
        return sum;
    }

  private:
    std::array<double, 64> level_;
    std::uint64_t count_ = 0;
};

// The same for `numbers` sums side by side, at most Most.
template <std::int64_t Most>
class PairwiseSums {
  public:
    explicit PairwiseSums(std::int64_t numbers) : numbers_(numbers) {}
    void add(double* v) {  // overwrites v
        std::size_t l = 0;
        for (std::uint64_t full = count_++; (full & 1) != 0; full >>= 1, ++l) {
            for (std::int64_t i = 0; i < numbers_; ++i) v[i] = level_[l][static_cast<std::size_t>(i)] + v[i];
        }
        for (std::int64_t i = 0; i < numbers_; ++i) level_[l][static_cast<std::size_t>(i)] = v[i];
    }
    void total(double* sum) const {
        bool any = false;
        std::size_t l = 0;
        for (std::int64_t i = 0; i < numbers_; ++i) sum[i] = 0;
        for (std::uint64_t left = count_; left != 0; left >>= 1, ++l) {
            if ((left & 1) == 0) continue;
            for (std::int64_t i = 0; i < numbers_; ++i) {
                const double v = level_[l][static_cast<std::size_t>(i)];
                sum[i] = any ? v + sum[i] : v;
            }
            any = true;
        }
    }

  private:
    std::int64_t numbers_;
    std::array<std::array<double, Most>, 48> level_;
    std::uint64_t count_ = 0;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Even splits: 9 by at most 7 is 5 + 4, not 7 + 2, because a full and a tiny tile cost more than two middling ones.
#pragma once
#include <cstdint>

namespace npconv {

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return n / d + (n % d != 0 ? 1 : 0); }

// n things in `parts` runs whose lengths differ by at most one, the longer ones first.
struct EvenSplit {
    std::int64_t n = 0;
    std::int64_t parts = 1;

    constexpr std::int64_t begin(std::int64_t i) const { return n / parts * i + (i < n % parts ? i : n % parts); }
    constexpr std::int64_t length(std::int64_t i) const { return n / parts + (i < n % parts ? 1 : 0); }
    constexpr std::int64_t longest() const { return length(0); }
    bool operator==(const EvenSplit&) const = default;
};

// The fewest runs of at most `most`.
constexpr EvenSplit split_by(std::int64_t n, std::int64_t most) { return {n, n > 0 ? ceil_div(n, most) : 1}; }

}  // namespace npconv

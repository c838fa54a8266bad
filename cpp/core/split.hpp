// SPDX-License-Identifier: BSD-3-Clause
// Even splits: 9 by at most 7 is 5 + 4, not 7 + 2, because a full and a tiny tile cost more than two middling ones.
#pragma once
#include <cstdint>

namespace npconv {

constexpr double as_double(std::int64_t n) { return static_cast<double>(n); }

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return n / d + (n % d != 0 ? 1 : 0); }

// n things in `parts` runs whose lengths differ by at most one, the longer ones first.
struct EvenSplit {
    std::int64_t n;
    std::int64_t parts;
    std::int64_t shorter, longer;  // the length of the shorter runs, the number of the longer ones: no division in a loop

    constexpr explicit EvenSplit(std::int64_t things = 0, std::int64_t runs = 1)
        : n(things), parts(runs), shorter(things / runs), longer(things % runs) {}
    constexpr std::int64_t begin(std::int64_t i) const { return shorter * i + (i < longer ? i : longer); }
    constexpr std::int64_t length(std::int64_t i) const { return shorter + (i < longer ? 1 : 0); }
    constexpr std::int64_t longest() const { return length(0); }
    // Runs from number i on that are as long.
    constexpr std::int64_t alike(std::int64_t i) const { return (i < longer ? longer : parts) - i; }
    // The run that holds thing number i.
    constexpr std::int64_t run_of(std::int64_t i) const {
        const std::int64_t of_longer = longer * (shorter + 1);
        return i < of_longer ? i / (shorter + 1) : longer + (i - of_longer) / shorter;
    }
    bool operator==(const EvenSplit&) const = default;
};

// The same with the longer runs spread among the shorter ones, so that neighbours together have their share: of 28 in 8 runs,
// 3 + 4 + 3 + 4 + ..., each of two threads gets 14, not one 16. Not for inner loops: it divides. (The product fits, because runs that are
// asked for are of arrays that exist.)
struct SpreadSplit : EvenSplit {
    using EvenSplit::EvenSplit;
    std::int64_t alike(std::int64_t) const = delete;
    constexpr std::int64_t begin(std::int64_t i) const { return shorter * i + i * longer / parts; }
    constexpr std::int64_t length(std::int64_t i) const { return begin(i + 1) - begin(i); }
    bool operator==(const SpreadSplit&) const = default;
};

// The fewest runs of at most `most`.
constexpr EvenSplit split_by(std::int64_t n, std::int64_t most) { return EvenSplit(n, n > 0 ? ceil_div(n, most) : 1); }

}  // namespace npconv

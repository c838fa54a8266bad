// SPDX-License-Identifier: BSD-3-Clause
// Even splits: 9 by at most 7 is 5 + 4, not 7 + 2, because a full and a tiny tile cost more than two middling ones.
#pragma once
#include <cstdint>

namespace npconv {

constexpr double as_double(std::int64_t n) { return static_cast<double>(n); }

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return n / d + (n % d != 0 ? 1 : 0); }

// n things in `parts` runs. The lengths of runs differ by at most one; longer runs come first.
struct EvenSplit {
    std::int64_t n;
    std::int64_t parts;
    std::int64_t shorter, longer;  // the length of shorter runs, the number of longer runs; stored, so that loops need no division

    constexpr explicit EvenSplit(std::int64_t things = 0, std::int64_t runs = 1)
        : n(things), parts(runs), shorter(things / runs), longer(things % runs) {}
    constexpr std::int64_t begin(std::int64_t i) const { return shorter * i + (i < longer ? i : longer); }
    constexpr std::int64_t length(std::int64_t i) const { return shorter + (i < longer ? 1 : 0); }
    constexpr std::int64_t longest() const { return length(0); }
    // The number of runs from run i on that have the length of run i.
    constexpr std::int64_t alike(std::int64_t i) const { return (i < longer ? longer : parts) - i; }
    // The run that holds thing number i.
    constexpr std::int64_t run_of(std::int64_t i) const {
        const std::int64_t of_longer = longer * (shorter + 1);
        return i < of_longer ? i / (shorter + 1) : longer + (i - of_longer) / shorter;
    }
    bool operator==(const EvenSplit&) const = default;
};

// The same with longer runs spread among shorter ones, so that a stretch of runs has its fair share: with 28 things in 8 runs,
// 3 + 4 + 3 + 4 + ..., each of two threads gets 14, instead of 16 and 12. It divides, so it is not for inner loops. (i * longer does not
// overflow, because runs are parts of arrays that exist.)
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

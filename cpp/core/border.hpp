// SPDX-License-Identifier: BSD-3-Clause
// Which input element stands at a padded coordinate. The rules are numpy.pad's: "reflect" does not repeat the edge, and paddings longer
// than the input go on reflecting or wrapping; an axis of one element reflects to itself.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/split.hpp"
#include "core/types.hpp"

namespace npconv {

// The i of [begin, end) for which place first + i * step is on an axis of n elements; step >= 1.
struct Inside {
    std::int64_t begin, end;
    bool operator==(const Inside&) const = default;
};

inline Inside inside(std::int64_t first, std::int64_t step, std::int64_t n, std::int64_t begin, std::int64_t end) {
    const std::int64_t low = first >= 0 ? 0 : ceil_div(-first, step);
    const std::int64_t high = first >= n ? 0 : (n - 1 - first) / step + 1;
    const std::int64_t b = std::clamp(low, begin, end);
    return {b, std::clamp(high, b, end)};
}

// The source of coordinate i on an axis of n >= 1 elements, or -1 where the border is zero.
inline std::int64_t border_source(std::int64_t i, std::int64_t n, Border border) {
    if (i >= 0 && i < n) return i;
    const auto modulo = [](std::int64_t a, std::int64_t m) { return (a % m + m) % m; };
    switch (border) {
        case Border::zeros: return -1;
        case Border::replicate: return i < 0 ? 0 : n - 1;
        case Border::circular: return modulo(i, n);
        case Border::reflect: break;
    }
    if (n == 1) return 0;
    const std::int64_t period = 2 * (n - 1);
    const std::int64_t j = modulo(i, period);
    return j < n ? j : period - j;
}

}  // namespace npconv

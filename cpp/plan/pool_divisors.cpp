// SPDX-License-Identifier: BSD-3-Clause
#include "plan/pool_divisors.hpp"

#include <algorithm>

#include "core/border.hpp"
#include "core/split.hpp"

namespace npconv {

namespace {

using Size = std::int64_t;

// The border that an average counts, before and after the input.
std::pair<Size, Size> counted_border(const Axis& a, bool count_include_pad) {
    return count_include_pad ? std::pair{a.pad_before, a.pad_after} : std::pair<Size, Size>{0, 0};
}

// Outputs for which an average counts all taps: first to second.
std::pair<Size, Size> complete_windows(const Axis& a, bool count_include_pad) {
    const auto [before, after] = counted_border(a, count_include_pad);
    const Size low = ceil_div(std::max<Size>(a.pad_before - before, 0), a.stride);
    const Size last =
        a.input + after - 1 - (a.kernel - 1) * a.dilation + a.pad_before;  // the first input of a window, at most, + pad_before
    const Size high = last < 0 ? 0 : std::min(last / a.stride + 1, a.output);
    return {std::min(low, a.output), std::max(high, std::min(low, a.output))};
}

}  // namespace

Size counted_taps(const Axis& a, Size o, bool count_include_pad) {
    const auto [before, after] = counted_border(a, count_include_pad);
    const Inside taps = inside(a.at(o, 0) + before, a.dilation, a.input + before + after, 0, a.kernel);
    return taps.end - taps.begin;
}

std::array<bool, 3> divisors_that_differ(const PoolShape& shape, const AverageRule& rule) {
    std::array<bool, 3> differ{};
    for (std::size_t i = 0; i < 3 && !rule.divisor; ++i) {
        const Axis& a = shape.axis[i];
        const auto count = [&](Size o) { return counted_taps(a, o, rule.count_include_pad); };
        const auto [low, high] = complete_windows(a, rule.count_include_pad);
        const Size first = count(0);
        if (low == high && a.dilation == 1) {  // no window is complete: what two intervals share, as one slides along, rises and then falls
            differ[i] = count(a.output / 2) != first || count(a.output - 1) != first;
            continue;
        }
        differ[i] = low < high && first != a.kernel;
        for (Size o = 1; o < low && !differ[i]; ++o) differ[i] = count(o) != first;
        for (Size o = high; o < a.output && !differ[i]; ++o) differ[i] = count(o) != first;
    }
    return differ;
}

WindowDivisors::WindowDivisors(const PoolShape& shape, const AverageRule& rule) : shape_(shape), rule_(rule) {
    for (std::size_t i = 0; i < 3; ++i) complete_[i] = complete_windows(shape.axis[i], rule.count_include_pad);
}

}  // namespace npconv

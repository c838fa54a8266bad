// SPDX-License-Identifier: BSD-3-Clause
// The part of a convolution that meets the input and not a border.
#pragma once
#include <cstdint>

#include "core/border.hpp"
#include "core/shape.hpp"
#include "core/split.hpp"

namespace npconv {

// The share of the taps of an axis that meet a pixel inside the input, averaged over the outputs; 1 if there are more than `countable`
// taps, because counting would take too long.
inline double part_inside(const Axis& a) {
    constexpr std::int64_t countable = 1024;
    if (!a.padded() || a.kernel > countable || a.kernel == 0 || a.output == 0) return 1.0;
    double sum = 0.0;
    for (std::int64_t t = 0; t < a.kernel; ++t) {
        const Inside pixels = inside(a.at(0, t), a.stride, a.input, 0, a.output);
        sum += as_double(pixels.end - pixels.begin);
    }
    return sum / (as_double(a.kernel) * as_double(a.output));
}

}  // namespace npconv

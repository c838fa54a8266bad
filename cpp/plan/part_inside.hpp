// SPDX-License-Identifier: BSD-3-Clause
// How much of a convolution meets its input, and not a border.
#pragma once
#include <cstdint>

#include "core/border.hpp"
#include "core/shape.hpp"
#include "core/split.hpp"

namespace npconv {

// The part of an axis' taps that find their pixel inside the input, on average over the outputs; of more taps than can be counted in no
// time, all.
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

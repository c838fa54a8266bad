// SPDX-License-Identifier: BSD-3-Clause
// Short ways to write convolutions down in tests.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "compare.hpp"
#include "core/validate.hpp"
#include "plan/problem.hpp"

namespace npconv::test {

// height x width, channels in and out, a square kernel, padding "same".
inline ConvRequest image(std::int64_t height, std::int64_t width, std::int64_t in, std::int64_t out, std::int64_t kernel = 1) {
    ConvRequest r;
    r.rank = 2;
    r.channels = r.w_in = in;
    r.w_out = out;
    r.input = {height, width};
    r.kernel = {kernel, kernel};
    r.stride = r.dilation = {1, 1};
    r.padding.kind = PaddingKind::same;
    return r;
}

// One axis with padding (before, after).
inline ConvRequest line(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t dilation, std::int64_t before,
                        std::int64_t after) {
    ConvRequest r;
    r.rank = 1;
    r.input = {input};
    r.kernel = {kernel};
    r.stride = {stride};
    r.dilation = {dilation};
    r.padding.before = {before};
    r.padding.after = {after};
    return r;
}

// Anything small, on one to three axes: paddings beyond the input, strides beyond the kernel, unit axes.
inline ConvRequest anything_small(Random& random, std::int64_t most_channels) {
    ConvRequest r;
    r.rank = static_cast<int>(random.integer(1, 3));
    r.batch = random.integer(1, 2);
    r.groups = random.integer(1, 2);
    r.w_in = random.integer(1, most_channels);
    r.channels = r.groups * r.w_in;
    r.w_out = r.groups * random.integer(1, most_channels);
    r.border = static_cast<Border>(random.integer(0, 3));
    for (int a = 0; a < r.rank; ++a) {
        r.input.push_back(random.integer(1, r.rank == 1 ? 40 : 7));
        r.kernel.push_back(random.integer(1, 4));
        r.stride.push_back(random.integer(1, 3));
        r.dilation.push_back(random.integer(1, 3));
        const std::int64_t missing = r.dilation.back() * (r.kernel.back() - 1) + 1 - r.input.back();
        r.padding.before.push_back(random.integer(0, 2) == 0 ? random.integer(0, 9) : 0);
        r.padding.after.push_back(
            std::max<std::int64_t>(missing - r.padding.before.back(), random.integer(0, 2) == 0 ? random.integer(0, 9) : 0));
    }
    return r;
}

inline Problem problem_of(const ConvRequest& r, Layout layout = Layout::channels_first) {
    Problem p;
    p.shape = validate(r);
    p.dtype = r.dtype;
    p.layout = layout;
    p.border = r.border;
    return p;
}

// One line that tells which case failed.
inline std::string text_of(const ConvRequest& r) {
    return "batch " + std::to_string(r.batch) + ", groups " + std::to_string(r.groups) + ", channels " + std::to_string(r.w_in) + " -> " +
           std::to_string(r.w_out) + ", input " + tuple_text(r.input) + ", kernel " + tuple_text(r.kernel) + ", stride " +
           tuple_text(r.stride) + ", dilation " + tuple_text(r.dilation) + ", padding " + tuple_text(r.padding.before) +
           tuple_text(r.padding.after) + ", border " + std::to_string(static_cast<int>(r.border));
}

}  // namespace npconv::test

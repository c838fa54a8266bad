// SPDX-License-Identifier: BSD-3-Clause
// Lines that all explanations share.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "core/text.hpp"
#include "plan/context.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct Footprint {
    int threads;
    std::int64_t workspace_bytes;
    std::int64_t packed_bytes;
};

std::string count(double n);  // numbers too large for an integer as powers of ten
double direct_count(const ConvShape& shape);

void describe_shape(Text& out, const char* begin, const Problem& problem);
void describe_axes(Text& out, const std::array<Axis, 3>& axes);  // width, and the other axes unless they are unit axes
void describe_kernels(Text& out, const Context& on);
void describe_memory(Text& out, const Footprint& footprint);
// The error bound of sums of n products. rounded: the relative error that a further rounding at the end adds.
void describe_bound(Text& out, const char* of, std::int64_t n, DType dtype, double rounded = 0.0);

}  // namespace npconv

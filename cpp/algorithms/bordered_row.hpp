// SPDX-License-Identifier: BSD-3-Clause
// Copies of input rows with their border.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/border.hpp"
#include "core/shape.hpp"

namespace npconv {

// to[i] = column first + i of the row, i < columns. from: column 0; elements are `step` apart; null: a row of zeros.
template <class T>
void copy_bordered_row(const T* from, std::int64_t step, const Axis& width, Border border, std::int64_t first, std::int64_t columns,
                       T* to) {
    if (!from) {
        std::fill_n(to, columns, T(0));
        return;
    }
    const Inside in = inside(first, 1, width.input, 0, columns);
    // Columns beyond those that the last output needs may hold any value.
    const std::int64_t end = std::min(columns, std::max(in.end, width.input + width.pad_after - first));
    const auto of_border = [&](std::int64_t i) {
        const std::int64_t source = border_source(first + i, width.input, border);
        to[i] = source < 0 ? T(0) : from[source * step];
    };
    for (std::int64_t i = 0; i < in.begin; ++i) of_border(i);
    if (step == 1) {
        std::memcpy(to + in.begin, from + first + in.begin, static_cast<std::size_t>(in.end - in.begin) * sizeof(T));
    } else {
        for (std::int64_t i = in.begin; i < in.end; ++i) to[i] = from[(first + i) * step];
    }
    for (std::int64_t i = in.end; i < end; ++i) of_border(i);
    std::fill(to + end, to + columns, T(0));
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Of the operands of a convolution what a section of its output channels reads and writes.
#pragma once
#include "algorithms/operands.hpp"
#include "plan/sections.hpp"

namespace npconv {

template <class T>
Operands<T> operands_of_section(const Problem& whole, const Section& section, Operands<T> io) {
    const ConvShape& s = whole.shape;
    const std::int64_t first = section.first(s.out_channels);
    io.x.data += section.group * s.in_channels * io.x.channel;
    io.y_channels = io.channels_of_y(s.groups * s.out_channels);
    io.y += whole.layout == Layout::channels_last ? first : first * s.pixels();
    if (io.bias) io.bias += first;
    if (io.residual.data) io.residual.data += first * io.residual.channel;
    return io;
}

}  // namespace npconv

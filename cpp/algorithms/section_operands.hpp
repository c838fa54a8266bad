// SPDX-License-Identifier: BSD-3-Clause
// The operands of a section of the output channels of a convolution.
#pragma once
#include "algorithms/operands.hpp"
#include "plan/sections.hpp"

namespace npconv {

inline Operands operands_of_section(const Problem& whole, const Section& section, Operands io) {
    const ConvShape& s = whole.shape;
    const std::int64_t first = section.first(s.out_channels);
    io.x.data = moved(io.x.data, section.group * s.in_channels * io.x.channel, whole.dtype);
    io.y_channels = io.channels_of_y(s.groups * s.out_channels);
    io.y = moved(io.y, whole.layout == Layout::channels_last ? first : first * s.pixels(), whole.dtype);
    if (io.bias) io.bias = moved(io.bias, first, whole.dtype);
    if (io.residual.data) io.residual.data = moved(io.residual.data, first * io.residual.channel, whole.dtype);
    return io;
}

}  // namespace npconv

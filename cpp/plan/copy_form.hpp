// SPDX-License-Identifier: BSD-3-Clause
// Layout and size of a copy of a part of the input. algorithms/stage.hpp makes the copy.
#pragma once
#include <array>
#include <cstdint>

#include "core/shape.hpp"
#include "core/types.hpp"

namespace npconv {

// How a copy is laid out.
struct CopyForm {
    Layout order;  // of channels and pixels
    bool unit;     // neighbouring pixels are adjacent: a strided row is split by phase, and its last vector is read whole
    bool flat;     // all pixels form one row
    std::int64_t lanes;
};

// Elements of a copy for `pixels` output pixels and `taps` taps along each axis, and `channels` channels.
std::int64_t staged_elements(const ConvShape& shape, const CopyForm& form, const std::array<std::int64_t, 3>& pixels,
                             const std::array<std::int64_t, 3>& taps, std::int64_t channels);

// One axis of the copy. It consists of pieces; a piece holds every source_step-th element of the input from its own start on.
struct AxisCopy {
    std::int64_t pieces = 1;
    std::int64_t length = 1;       // elements of a piece
    std::int64_t source_step = 1;  // in the input, between elements of a piece
    std::int64_t piece_step = 1;   // in the input, between the starts of pieces
    std::int64_t pixel_step = 1;   // in the copy, between neighbouring pixels
    std::int64_t tap_scale = 1, phases = 1;

    std::int64_t extent() const { return pieces * length; }
    std::int64_t source(std::int64_t first, std::int64_t i) const {
        if (pieces == 1) return first + i * source_step;  // without divisions
        return first + i / length * piece_step + i % length * source_step;
    }
};

// The copy of a block: its axes, and the stride of each in elements.
struct Extents {
    std::array<AxisCopy, 3> axis;
    std::array<std::int64_t, 3> stride{};
    std::int64_t channel_stride = 1;
    std::int64_t row = 0;  // channels first: elements of a row, with those that the last vector reads beyond its end
    std::int64_t elements = 0;
};

Extents extents(const ConvShape& shape, const CopyForm& form, const std::array<std::int64_t, 3>& pixels,
                const std::array<std::int64_t, 3>& taps, std::int64_t channels);

// Flat form: elements of a channel.
std::int64_t flat_row(const CopyForm& form, std::int64_t pixels);

}  // namespace npconv

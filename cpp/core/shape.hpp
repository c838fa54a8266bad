// SPDX-License-Identifier: BSD-3-Clause
// The one description of a convolution. 1-D and 2-D are 3-D with unit axes in front.
#pragma once
#include <array>
#include <cstdint>

namespace npconv {

struct Axis {
    std::int64_t input = 1;
    std::int64_t output = 1;
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    std::int64_t dilation = 1;
    std::int64_t pad_before = 0;
    std::int64_t pad_after = 0;

    // Where output `o` meets tap `k`, in input coordinates: outside 0..input-1 it is in the padding.
    std::int64_t at(std::int64_t o, std::int64_t k) const { return o * stride - pad_before + k * dilation; }
    bool padded() const { return pad_before > 0 || pad_after > 0; }
};

struct ConvShape {
    std::int64_t batch = 1;
    std::int64_t groups = 1;
    std::int64_t in_channels = 1;   // of a group
    std::int64_t out_channels = 1;  // of a group
    std::array<Axis, 3> axis{};     // depth, height, width

    std::int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
    std::int64_t k() const { return taps() * in_channels; }  // the length of the sum
    std::int64_t pixels() const { return axis[0].output * axis[1].output * axis[2].output; }
    std::int64_t macs() const { return batch * groups * out_channels * pixels() * k(); }
    // One multiplication a pixel: no axis has taps, steps or padding, so that rows and slices are one long row of pixels.
    bool flat() const {
        for (const Axis& a : axis) {
            if (a.kernel != 1 || a.stride != 1 || a.padded()) return false;
        }
        return true;
    }
    // Output coordinates of flat pixel p.
    std::array<std::int64_t, 3> coordinates(std::int64_t p) const {
        const std::int64_t w = axis[2].output, h = axis[1].output;
        return {p / w / h, p / w % h, p % w};
    }
    bool empty() const { return batch == 0 || groups * out_channels == 0 || pixels() == 0; }
};

}  // namespace npconv

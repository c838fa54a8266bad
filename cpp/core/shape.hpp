// SPDX-License-Identifier: BSD-3-Clause
// The shape of a convolution. 1-D and 2-D shapes are 3-D with unit axes in front.
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

    // The input coordinate at which output o meets tap k. Outside 0..input-1 it is in the padding.
    std::int64_t at(std::int64_t o, std::int64_t k) const { return o * stride - pad_before + k * dilation; }
    bool padded() const { return pad_before > 0 || pad_after > 0; }
    bool operator==(const Axis&) const = default;
};

// The step between successive pixels of a tensor of these sizes if it is the same everywhere, else `none`. Strides of unit axes are
// ignored.
inline std::int64_t flat_step(const std::array<std::int64_t, 3>& size, const std::array<std::int64_t, 3>& strides, std::int64_t none) {
    std::int64_t step = 1, expected = 0;
    bool found = false;  // step == 0 does not tell: a repeated axis has a stride of 0
    for (std::size_t a = 3; a-- > 0;) {
        if (size[a] == 1) continue;
        if (!found) step = expected = strides[a];
        found = true;
        if (strides[a] != expected) return none;
        expected *= size[a];
    }
    return step;
}

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
    // Is there one tap, without strides and padding? Then all rows and slices form one long row of pixels.
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
    // The step between successive pixels of an output-shaped tensor if it is the same everywhere, else 0.
    std::int64_t flat_step(const std::array<std::int64_t, 3>& strides) const {
        return npconv::flat_step({axis[0].output, axis[1].output, axis[2].output}, strides, 0);
    }
    bool padded() const { return axis[0].padded() || axis[1].padded() || axis[2].padded(); }
    bool empty() const { return batch == 0 || groups * out_channels == 0 || pixels() == 0; }
    // Has an image no product at all? Then its sizes may be any numbers, and products of sizes may overflow.
    bool without_products() const { return in_channels == 0 || groups * out_channels == 0 || pixels() == 0; }
    bool operator==(const ConvShape&) const = default;
};

}  // namespace npconv

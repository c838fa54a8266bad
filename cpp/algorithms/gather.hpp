// SPDX-License-Identifier: BSD-3-Clause
// Implicit im2col: a block of pixels and of k copied into a small panel, with the border filled in. This is where stride, dilation and
// padding modes end; the microkernel sees a dense panel. Used where padding cuts the block or the input cannot be read in place.
#pragma once
#include <array>
#include <cstdint>

#include "core/shape.hpp"
#include "core/types.hpp"

namespace npconv {

// Output coordinates of flat pixel p.
std::array<std::int64_t, 3> coordinates(const ConvShape& shape, std::int64_t pixel);

// One piece of k inside one tap: channels first..first+count-1.
struct KRun {
    std::int64_t tap;
    std::int64_t first;
    std::int64_t count;
};

// Calls f(KRun) for k_begin..k_end-1, in order.
template <class F>
void for_each_k_run(const ConvShape& shape, std::int64_t k_begin, std::int64_t k_end, const F& f) {
    while (k_begin < k_end) {
        const std::int64_t tap = k_begin / shape.in_channels;
        const std::int64_t first = k_begin % shape.in_channels;
        const std::int64_t left = shape.in_channels - first;
        const std::int64_t count = k_end - k_begin < left ? k_end - k_begin : left;
        f(KRun{tap, first, count});
        k_begin += count;
    }
}

std::array<std::int64_t, 3> tap_coordinates(const ConvShape& shape, std::int64_t tap);

// May every tap of every pixel of [pixel_begin, pixel_end) be read from x itself?
bool inside(const ConvShape& shape, std::int64_t pixel_begin, std::int64_t pixel_end);

// Where value (pixel, k) of a block stands in the panel.
struct PanelLayout {
    std::int64_t pixel_stride;
    std::int64_t k_stride;
};

// x points at the first channel of the group, of the image.
template <class T>
void gather(const ConvShape& shape, Border border, const TensorView<const T>& x, std::int64_t pixel_begin, std::int64_t pixel_end,
            std::int64_t k_begin, std::int64_t k_end, const PanelLayout& layout, T* panel);

}  // namespace npconv

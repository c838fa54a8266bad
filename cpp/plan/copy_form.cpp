// SPDX-License-Identifier: BSD-3-Clause
#include "plan/copy_form.hpp"

#include <algorithm>

#include "core/split.hpp"

namespace npconv {
namespace {

// n pixels and `taps` taps of an axis. unit: neighbouring pixels must be neighbours in the copy.
AxisCopy axis_copy(const Axis& a, std::int64_t n, std::int64_t taps, bool unit) {
    const std::int64_t reach = (taps - 1) * a.dilation;
    // A piece for each tap: what im2col would do along this axis alone.
    AxisCopy by_tap;
    by_tap.pieces = taps;
    by_tap.length = n;
    by_tap.source_step = a.stride;
    by_tap.piece_step = a.dilation;
    // Everything between the first tap of the first pixel and the last tap of the last, split by phase if pixels must be neighbours.
    AxisCopy span;
    span.tap_scale = a.dilation;
    if (unit && a.stride > 1) {
        span.phases = a.stride;
        span.pieces = a.dilation % a.stride == 0 ? 1 : std::min(a.stride, reach + 1);
        span.length = n + reach / a.stride;
        span.source_step = a.stride;
    } else {
        span.length = (n - 1) * a.stride + reach + 1;
        if (n > 1) span.pixel_step = a.stride;  // one pixel has no neighbour, and its stride may be as large as any number
    }
    return span.length > by_tap.extent() / span.pieces ? by_tap : span;  // without the product, which may overflow
}

// A multiple of a cache line, and an odd one: rows of equal place must not share a set of the cache.
template <class N>
N spread(N elements) {
    constexpr N line = 16;
    return ((elements + line - 1) / line | 1) * line;
}

}  // namespace

Extents extents(const ConvShape& s, const CopyForm& form, const std::array<std::int64_t, 3>& pixels,
                const std::array<std::int64_t, 3>& taps, std::int64_t channels) {
    Extents e;
    for (std::size_t a = 0; a < 3; ++a) e.axis[a] = axis_copy(s.axis[a], pixels[a], taps[a], form.unit && a == 2);
    if (form.order == Layout::channels_last) {
        e.stride = {e.axis[1].extent() * e.axis[2].extent() * channels, e.axis[2].extent() * channels, channels};
        e.elements = e.axis[0].extent() * e.stride[0];
        return e;
    }
    e.row = e.axis[2].extent();
    if (form.unit) e.row += ceil_div(pixels[2], form.lanes) * form.lanes - pixels[2];  // the last vector is read whole
    e.stride = {e.axis[1].extent() * e.row, e.row, 1};
    e.channel_stride = spread(e.axis[0].extent() * e.stride[0]);
    e.elements = e.channel_stride * channels;
    return e;
}

std::int64_t flat_row(const CopyForm& form, std::int64_t pixels) { return spread(ceil_div(pixels, form.lanes) * form.lanes); }

std::int64_t staged_elements(const ConvShape& s, const CopyForm& form, const std::array<std::int64_t, 3>& pixels,
                             const std::array<std::int64_t, 3>& taps, std::int64_t channels) {
    if (form.flat) return flat_row(form, pixels[0] * pixels[1] * pixels[2]) * channels;
    return extents(s, form, pixels, taps, channels).elements;
}

}  // namespace npconv

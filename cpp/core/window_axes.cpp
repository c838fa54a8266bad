// SPDX-License-Identifier: BSD-3-Clause
#include "core/window_axes.hpp"

#include <algorithm>

#include "core/border.hpp"

namespace npconv {

using Size = std::int64_t;

Window WindowAxes::at(std::size_t axis, Size o) const {
    const Axis& a = axis_[axis];
    if (adaptive_) {
        const Size first = o * a.input / a.output;
        return {first, ceil_div((o + 1) * a.input, a.output) - first, 1};
    }
    const Inside taps = inside(a.at(o, 0), a.dilation, a.input, 0, a.kernel);
    return {a.at(o, taps.begin), taps.end - taps.begin, a.dilation};
}

void WindowAxes::outputs_of(std::size_t axis, Size i, Size& begin, Size& end) const {
    const Axis& a = axis_[axis];
    if (adaptive_) {
        begin = i * a.output / a.input;
        end = ceil_div((i + 1) * a.output, a.input);
        return;
    }
    // o * stride <= i + pad_before <= o * stride + span
    const Size from = i + a.pad_before, span = (a.kernel - 1) * a.dilation;
    begin = from > span ? ceil_div(from - span, a.stride) : 0;
    end = std::min(from / a.stride + 1, a.output);
    begin = std::min(begin, end);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "core/sizes.hpp"

#include <algorithm>

namespace npconv {
namespace {

using Size = std::int64_t;

// Splits the padding that makes output = ceil(input / stride).
void pad_same(Axis& axis, Size reach, PaddingKind kind) {
    const Size output = axis.input / axis.stride + (axis.input % axis.stride != 0 ? 1 : 0);
    const Size covered =
        output == 0 ? axis.input : plus(times(output - 1, axis.stride, "output * stride"), reach, "padding: the padded size");
    const Size total = std::max<Size>(covered - axis.input, 0);
    axis.pad_before = kind == PaddingKind::causal ? total : kind == PaddingKind::same ? total / 2 : total - total / 2;
    axis.pad_after = total - axis.pad_before;
    axis.output = output;
}

}  // namespace

std::string tuple_text(const std::vector<Size>& values) {
    std::string text = "(";
    for (std::size_t i = 0; i < values.size(); ++i) text += (i ? ", " : "") + std::to_string(values[i]);
    return text + (values.size() == 1 ? ",)" : ")");
}

void refuse_size(Words what, Size a, const char* sign, Size b) {
    std::string text;
    for (const char* word : what) text += word;
    refuse(text + " does not fit in 64 bits (" + std::to_string(a) + sign + std::to_string(b) + ")");
}

void at_least(const char* name, const std::vector<Size>& values, Size least) {
    for (const Size v : values) {
        if (v < least)
            refuse(std::string(name) + " must be at least " + std::to_string(least) + " on every axis, got " + tuple_text(values));
    }
}

void check_kernel(const std::vector<Size>& kernel, const OperandNames& names) {
    if (std::all_of(kernel.begin(), kernel.end(), [](Size n) { return n >= 1; })) return;
    at_least(("the kernel (spatial axes of " + std::string(names.w) + ")").c_str(), kernel, 1);
}

Size pad(Axis& axis, const Padding& padding, std::size_t i) {
    const Size reach = plus(times(axis.kernel - 1, axis.dilation, "dilation * (kernel - 1)"), 1, "dilation * (kernel - 1)");
    switch (padding.kind) {
        case PaddingKind::given:
            axis.pad_before = padding.before[i];
            axis.pad_after = padding.after[i];
            break;
        case PaddingKind::valid: break;
        case PaddingKind::full: axis.pad_before = axis.pad_after = reach - 1; break;
        case PaddingKind::same:
        case PaddingKind::same_lower:
        case PaddingKind::causal: pad_same(axis, reach, padding.kind); break;
    }
    return reach;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/long_axes.hpp"

#include <numeric>

namespace npconv {

namespace {
using Size = std::int64_t;

Size modulo(Size a, Size m) { return (a % m + m) % m; }
}  // namespace

Size classes_of(const Axis& a) { return std::min(a.dilation / std::gcd(a.stride, a.dilation), a.output); }

ClassOfAxis class_of(const Axis& a, Size c, Size most) {
    // Results c, c + apart, ... see inputs of one residue; the windows of two neighbours begin `stride` of these apart.
    const Size common = std::gcd(a.stride, a.dilation), apart = a.dilation / common;
    const auto one = [&](Size o) {
        ClassOfAxis k;
        const Size start = o * a.stride - a.pad_before, residue = modulo(start, a.dilation);
        k.kernel = a.kernel;
        k.stride = a.stride / common;
        k.pad = -(start - residue) / a.dilation;
        k.inputs = {residue, a.dilation, a.stride};
        k.outputs = {o, apart, 1};
        k.input = residue < a.input ? ceil_div(a.input - residue, a.dilation) : 0;
        k.output = ceil_div(a.output - o, apart);
        return k;
    };
    ClassOfAxis first = one(c);
    const Size all = classes_of(a);
    while (first.lanes < most && c + first.lanes < all) {
        const ClassOfAxis next = one(c + first.lanes);
        const bool alike = next.inputs.first == first.inputs.first + first.lanes * a.stride && next.pad == first.pad &&
                           next.input == first.input && next.output == first.output;
        if (!alike) break;
        ++first.lanes;
    }
    return first;
}

Part sources_of(const Ranges& r, Part results) {
    if (results.begin >= results.end) return {0, 0};
    const Size begin = r.begin(results.begin), end = r.end(results.end - 1);
    return {begin, std::max(begin, end)};
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "core/validate_transposed.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/validate.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

void check_channels(const TransposedRequest& r) {
    if (r.groups < 1) refuse("groups must be at least 1, got " + std::to_string(r.groups));
    if (r.w_in != r.channels) {
        refuse(std::string(r.names.x) + " has " + std::to_string(r.channels) + " channels with layout=\"" +
               (r.layout == Layout::channels_first ? "channels_first" : "channels_last") + "\", but " + r.names.w + " takes " +
               std::to_string(r.w_in) + " (" + r.names.w + r.names.dot_shape() + "[0])");
    }
    if (r.w_in % r.groups != 0) {
        refuse("groups must divide the input channels, got groups=" + std::to_string(r.groups) + " and " + std::to_string(r.w_in) +
               " input channels (" + r.names.w + r.names.dot_shape() + "[0])");
    }
}

void check_padding(const TransposedRequest& r) {
    if (r.padding.kind == PaddingKind::full || r.padding.kind == PaddingKind::causal) {
        refuse("padding of a transposed convolution must be numbers, \"valid\", \"same\" or \"same_lower\"; got \"" +
               std::string(r.padding.kind == PaddingKind::full ? "full" : "causal") + "\"");
    }
    const bool more = std::any_of(r.output_padding.begin(), r.output_padding.end(), [](Size n) { return n != 0; });
    if (more && !r.output_size.empty()) {
        refuse("output_size and output_padding must not be given together, got output_size=" + tuple_text(r.output_size) +
               " and output_padding=" + tuple_text(r.output_padding));
    }
    if (r.padding.same() && (more || !r.output_size.empty())) {
        refuse("padding=\"same\" and \"same_lower\" say that the output is input * stride, so that " +
               std::string(more ? "output_padding must be 0, got " + tuple_text(r.output_padding)
                                : "output_size must not be given, got " + tuple_text(r.output_size)));
    }
}

// The axis of the convolution: its input is our result.
Axis make_axis(const TransposedRequest& r, std::size_t i) {
    const OperandNames& n = r.names;
    Axis axis;
    axis.kernel = r.kernel[i];
    axis.stride = r.stride[i];
    axis.dilation = r.dilation[i];
    const std::string where = " on spatial axis " + std::to_string(i);
    if (r.padding.same()) {
        axis.input = times(r.input[i], axis.stride, {n.x, " and stride: the size of the output"});
        pad(axis, r.padding, i);
        return axis;
    }
    Padding none = r.padding;
    if (none.kind == PaddingKind::valid)
        none = {PaddingKind::given, std::vector<Size>(r.kernel.size(), 0), std::vector<Size>(r.kernel.size(), 0)};
    const Size reach = pad(axis, none, i);
    axis.output = r.input[i];
    // What the inputs and the kernel cover, less what is cut off.
    const Size covered =
        plus(times(axis.output - 1, axis.stride, "(input - 1) * stride"), reach, {n.x, ", stride and ", n.w, ": the size of the output"});
    const Size least = plus(covered, -plus(axis.pad_before, axis.pad_after, "padding"), "padding: the size of the output");
    if (!r.output_size.empty()) {
        axis.input = r.output_size[i];
        const Size low = std::max<Size>(least, 0), high = plus(least, axis.stride - 1, "output_size");
        if (axis.input < low || axis.input > high) {
            refuse("output_size must be from " + std::to_string(low) + " to " + std::to_string(high) + where + ", got " +
                   tuple_text(r.output_size));
        }
    } else {
        if (r.output_padding[i] >= std::max(axis.stride, axis.dilation)) {
            refuse("output_padding must be less than stride or dilation, got output_padding=" + tuple_text(r.output_padding) +
                   " for stride " + std::to_string(axis.stride) + " and dilation " + std::to_string(axis.dilation) + where);
        }
        axis.input = plus(least, r.output_padding[i], "output_padding: the size of the output");
        if (axis.input < 0 && axis.output > 0) {
            refuse("padding must not be more than the output has, got (" + std::to_string(axis.pad_before) + ", " +
                   std::to_string(axis.pad_after) + ") for " + std::to_string(covered + r.output_padding[i]) + " elements" + where);
        }
        axis.input = std::max<Size>(axis.input, 0);
    }
    // Later sums of places fit, too.
    plus(plus(axis.input, axis.stride, "stride: the padded size"), plus(axis.pad_before, reach, "padding"), "padding: the padded size");
    return axis;
}

// Every product that is formed later is formed here once, with the check.
void check_sizes(const ConvShape& s, DType dtype, const OperandNames& n) {
    const Words size_of_x{n.x, ": its size"}, size_of_output{n.x, ", stride and ", n.w, ": the size of the output"},
        operations{n.x, " and ", n.w, ": the number of operations"};
    Size taps = 1, inputs = 1, outputs = 1;
    for (const Axis& a : s.axis) {
        taps = times(taps, a.kernel, {n.w, ": the number of its taps"});
        inputs = times(inputs, a.output, size_of_x);
        outputs = times(outputs, a.input, size_of_output);
    }
    const Size batch = std::max<Size>(s.batch, 1);
    times(times(times(times(batch, s.groups, size_of_x), s.out_channels, size_of_x), inputs, size_of_x), size_of(dtype),
          {n.x, ": its size in bytes"});
    const Size channels = times(s.groups, s.in_channels, {n.w, ": the number of output channels"});
    const Size results = times(times(batch, channels, size_of_output), outputs, size_of_output);
    times(results, size_of(dtype), {n.x, ", stride and ", n.w, ": the size of the output in bytes"});
    const Size k = std::max<Size>(1, times(taps, s.out_channels, {n.w, ": channels * taps"}));
    times(times(results, k, operations), 16, operations);
    with_batch(s, s.batch, dtype, n);  // what the convolution needs
}

}  // namespace

ConvShape validate_transposed(const TransposedRequest& r) {
    at_least("stride", r.stride, 1);
    at_least("dilation", r.dilation, 1);
    check_kernel(r.kernel, r.names);
    at_least("output_padding", r.output_padding, 0);
    if (!r.output_size.empty()) at_least("output_size", r.output_size, 0);
    if (r.padding.kind == PaddingKind::given) {
        at_least("padding", r.padding.before, 0);
        at_least("padding", r.padding.after, 0);
    }
    check_channels(r);
    check_padding(r);
    ConvShape shape;
    shape.batch = r.batch;
    shape.groups = r.groups;
    shape.in_channels = r.w_out;
    shape.out_channels = r.w_in / r.groups;
    for (std::size_t i = 0; i < static_cast<std::size_t>(r.rank); ++i)
        shape.axis[3 - static_cast<std::size_t>(r.rank) + i] = make_axis(r, i);
    check_sizes(shape, r.dtype, r.names);
    return shape;
}

ConvShape with_result_as_output(ConvShape forward) {
    std::swap(forward.in_channels, forward.out_channels);
    for (Axis& a : forward.axis) std::swap(a.input, a.output);
    return forward;
}

}  // namespace npconv

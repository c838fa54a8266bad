// SPDX-License-Identifier: BSD-3-Clause
#include "core/validate.hpp"

#include <algorithm>

namespace npconv {
namespace {

using Size = std::int64_t;

void check_channels(const ConvRequest& r) {
    if (r.groups < 1) refuse("groups must be at least 1, got " + std::to_string(r.groups));
    if (times(r.w_in, r.groups, {r.names.w, r.names.dot_shape(), "[1] * groups"}) != r.channels) {
        refuse(std::string(r.names.x) + " has " + std::to_string(r.channels) + " channels with layout=\"" +
               (r.layout == Layout::channels_first ? "channels_first" : "channels_last") + "\", but " + r.names.w + " takes " +
               std::to_string(r.w_in) + " (" + r.names.w + r.names.dot_shape() + "[1]) in each of groups=" + std::to_string(r.groups) +
               ", expected " + std::to_string(r.w_in * r.groups));
    }
    if (r.w_out % r.groups != 0) {
        refuse("groups must divide the output channels, got groups=" + std::to_string(r.groups) + " and " + std::to_string(r.w_out) +
               " output channels (" + r.names.w + r.names.dot_shape() + "[0])");
    }
}

Axis make_axis(const ConvRequest& r, std::size_t i) {
    Axis axis;
    axis.input = r.input[i];
    axis.kernel = r.kernel[i];
    axis.stride = r.stride[i];
    axis.dilation = r.dilation[i];
    const Size reach = pad(axis, r.padding, i);
    const auto where = [i] { return " on spatial axis " + std::to_string(i); };
    if (r.border != Border::zeros && axis.input == 0 && axis.padded()) {
        refuse("padding of an empty axis needs padding_mode=\"zeros\": " + std::string(r.names.x) + " has size 0" + where());
    }
    const Size padded = plus(axis.input, plus(axis.pad_before, axis.pad_after, "padding"), "padding: the padded size");
    // A single output takes no step and a single tap has no neighbour. The largest numbers say the same as smaller ones, whose products
    // fit.
    constexpr Size large = 1 << 20;
    const Size far = std::max(padded, large);
    if (axis.kernel == 1) axis.dilation = std::min(axis.dilation, far);
    if (r.padding.same()) {
        if (axis.output <= 1) axis.stride = std::min(axis.stride, far);
        return axis;
    }
    if (reach > padded) {
        refuse("the kernel must not be larger than the padded input, got kernel " + std::to_string(axis.kernel) +
               (axis.dilation > 1 ? " with dilation " + std::to_string(axis.dilation) + " (" + std::to_string(reach) + " elements)"
                                  : std::string()) +
               " for " + std::to_string(padded) + " elements (" + std::to_string(axis.input) + " and padding)" + where());
    }
    axis.output = (padded - reach) / axis.stride + 1;
    if (axis.output <= 1) axis.stride = std::min(axis.stride, far);
    return axis;
}

// Every product that is formed later is formed here once, with the check.
void check_sizes(const ConvShape& s, DType dtype, const OperandNames& n) {
    const Words size_of_x{n.x, ": its size"}, size_of_output{n.x, " and ", n.w, ": the size of the output"},
        operations{n.x, " and ", n.w, ": the number of operations"}, packed{n.w, ": its size when packed"};
    Size taps = 1, pixels = 1, inputs = 1;
    for (const Axis& a : s.axis) {
        taps = times(taps, a.kernel, {n.w, ": the number of its taps"});
        pixels = times(pixels, a.output, {n.x, " and padding: the number of output pixels"});
        inputs = times(inputs, a.input, size_of_x);
    }
    const Size k = times(taps, s.in_channels, {n.w, ": channels * taps"});
    const Size out_channels = times(s.groups, s.out_channels, {n.w, ": the number of output channels"});
    const Size batch = std::max<Size>(s.batch, 1);
    const Size in_channels = times(s.groups, s.in_channels, {n.x, ": the number of its channels"});
    times(times(times(batch, in_channels, size_of_x), inputs, size_of_x), size_of(dtype), {n.x, ": its size in bytes"});
    const Size outputs = times(times(batch, out_channels, size_of_output), pixels, size_of_output);
    times(outputs, size_of(dtype), {n.x, " and ", n.w, ": the size of the output in bytes"});
    times(times(outputs, std::max<Size>(k, 1), operations), 2, operations);
    // Packing rounds the channels of a group up to whole vectors of at most 64 bytes.
    const Size padded = times(plus(s.out_channels, 64, {n.w, ": the number of output channels"}), s.groups, packed);
    times(times(padded, std::max<Size>(k, 1), packed), size_of(dtype), {n.w, ": its size in bytes when packed"});
}

}  // namespace

ConvShape validate(const ConvRequest& r) {
    at_least("stride", r.stride, 1);
    at_least("dilation", r.dilation, 1);
    check_kernel(r.kernel, r.names);
    if (r.padding.kind == PaddingKind::given) {
        at_least("padding", r.padding.before, 0);
        at_least("padding", r.padding.after, 0);
    }
    check_channels(r);
    ConvShape shape;
    shape.batch = r.batch;
    shape.groups = r.groups;
    shape.in_channels = r.w_in;
    shape.out_channels = r.w_out / r.groups;
    for (std::size_t i = 0; i < static_cast<std::size_t>(r.rank); ++i)
        shape.axis[3 - static_cast<std::size_t>(r.rank) + i] = make_axis(r, i);
    check_sizes(shape, r.dtype, r.names);
    return shape;
}

ConvShape with_batch(ConvShape shape, Size batch, DType dtype, const OperandNames& names) {
    shape.batch = batch;
    check_sizes(shape, dtype, names);
    return shape;
}

}  // namespace npconv

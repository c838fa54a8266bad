// SPDX-License-Identifier: BSD-3-Clause
#include "core/pool_shape.hpp"

#include <algorithm>
#include <limits>

#include "core/split.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

std::string on_axis(std::size_t i) { return " on spatial axis " + std::to_string(i); }

// All sizes as products that fit, eight bytes an element.
PoolShape checked(const PoolShape& s, const char* what) {
    Size inputs = 1, outputs = 1;
    for (const Axis& a : s.axis) {
        inputs = times(inputs, a.input, {what, ": its size"});
        outputs = times(outputs, a.output, "the size of the result");
    }
    const Size planes = times(std::max<Size>(s.batch, 1), std::max<Size>(s.channels, 1), {what, ": its size"});
    times(times(planes, inputs, {what, ": its size"}), 8, {what, ": its size in bytes"});
    times(times(planes, outputs, "the size of the result"), 8, "the size of the result in bytes");
    return s;
}

void not_empty(const char* what, Size input, std::size_t i) {
    if (input < 1)
        refuse(std::string(what) + " must have at least one element on every spatial axis, got " + std::to_string(input) + on_axis(i));
}

void check_ints(const PoolRequest& r) {
    at_least("kernel_size", r.kernel, 1);
    at_least("stride", r.stride, 1);
    at_least("dilation", r.dilation, 1);
    if (r.padding.kind != PaddingKind::given) return;
    at_least("padding", r.padding.before, 0);
    at_least("padding", r.padding.after, 0);
}

Axis make_axis(const PoolRequest& r, std::size_t i) {
    Axis a;
    a.input = r.input[i];
    a.kernel = r.kernel[i];
    a.stride = r.stride[i];
    a.dilation = r.dilation[i];
    not_empty(r.what, a.input, i);
    const Size reach = pad(a, r.padding, i);
    if (!r.any_padding && (a.pad_before >= reach || a.pad_after >= reach)) {
        refuse("padding must be less than the kernel with its dilation, " + std::to_string(reach) + " elements, got (" +
               std::to_string(a.pad_before) + ", " + std::to_string(a.pad_after) + ")" + on_axis(i));
    }
    const Size padded = plus(a.input, plus(a.pad_before, a.pad_after, "padding"), "padding: the padded size");
    if (!r.padding.same()) {
        const bool overhang = r.ceil_mode && reach > padded && reach - padded < a.stride;
        if (reach > padded && !overhang) {
            refuse("kernel_size must not be larger than the padded " + std::string(r.what) + ", got kernel " + std::to_string(a.kernel) +
                   (a.dilation > 1 ? " with dilation " + std::to_string(a.dilation) + " (" + std::to_string(reach) + " elements)"
                                   : std::string()) +
                   " for " + std::to_string(padded) + " elements (" + std::to_string(a.input) + " and padding)" + on_axis(i));
        }
        const Size left = std::max<Size>(padded - reach, 0);
        a.output = left / a.stride + (r.ceil_mode && left % a.stride != 0 ? 1 : 0) + 1;
        // A last window that starts beyond the input and the padding before it is none.
        if (r.ceil_mode && a.output - 1 >= ceil_div(a.input + a.pad_before, a.stride)) --a.output;
    }
    if (a.output == 1) a.stride = 1;  // a single window has none, however large
    return a;
}

}  // namespace

PoolShape validate_pool(const PoolRequest& r) {
    check_ints(r);
    PoolShape shape;
    shape.batch = r.batch;
    shape.channels = r.channels;
    for (std::size_t i = 0; i < r.input.size(); ++i) shape.axis[3 - r.input.size() + i] = make_axis(r, i);
    return checked(shape, r.what);
}

PoolShape validate_adaptive(const char* what, Size batch, Size channels, const std::vector<Size>& input, const std::vector<Size>& output) {
    at_least("output_size", output, 1);
    PoolShape shape;
    shape.batch = batch;
    shape.channels = channels;
    for (std::size_t i = 0; i < input.size(); ++i) {
        not_empty(what, input[i], i);
        Axis& a = shape.axis[3 - input.size() + i];
        a.input = input[i];
        a.output = output[i];
        times(a.input, plus(a.output, 1, "output_size"), {"output_size: the product with the size of ", what});
    }
    return checked(shape, what);
}

PoolShape validate_unpool(const PoolRequest& r, const std::vector<Size>& output_size) {
    check_ints(r);
    PoolShape shape;
    shape.batch = r.batch;
    shape.channels = r.channels;
    for (std::size_t i = 0; i < r.input.size(); ++i) {
        Axis& a = shape.axis[3 - r.input.size() + i];
        a.output = r.input[i];
        a.kernel = r.kernel[i];
        a.stride = r.stride[i];
        not_empty(r.what, a.output, i);
        Size usual;
        if (r.padding.same()) {
            usual = times(a.output, a.stride, {r.what, " and stride: the size of the result"});
        } else {
            pad(a, r.padding, i);
            if (a.pad_before >= a.kernel || a.pad_after >= a.kernel) {
                refuse("padding must be less than the kernel, " + std::to_string(a.kernel) + " elements, got (" +
                       std::to_string(a.pad_before) + ", " + std::to_string(a.pad_after) + ")" + on_axis(i));
            }
            usual = plus(times(a.output - 1, a.stride, {r.what, " and stride: the size of the result"}), a.kernel,
                         {r.what, ", stride and kernel_size"}) -
                    a.pad_before - a.pad_after;
        }
        a.input = output_size.empty() ? usual : output_size[i];
        // Without sums that overflow: usual may be below 0, and stride as large as numbers are.
        const Size least = usual > a.stride ? usual - a.stride + 1 : 1;
        const Size most =
            usual > std::numeric_limits<Size>::max() - (a.stride - 1) ? std::numeric_limits<Size>::max() : usual + (a.stride - 1);
        if (most < 1) {
            refuse("padding must leave a result of at least one element" + on_axis(i) + ", got (" + std::to_string(a.pad_before) + ", " +
                   std::to_string(a.pad_after) + ") for " + std::to_string(a.output) + " element" + (a.output == 1 ? "" : "s") + " of " +
                   r.what + ", kernel " + std::to_string(a.kernel) + " and stride " + std::to_string(a.stride));
        }
        if (a.input < least || a.input > most) {
            refuse("output_size must be between " + std::to_string(least) + " and " + std::to_string(most) + on_axis(i) + " for " + r.what +
                   " of that size, kernel_size, stride and padding, got " + std::to_string(a.input));
        }
    }
    return checked(shape, r.what);
}

}  // namespace npconv

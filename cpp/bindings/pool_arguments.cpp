// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/pool_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bindings/context.hpp"
#include "bindings/register.hpp"

namespace npconv {

PoolRequest parse_windows(const WindowKeywords& k, int rank) {
    PoolRequest r;
    r.kernel = parse_ints(k.kernel_size, "kernel_size", rank);
    r.stride = k.stride.is_none() ? r.kernel : parse_ints(k.stride, "stride", rank);
    r.padding = parse_padding(k.padding, rank);
    r.dilation = k.dilation ? parse_ints(k.dilation, "dilation", rank) : Shape(static_cast<std::size_t>(rank), 1);
    r.ceil_mode = k.ceil_mode && parse_bool(k.ceil_mode, "ceil_mode");
    return r;
}

PoolShape pool_shape(PoolRequest windows, const Sizes& sizes, const char* what) {
    windows.what = what;
    windows.batch = sizes.batch;
    windows.channels = sizes.channels;
    windows.input = sizes.spatial;
    return validate_pool(windows);
}

double parse_norm_type(py::handle value) {
    const double p = parse_number(value, "norm_type");
    if (!(p > 0) || !std::isfinite(p)) throw py::value_error("norm_type must be a finite number above 0, got " + shown(value));
    return p;
}

std::optional<std::int64_t> parse_divisor(py::handle value) {
    if (value.is_none()) return std::nullopt;
    const std::int64_t divisor = parse_int(value, "divisor_override");
    if (divisor == 0) throw py::value_error("divisor_override must be None or an int other than 0, got 0");
    return divisor;
}

Shape parse_output_size(py::handle value, int rank, bool none_entries) {
    if (!none_entries || !is_sequence(value)) return parse_ints(value, "output_size", rank);
    Shape sizes;
    for (const py::handle item : snapshot(value)) {
        sizes.push_back(item.is_none() ? 0 : parse_int(item, "output_size"));
        if (!item.is_none() && sizes.back() < 1) {
            throw py::value_error("output_size must be at least 1 on every axis (None: the size of x), got " + shown(value));
        }
    }
    if (sizes.size() != static_cast<std::size_t>(rank)) {
        throw py::value_error("output_size must be an int or a tuple of " + std::to_string(rank) + " entries for " + spatial_axes(rank) +
                              ", got " + shown(value));
    }
    return sizes;
}

PoolCall parse_call(py::handle layout, py::handle num_threads) {
    const Layout order = parse_layout(layout);
    return {DType::f32, order, &current_context(), threads_for_call(parse_num_threads(num_threads))};
}

Form form_of_axes(const Shape& shape, int rank, const char* name, const char* operation, const std::string& given) {
    const auto n = static_cast<std::size_t>(rank);
    if (shape.size() == n + 2) return Form::batched;
    if (shape.size() == n + 1) return Form::unbatched;
    if (shape.size() == n) return Form::single_channel;
    throw py::value_error(std::string(name) + " must have " + std::to_string(n + 2) + " axes (" + std::to_string(n + 1) +
                          " without the batch, " + std::to_string(n) + " without channels) for " + operation + " over " +
                          spatial_axes(rank) + "; got shape " + (given.empty() ? tuple_text(shape) : given));
}

Tensor::Tensor(const Arrays& arrays, std::size_t i, int rank, Layout layout, Accepted accepted, const char* operation)
    : dtype(dtype_of(arrays[i], arrays.name(i), accepted)),
      shape(shape_of(arrays[i])),
      frame{rank, form_of_axes(shape, rank, arrays.name(i), operation), layout},
      sizes(sizes_of(shape, frame)) {}

Shape Tensor::with_spatial(const Shape& spatial) const { return shape_in(frame, {sizes.batch, sizes.channels, spatial}); }

Shape spatial_of(const PoolShape& shape, int rank, std::int64_t Axis::*size) {
    Shape sizes;
    for (std::size_t i = static_cast<std::size_t>(3 - rank); i < 3; ++i) sizes.push_back(shape.axis[i].*size);
    return sizes;
}

std::array<std::int64_t, 3> three_sizes(const Shape& spatial) {
    std::array<std::int64_t, 3> sizes{1, 1, 1};
    std::copy(spatial.begin(), spatial.end(), sizes.end() - static_cast<std::ptrdiff_t>(spatial.size()));
    return sizes;
}

PlacesView places_of(const Arrays& arrays, const Frame& frame, const PlacedShape& shape, std::int64_t least, const PoolCall& call,
                     const char* expected, py::array& memory) {
    memory = readable(arrays[1]);
    const PlacesView places = view_of<std::int64_t>(memory, frame);
    if (const std::optional<std::int64_t> bad = without_gil([&] { return bad_place(shape, least, call, places); })) {
        throw py::value_error("indices must be from 0 to " + std::to_string(shape.many - 1) + ", " + expected + "; got " +
                              std::to_string(*bad));
    }
    return places;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/pool_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bindings/context.hpp"
#include "bindings/register.hpp"
#include "bindings/without_gil.hpp"

namespace npconv {

WindowSettings parse_windows(const WindowKeywords& k, int rank) {
    WindowSettings s;
    s.kernel = parse_ints(k.kernel_size, "kernel_size", rank);
    s.stride = k.stride.is_none() ? s.kernel : parse_ints(k.stride, "stride", rank);
    s.padding = parse_padding(k.padding, rank);
    s.dilation = k.dilation ? parse_ints(k.dilation, "dilation", rank) : std::vector<std::int64_t>(static_cast<std::size_t>(rank), 1);
    s.ceil_mode = k.ceil_mode && parse_bool(k.ceil_mode, "ceil_mode");
    return s;
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

std::vector<std::int64_t> parse_output_size(py::handle value, int rank, bool none_entries) {
    if (!none_entries || !is_sequence(value)) return parse_ints(value, "output_size", rank);
    std::vector<std::int64_t> sizes;
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

std::vector<std::int64_t> parse_shape(py::handle value, const char* name) {
    if (!is_sequence(value)) throw py::type_error(std::string(name) + " must be a tuple of ints, got " + shown(value));
    std::vector<std::int64_t> shape;
    for (const py::handle item : snapshot(value)) {
        shape.push_back(parse_int(item, name));
        if (shape.back() < 0) throw py::value_error(std::string(name) + " must not have negative entries, got " + shown(value));
    }
    return shape;
}

Form form_of_axes(std::size_t axes, int rank, const char* name, const std::string& shape, const char* operation) {
    const auto n = static_cast<std::size_t>(rank);
    if (axes == n + 2) return Form::batched;
    if (axes == n + 1) return Form::unbatched;
    if (axes == n) return Form::single_channel;
    throw py::value_error(std::string(name) + " must have " + std::to_string(n + 2) + " axes (" + std::to_string(n + 1) +
                          " without the batch, " + std::to_string(n) + " without channels) for " + operation + " over " +
                          spatial_axes(rank) + "; got shape " + shape);
}

Input::Input(py::handle value, const char* name, int rank, Layout layout, bool reals) {
    array = given_array(value, name);
    dtype = reals ? dtype_of(array, name) : any_dtype_of(array, name);
    const std::vector<std::int64_t> shape = shape_of(array);
    form = form_of_axes(shape.size(), rank, name, tuple_text(shape));
    sizes = sizes_of(shape.data(), rank, form, layout);
    text = tuple_text(shape);
}

std::vector<std::int64_t> result_shape(const Input& input, const std::vector<std::int64_t>& spatial, Layout layout) {
    Sizes sizes = input.sizes;
    sizes.spatial = spatial;
    return output_shape(sizes, input.form, layout);
}

PoolResult::PoolResult(py::handle out, DType dtype, const std::vector<std::int64_t>& shape, Form form,
                       const std::vector<std::pair<const char*, const py::array*>>& inputs) {
    if (out && !out.is_none()) {
        array = own_view(checked_out(out, dtype, inputs[0].first, shape, form));
        for (const auto& [name, input] : inputs) refuse_overlap(array, *input, name, false);
        given = py::reinterpret_borrow<py::object>(out);
    } else {
        array = new_array(dtype, shape);
        given = array;
    }
    batch_step = form == Form::batched && array.shape(0) > 1 ? array.strides(0) / array.itemsize() : 0;
}

std::array<std::int64_t, 3> three_sizes(const std::vector<std::int64_t>& spatial) {
    std::array<std::int64_t, 3> sizes{1, 1, 1};
    std::copy(spatial.begin(), spatial.end(), sizes.end() - static_cast<std::ptrdiff_t>(spatial.size()));
    return sizes;
}

void check_places(const PlacedShape& shape, std::int64_t least, const PoolCall& call, const PlacesView& places, const char* expected) {
    const std::optional<std::int64_t> bad = without_gil([&] { return bad_place(shape, least, call, places); });
    if (!bad) return;
    throw py::value_error("indices must be from 0 to " + std::to_string(shape.many - 1) + ", " + expected + "; got " +
                          std::to_string(*bad));
}

std::vector<std::int64_t> spatial_of(const PoolShape& shape, int rank, std::int64_t Axis::*size) {
    std::vector<std::int64_t> sizes;
    for (std::size_t i = static_cast<std::size_t>(3 - rank); i < 3; ++i) sizes.push_back(shape.axis[i].*size);
    return sizes;
}

PoolRequest request_of(const WindowSettings& s, const Sizes& sizes, const char* what) {
    PoolRequest r;
    r.what = what;
    r.batch = sizes.batch;
    r.channels = sizes.channels;
    r.input = sizes.spatial;
    r.kernel = s.kernel;
    r.stride = s.stride;
    r.dilation = s.dilation;
    r.padding = s.padding;
    r.ceil_mode = s.ceil_mode;
    return r;
}

PoolCall pool_call(Layout layout, int num_threads) { return {layout, current_context().kernels, threads_for_call(num_threads)}; }

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradients of pooling, as Python sees them.
#include <pybind11/pybind11.h>

#include "algorithms/global_pool.hpp"
#include "algorithms/lp_gradient.hpp"
#include "algorithms/pool_windows.hpp"
#include "algorithms/pooling.hpp"
#include "algorithms/scatter.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"
#include "bindings/without_gil.hpp"

namespace npconv {
namespace {

// input_shape, read as a shape in the form of grad_out.
Sizes input_sizes(const std::vector<std::int64_t>& shape, const Input& g, int rank, Layout layout) {
    const std::size_t axes = static_cast<std::size_t>(rank) + (g.form == Form::batched ? 2 : g.form == Form::unbatched ? 1 : 0);
    if (shape.size() != axes) {
        throw py::value_error("input_shape must have as many axes as grad_out, " + std::to_string(axes) + "; got " + tuple_text(shape));
    }
    const Sizes sizes = sizes_of(shape.data(), rank, g.form, layout);
    if (sizes.batch != g.sizes.batch || sizes.channels != g.sizes.channels) {
        throw py::value_error("input_shape must have the batch and the channels of grad_out, of shape " + g.text + "; got " +
                              tuple_text(shape));
    }
    return sizes;
}

void expect_output(const Input& g, const std::vector<std::int64_t>& spatial, Layout layout) {
    const std::vector<std::int64_t> wanted = result_shape(g, spatial, layout);
    if (shape_of(g.array) == wanted) return;
    throw py::value_error("grad_out must have the shape of the result of these arguments, " + tuple_text(wanted) + "; got " +
                          shape_text(g.array));
}

// From the gradient of a result to that of its input: `compute(operands)`, x being the former.
template <class Compute>
py::object run_gradient(const Input& g, int rank, Layout layout, const std::vector<std::int64_t>& result, py::handle out,
                        const Compute& compute) {
    PoolResult y(out, g.dtype, result, g.form, {{"grad_out", &g.array}});
    with_real(g.dtype, [&](auto t) {
        using X = decltype(t);
        py::array memory;
        PoolOperands<X> io;
        io.x = view_of_input<X>(g, rank, layout, memory);
        io.y = static_cast<X*>(y.array.mutable_data());
        io.y_batch = y.batch_step;
        without_gil([&] { compute(io); });
    });
    return y.given;
}

py::object grad_avg_pool(int rank, py::handle grad_out, py::handle input_shape, py::handle kernel_size, py::handle stride,
                         py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle count_include_pad,
                         py::handle divisor_override, py::handle layout_value, py::handle out, py::handle num_threads) {
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const AverageRule rule{parse_bool(count_include_pad, "count_include_pad"), parse_divisor(divisor_override)};
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const std::vector<std::int64_t> x_shape = parse_shape(input_shape, "input_shape");
    const Input g(grad_out, "grad_out", rank, layout, true);
    const PoolShape shape = validate_pool(request_of(settings, input_sizes(x_shape, g, rank, layout), "input_shape"));
    expect_output(g, spatial_of(shape, rank, &Axis::output), layout);
    return run_gradient(g, rank, layout, x_shape, out, [&](const auto& io) { avg_pool_gradient(shape, rule, call, io); });
}

py::object grad_adaptive_avg_pool(int rank, py::handle grad_out, py::handle input_shape, py::handle layout_value, py::handle out,
                                  py::handle num_threads) {
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const std::vector<std::int64_t> x_shape = parse_shape(input_shape, "input_shape");
    const Input g(grad_out, "grad_out", rank, layout, true);
    const Sizes sizes = input_sizes(x_shape, g, rank, layout);
    at_least("the spatial sizes of grad_out", g.sizes.spatial, 1);
    const PoolShape shape = validate_adaptive("input_shape", sizes.batch, sizes.channels, sizes.spatial, g.sizes.spatial);
    return run_gradient(g, rank, layout, x_shape, out, [&](const auto& io) { adaptive_avg_pool_gradient(shape, call, io); });
}

// The gradient of a global pooling with its spatial axes, whether the caller's has them or not.
Input with_axes(py::handle grad_out, int rank, std::size_t x_axes, bool keepdims, Layout layout) {
    const py::array given = given_array(grad_out, "grad_out");
    const auto n = static_cast<std::size_t>(rank);
    const std::size_t wanted = keepdims ? x_axes : x_axes - n;
    if (static_cast<std::size_t>(given.ndim()) != wanted) {
        throw py::value_error("grad_out must have " + std::to_string(wanted) + " axes with keepdims=" + (keepdims ? "True" : "False") +
                              " for an input of " + std::to_string(x_axes) + " axes; got shape " + shape_text(given));
    }
    if (keepdims) return Input(given, "grad_out", rank, layout, true);
    std::vector<std::int64_t> shape = shape_of(given), strides(given.strides(), given.strides() + given.ndim());
    const std::size_t at = shape.size() - (layout == Layout::channels_last && x_axes > n ? 1 : 0);
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), n, 1);
    strides.insert(strides.begin() + static_cast<std::ptrdiff_t>(at), n, given.itemsize());
    Input input(py::array(given.dtype(), shape, strides, given.data(), given), "grad_out", rank, layout, true);
    input.text = shape_text(given);
    return input;
}

void expect_ones(const Input& g, const std::vector<std::int64_t>& x_shape, bool keepdims) {
    if (!keepdims) return;
    for (const std::int64_t n : g.sizes.spatial) {
        if (n == 1) continue;
        throw py::value_error("grad_out must have spatial axes of size 1 with keepdims=True for an input of shape " + tuple_text(x_shape) +
                              "; got shape " + shape_text(g.array));
    }
}

py::object grad_global_avg_pool(int rank, py::handle grad_out, py::handle input_shape, py::handle keepdims, py::handle layout_value,
                                py::handle out, py::handle num_threads) {
    const bool keep = parse_bool(keepdims, "keepdims");
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const std::vector<std::int64_t> x_shape = parse_shape(input_shape, "input_shape");
    form_of_axes(x_shape.size(), rank, "input_shape", tuple_text(x_shape));  // or throws
    const Input g = with_axes(grad_out, rank, x_shape.size(), keep, layout);
    const Sizes sizes = input_sizes(x_shape, g, rank, layout);
    const std::vector<std::int64_t> ones(static_cast<std::size_t>(rank), 1);
    const PoolShape shape = validate_adaptive("input_shape", sizes.batch, sizes.channels, sizes.spatial, ones);
    expect_ones(g, x_shape, keep);
    return run_gradient(g, rank, layout, x_shape, out, [&](const auto& io) { adaptive_avg_pool_gradient(shape, call, io); });
}

py::object grad_lp_pool(int rank, py::handle grad_out, py::handle x_value, py::handle norm_type, py::handle kernel_size, py::handle stride,
                        py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle layout_value, py::handle out,
                        py::handle num_threads) {
    const double power = parse_norm_type(norm_type);
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, true), g(grad_out, "grad_out", rank, layout, true);
    expect_dtype(g.array, "grad_out", x.dtype, "x");
    const PoolShape shape = validate_pool(request_of(settings, x.sizes, "x"));
    const std::vector<std::int64_t> wanted = result_shape(x, spatial_of(shape, rank, &Axis::output), layout);
    if (shape_of(g.array) != wanted) {
        throw py::value_error("grad_out must have the shape of the result of these arguments, " + tuple_text(wanted) + "; got " +
                              shape_text(g.array));
    }
    PoolResult y(out, x.dtype, shape_of(x.array), x.form, {{"x", &x.array}, {"grad_out", &g.array}});
    with_real(x.dtype, [&](auto t) {
        using X = decltype(t);
        py::array x_memory, g_memory;
        const TensorView<const X> values = view_of_input<X>(x, rank, layout, x_memory);
        const TensorView<const X> gradient = view_of_input<X>(g, rank, layout, g_memory);
        auto* to = static_cast<X*>(y.array.mutable_data());
        without_gil([&] { lp_pool_gradient(shape, power, call, values, gradient, to, y.batch_step); });
    });
    return y.given;
}

py::object grad_max_pool(int rank, py::handle grad_out, py::handle indices_value, py::handle input_shape, py::handle layout_value,
                         py::handle out, py::handle num_threads) {
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const std::vector<std::int64_t> x_shape = parse_shape(input_shape, "input_shape");
    const py::array places = given_array(indices_value, "indices");
    const Input g(grad_out, "grad_out", rank, layout, true);
    expect_int64(places, "indices");
    if (shape_of(places) != shape_of(g.array)) {
        throw py::value_error("indices must have the shape of grad_out, " + shape_text(g.array) + "; got " + shape_text(places));
    }
    const Sizes sizes = input_sizes(x_shape, g, rank, layout);
    at_least("input_shape: its spatial sizes", sizes.spatial, 1);
    std::int64_t many = 1;
    for (const std::int64_t n : sizes.spatial) many = times(many, n, "input_shape: its size");
    times(times(sizes.batch * sizes.channels, many, "input_shape: its size"), 8, "input_shape: its size in bytes");
    const PlacedShape placed(sizes.batch, sizes.channels, three_sizes(g.sizes.spatial), three_sizes(sizes.spatial));
    const py::array native_places = readable(places);
    const PlacesView at = view_of<std::int64_t>(native_places, rank, g.form, layout);
    check_places(placed, -1, call, at, "the places of a plane of the input, or -1 for none");
    PoolResult y(out, g.dtype, x_shape, g.form, {{"grad_out", &g.array}, {"indices", &places}});
    with_real(g.dtype, [&](auto t) {
        using X = decltype(t);
        py::array memory;
        const TensorView<const X> from = view_of_input<X>(g, rank, layout, memory);
        auto* to = static_cast<X*>(y.array.mutable_data());
        without_gil([&] { add_at_places(placed, call, from, at, to, y.batch_step); });
    });
    return y.given;
}

py::object grad_global_max_pool(int rank, py::handle grad_out, py::handle x_value, py::handle keepdims, py::handle layout_value,
                                py::handle out, py::handle num_threads) {
    const bool keep = parse_bool(keepdims, "keepdims");
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, true);
    const Input g = with_axes(grad_out, rank, static_cast<std::size_t>(x.array.ndim()), keep, layout);
    expect_dtype(g.array, "grad_out", x.dtype, "x");
    const std::vector<std::int64_t> ones(static_cast<std::size_t>(rank), 1);
    const PoolShape shape = validate_adaptive("x", x.sizes.batch, x.sizes.channels, x.sizes.spatial, ones);
    const bool alike = g.sizes.batch == x.sizes.batch && g.sizes.channels == x.sizes.channels;
    if (!alike) {
        throw py::value_error("grad_out must have the batch and the channels of x, of shape " + shape_text(x.array) + "; got shape " +
                              g.text);
    }
    expect_ones(g, shape_of(x.array), keep);
    PoolResult y(out, x.dtype, shape_of(x.array), x.form, {{"x", &x.array}, {"grad_out", &g.array}});
    with_real(x.dtype, [&](auto t) {
        using X = decltype(t);
        py::array x_memory, g_memory;
        const TensorView<const X> values = view_of_input<X>(x, rank, layout, x_memory);
        const TensorView<const X> gradient = view_of_input<X>(g, rank, layout, g_memory);
        auto* to = static_cast<X*>(y.array.mutable_data());
        without_gil([&] { global_max_pool_gradient(shape, call, values, gradient, to, y.batch_step); });
    });
    return y.given;
}

py::object grad_max_unpool(int rank, py::handle grad_out, py::handle indices_value, py::handle layout_value, py::handle num_threads) {
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const py::array places = given_array(indices_value, "indices");
    expect_int64(places, "indices");
    const Input g(grad_out, "grad_out", rank, layout, true);
    const std::vector<std::int64_t> shape = shape_of(places);
    const bool axes = shape.size() == static_cast<std::size_t>(g.array.ndim());
    const Sizes sizes = axes ? sizes_of(shape.data(), rank, g.form, layout) : Sizes{};
    if (!axes || sizes.batch != g.sizes.batch || sizes.channels != g.sizes.channels) {
        throw py::value_error("indices must have the axes, the batch and the channels of grad_out, of shape " + shape_text(g.array) +
                              "; got " + tuple_text(shape));
    }
    const PlacedShape placed(sizes.batch, sizes.channels, three_sizes(sizes.spatial), three_sizes(g.sizes.spatial));
    const py::array native_places = readable(places);
    const PlacesView at = view_of<std::int64_t>(native_places, rank, g.form, layout);
    check_places(placed, 0, call, at, "the places of a plane of grad_out");
    py::array result = new_array(g.dtype, shape);
    with_real(g.dtype, [&](auto t) {
        using X = decltype(t);
        py::array memory;
        const TensorView<const X> values = view_of_input<X>(g, rank, layout, memory);
        auto* to = static_cast<X*>(result.mutable_data());
        if (placed.batch * placed.channels * placed.few > 0) without_gil([&] { take_from_places(placed, call, values, at, to); });
    });
    return result;
}

}  // namespace

void register_pool_gradients(py::module_& m) {
    m.def("grad_max_pool", &grad_max_pool);
    m.def("grad_avg_pool", &grad_avg_pool);
    m.def("grad_lp_pool", &grad_lp_pool);
    m.def("grad_adaptive_avg_pool", &grad_adaptive_avg_pool);
    m.def("grad_global_avg_pool", &grad_global_avg_pool);
    m.def("grad_global_max_pool", &grad_global_max_pool);
    m.def("grad_max_unpool", &grad_max_unpool);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradients of pooling, as Python sees them.
#include <pybind11/pybind11.h>

#include "algorithms/adaptive_pool.hpp"
#include "algorithms/global_pool.hpp"
#include "algorithms/lp_gradient.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"

namespace npconv {
namespace {

// input_shape, read as a shape in the form of grad_out. text: the shape of grad_out, as the caller knows it.
Sizes input_sizes(const Shape& shape, const Tensor& g, const std::string& text) {
    if (shape.size() != g.shape.size()) {
        throw py::value_error("input_shape must have as many axes as grad_out, " + std::to_string(g.shape.size()) + "; got " +
                              tuple_text(shape));
    }
    const Sizes sizes = sizes_of(shape, g.frame);
    if (sizes.batch != g.sizes.batch || sizes.channels != g.sizes.channels) {
        throw py::value_error("input_shape must have the batch and the channels of grad_out, of shape " + text + "; got " +
                              tuple_text(shape));
    }
    return sizes;
}
Sizes input_sizes(const Shape& shape, const Tensor& g) { return input_sizes(shape, g, tuple_text(g.shape)); }

// From the gradient of a result to that of its input, of shape x: `compute(call, operands)`, x of the operands being the former.
template <class Compute>
py::object run_gradient(Arrays& arrays, const Tensor& g, const Shape& x, PoolCall call, const Compute& compute) {
    call.dtype = g.dtype;
    const Result to = arrays.result(g.dtype, "grad_out", x, g.frame.form);
    compute_pool(arrays, g.frame, to, nullptr, [&](const PoolOperands& io) { compute(call, io); });
    return to.given;
}

py::object grad_avg_pool(int rank, py::handle grad_out, py::handle input_shape, py::handle kernel_size, py::handle stride,
                         py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle count_include_pad,
                         py::handle divisor_override, py::handle layout, py::handle out, py::handle num_threads) {
    PoolRequest windows = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const AverageRule rule{parse_bool(count_include_pad, "count_include_pad"), parse_divisor(divisor_override)};
    const PoolCall call = parse_call(layout, num_threads);
    const Shape x = parse_shape(input_shape, "input_shape");
    Arrays arrays({{"grad_out", grad_out}}, out);
    const Tensor g(arrays, 0, rank, call.layout);
    const PoolShape shape = pool_shape(std::move(windows), input_sizes(x, g), "input_shape");
    expect_shape(arrays[0], "grad_out", of_arguments, g.with_spatial(spatial_of(shape, rank, &Axis::output)));
    return run_gradient(arrays, g, x, call, [&](const auto& of, const auto& io) { avg_pool_gradient(shape, rule, of, io); });
}

py::object grad_adaptive_avg_pool(int rank, py::handle grad_out, py::handle input_shape, py::handle layout, py::handle out,
                                  py::handle num_threads) {
    const PoolCall call = parse_call(layout, num_threads);
    const Shape x = parse_shape(input_shape, "input_shape");
    Arrays arrays({{"grad_out", grad_out}}, out);
    const Tensor g(arrays, 0, rank, call.layout);
    const Sizes sizes = input_sizes(x, g);
    at_least("the spatial sizes of grad_out", g.sizes.spatial, 1);
    const PoolShape shape = validate_adaptive("input_shape", sizes.batch, sizes.channels, sizes.spatial, g.sizes.spatial);
    return run_gradient(arrays, g, x, call, [&](const auto& of, const auto& io) { adaptive_avg_pool_gradient(shape, of, io); });
}

// Puts the gradient of a global pooling with its spatial axes in the place of the caller's, which may lack them.
void add_axes(Arrays& arrays, int rank, std::size_t x_axes, bool keepdims, Layout layout) {
    const py::array given = arrays[0];
    const auto n = static_cast<std::size_t>(rank);
    const std::size_t wanted = keepdims ? x_axes : x_axes - n;
    if (static_cast<std::size_t>(given.ndim()) != wanted) {
        throw py::value_error("grad_out must have " + std::to_string(wanted) + " axes with keepdims=" + (keepdims ? "True" : "False") +
                              " for an input of " + std::to_string(x_axes) + " axes; got shape " + shape_text(given));
    }
    if (keepdims) return;
    Shape shape = shape_of(given), strides(given.strides(), given.strides() + given.ndim());
    const std::size_t at = shape.size() - (layout == Layout::channels_last && x_axes > n ? 1 : 0);
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), n, 1);
    strides.insert(strides.begin() + static_cast<std::ptrdiff_t>(at), n, given.itemsize());
    arrays[0] = py::array(given.dtype(), shape, strides, given.data(), given);
}

void expect_ones(const Tensor& g, const Shape& x, bool keepdims) {
    if (!keepdims) return;
    for (const std::int64_t n : g.sizes.spatial) {
        if (n == 1) continue;
        throw py::value_error("grad_out must have spatial axes of size 1 with keepdims=True for an input of shape " + tuple_text(x) +
                              "; got shape " + tuple_text(g.shape));
    }
}

py::object grad_global_avg_pool(int rank, py::handle grad_out, py::handle input_shape, py::handle keepdims, py::handle layout,
                                py::handle out, py::handle num_threads) {
    const bool keep = parse_bool(keepdims, "keepdims");
    const PoolCall call = parse_call(layout, num_threads);
    const Shape x = parse_shape(input_shape, "input_shape");
    form_of_axes(x, rank, "input_shape");  // or throws
    Arrays arrays({{"grad_out", grad_out}}, out);
    arrays.keep_shapes();
    const std::string given = shape_text(arrays[0]);
    add_axes(arrays, rank, x.size(), keep, call.layout);
    const Tensor g(arrays, 0, rank, call.layout);
    const Sizes sizes = input_sizes(x, g, given);
    const Shape ones(static_cast<std::size_t>(rank), 1);
    const PoolShape shape = validate_adaptive("input_shape", sizes.batch, sizes.channels, sizes.spatial, ones);
    expect_ones(g, x, keep);
    return run_gradient(arrays, g, x, call, [&](const auto& of, const auto& io) { adaptive_avg_pool_gradient(shape, of, io); });
}

// The gradient of a pooling of which x (array 1) is looked at again: `compute(call, x, operands)`.
template <class Compute>
py::object run_with_input(Arrays& arrays, const Tensor& g, const Tensor& x, PoolCall call, const Compute& compute) {
    call.dtype = x.dtype;
    const Result to = arrays.result(x.dtype, "x", x.shape, x.frame.form);
    compute_pool(arrays, g.frame, to, nullptr, [&](const PoolOperands& io) { compute(call, view_of(arrays[1], x.frame), io); });
    return to.given;
}

py::object grad_lp_pool(int rank, py::handle grad_out, py::handle x_value, py::handle norm_type, py::handle kernel_size, py::handle stride,
                        py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle layout, py::handle out,
                        py::handle num_threads) {
    const double power = parse_norm_type(norm_type);
    PoolRequest windows = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"grad_out", grad_out}, {"x", x_value}}, out);
    const Tensor x(arrays, 1, rank, call.layout), g(arrays, 0, rank, call.layout);
    expect_dtype(arrays[0], "grad_out", x.dtype, "x");
    const PoolShape shape = pool_shape(std::move(windows), x.sizes, "x");
    expect_shape(arrays[0], "grad_out", of_arguments, x.with_spatial(spatial_of(shape, rank, &Axis::output)));
    return run_with_input(arrays, g, x, call, [&](const auto& of, const AnyView& values, const auto& io) {
        lp_pool_gradient(shape, power, of, values, io.x, io.y, io.y_batch);
    });
}

py::object grad_global_max_pool(int rank, py::handle grad_out, py::handle x_value, py::handle keepdims, py::handle layout, py::handle out,
                                py::handle num_threads) {
    const bool keep = parse_bool(keepdims, "keepdims");
    const PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"grad_out", grad_out}, {"x", x_value}}, out);
    arrays.keep_shapes();
    const Tensor x(arrays, 1, rank, call.layout);
    const std::string given = shape_text(arrays[0]);
    add_axes(arrays, rank, x.shape.size(), keep, call.layout);
    const Tensor g(arrays, 0, rank, call.layout);
    expect_dtype(arrays[0], "grad_out", x.dtype, "x");
    const Shape ones(static_cast<std::size_t>(rank), 1);
    const PoolShape shape = validate_adaptive("x", x.sizes.batch, x.sizes.channels, x.sizes.spatial, ones);
    if (g.sizes.batch != x.sizes.batch || g.sizes.channels != x.sizes.channels) {
        throw py::value_error("grad_out must have the batch and the channels of x, of shape " + tuple_text(x.shape) + "; got shape " +
                              given);
    }
    expect_ones(g, x.shape, keep);
    return run_with_input(arrays, g, x, call, [&](const auto& of, const AnyView& values, const auto& io) {
        global_max_pool_gradient(shape, of, values, io.x, io.y, io.y_batch);
    });
}

py::object grad_max_pool(int rank, py::handle grad_out, py::handle indices, py::handle input_shape, py::handle layout, py::handle out,
                         py::handle num_threads) {
    const PoolCall call = parse_call(layout, num_threads);
    const Shape x = parse_shape(input_shape, "input_shape");
    Arrays arrays({{"grad_out", grad_out}, {"indices", indices}}, out);
    arrays.keep_shapes();  // other threads run while places are looked at
    const Tensor g(arrays, 0, rank, call.layout);
    dtype_of(arrays[1], "indices", Accepted::places);
    expect_shape(arrays[1], "indices", "of grad_out", g.shape);
    const Sizes sizes = input_sizes(x, g);
    at_least("input_shape: its spatial sizes", sizes.spatial, 1);
    std::int64_t many = 1;
    for (const std::int64_t n : sizes.spatial) many = times(many, n, "input_shape: its size");
    times(times(sizes.batch * sizes.channels, many, "input_shape: its size"), 8, "input_shape: its size in bytes");
    const PlacedShape placed(sizes.batch, sizes.channels, three_sizes(g.sizes.spatial), three_sizes(sizes.spatial));
    py::array memory = no_array();
    const PlacesView at = places_of(arrays, g.frame, placed, -1, call, "the places of a plane of the input, or -1 for none", memory);
    return run_gradient(arrays, g, x, call, [&](const auto& of, const auto& io) { add_at_places(placed, of, io.x, at, io.y, io.y_batch); });
}

py::object grad_max_unpool(int rank, py::handle grad_out, py::handle indices, py::handle layout, py::handle num_threads) {
    const PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"grad_out", grad_out}, {"indices", indices}});
    arrays.keep_shapes();  // other threads run while places are looked at
    dtype_of(arrays[1], "indices", Accepted::places);
    const Tensor g(arrays, 0, rank, call.layout);
    const Shape shape = shape_of(arrays[1]);
    const bool axes = shape.size() == g.shape.size();
    const Sizes sizes = axes ? sizes_of(shape, g.frame) : Sizes{};
    if (!axes || sizes.batch != g.sizes.batch || sizes.channels != g.sizes.channels) {
        throw py::value_error("indices must have the axes, the batch and the channels of grad_out, of shape " + tuple_text(g.shape) +
                              "; got " + tuple_text(shape));
    }
    const PlacedShape placed(sizes.batch, sizes.channels, three_sizes(sizes.spatial), three_sizes(g.sizes.spatial));
    py::array memory = no_array();
    const PlacesView at = places_of(arrays, g.frame, placed, 0, call, "the places of a plane of grad_out", memory);
    return run_gradient(arrays, g, shape, call, [&](const auto& of, const auto& io) {
        if (placed.batch * placed.channels * placed.few > 0) take_from_places(placed, of, io.x, at, io.y);
    });
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

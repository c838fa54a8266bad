// SPDX-License-Identifier: BSD-3-Clause
// Pooling, unpooling, unfold and fold, as Python sees them.
#include <pybind11/pybind11.h>

#include <algorithm>

#include "algorithms/pool_windows.hpp"
#include "algorithms/pooling.hpp"
#include "algorithms/scatter.hpp"
#include "algorithms/unfold.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"
#include "bindings/without_gil.hpp"

namespace npconv {
namespace {

// One run from x to a result of its form: `compute(operands)` for the element type of x, without the GIL.
template <bool Reals, class Compute>
py::object run_pool(const Input& x, int rank, Layout layout, const std::vector<std::int64_t>& result, py::handle out, bool places,
                    const Compute& compute) {
    PoolResult y(out, x.dtype, result, x.form, {{"x", &x.array}});
    py::array indices;
    if (places) indices = new_array(DType::i64, result);
    const auto run = [&](auto t) {
        using X = decltype(t);
        py::array memory;
        PoolOperands<X> io;
        io.x = view_of_input<X>(x, rank, layout, memory);
        io.y = static_cast<X*>(y.array.mutable_data());
        io.y_batch = y.batch_step;
        if (places) io.places = static_cast<std::int64_t*>(indices.mutable_data());
        without_gil([&] { compute(io); });
    };
    if constexpr (Reals)
        with_real(x.dtype, run);
    else
        with_type(x.dtype, run);
    return places ? py::object(py::make_tuple(y.given, indices)) : y.given;
}

// pool(shape, call, operands): of maxima or minima.
template <class Pool>
py::object py_extreme_pool(int rank, py::handle x_value, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                           py::handle ceil_mode, py::handle return_indices, py::handle layout_value, py::handle out, py::handle num_threads,
                           const Pool& pool) {
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const bool places = parse_bool(return_indices, "return_indices");
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, false);
    const PoolShape shape = validate_pool(request_of(settings, x.sizes, "x"));
    return run_pool<false>(x, rank, layout, result_shape(x, spatial_of(shape, rank, &Axis::output), layout), out, places,
                           [&](const auto& io) { pool(shape, call, io); });
}

py::object py_avg_pool(int rank, py::handle x_value, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                       py::handle ceil_mode, py::handle count_include_pad, py::handle divisor_override, py::handle layout_value,
                       py::handle out, py::handle num_threads) {
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const AverageRule rule{parse_bool(count_include_pad, "count_include_pad"), parse_divisor(divisor_override)};
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, true);
    const PoolShape shape = validate_pool(request_of(settings, x.sizes, "x"));
    return run_pool<true>(x, rank, layout, result_shape(x, spatial_of(shape, rank, &Axis::output), layout), out, false,
                          [&](const auto& io) { avg_pool(shape, rule, call, io); });
}

py::object py_lp_pool(int rank, py::handle x_value, py::handle norm_type, py::handle kernel_size, py::handle stride, py::handle padding,
                      py::handle dilation, py::handle ceil_mode, py::handle layout_value, py::handle out, py::handle num_threads) {
    const double power = parse_norm_type(norm_type);
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, ceil_mode}, rank);
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, true);
    const PoolShape shape = validate_pool(request_of(settings, x.sizes, "x"));
    return run_pool<true>(x, rank, layout, result_shape(x, spatial_of(shape, rank, &Axis::output), layout), out, false,
                          [&](const auto& io) { lp_pool(shape, power, call, io); });
}

PoolShape adaptive_shape(const Input& x, std::vector<std::int64_t> output) {
    for (std::size_t i = 0; i < output.size(); ++i) {
        if (output[i] == 0) output[i] = x.sizes.spatial[i];
    }
    return validate_adaptive("x", x.sizes.batch, x.sizes.channels, x.sizes.spatial, output);
}

py::object py_adaptive_avg_pool(int rank, py::handle x_value, py::handle output_size, py::handle layout_value, py::handle out,
                                py::handle num_threads) {
    const std::vector<std::int64_t> output = parse_output_size(output_size, rank, true);
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    at_least("output_size", output, is_sequence(output_size) ? 0 : 1);
    const Input x(x_value, "x", rank, layout, true);
    const PoolShape shape = adaptive_shape(x, output);
    return run_pool<true>(x, rank, layout, result_shape(x, spatial_of(shape, rank, &Axis::output), layout), out, false,
                          [&](const auto& io) { adaptive_avg_pool(shape, call, io); });
}

py::object py_adaptive_max_pool(int rank, py::handle x_value, py::handle output_size, py::handle return_indices, py::handle layout_value,
                                py::handle out, py::handle num_threads) {
    const std::vector<std::int64_t> output = parse_output_size(output_size, rank, true);
    const bool places = parse_bool(return_indices, "return_indices");
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    at_least("output_size", output, is_sequence(output_size) ? 0 : 1);
    const Input x(x_value, "x", rank, layout, false);
    const PoolShape shape = adaptive_shape(x, output);
    return run_pool<false>(x, rank, layout, result_shape(x, spatial_of(shape, rank, &Axis::output), layout), out, places,
                           [&](const auto& io) { adaptive_max_pool(shape, call, io); });
}

template <bool Reals, class Pool>
py::object py_global_pool(int rank, py::handle x_value, py::handle keepdims, py::handle layout_value, py::handle out,
                          py::handle num_threads, const Pool& pool) {
    const bool keep = parse_bool(keepdims, "keepdims");
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, Reals);
    const PoolShape shape = adaptive_shape(x, std::vector<std::int64_t>(static_cast<std::size_t>(rank), 1));
    const std::vector<std::int64_t> ones(keep ? static_cast<std::size_t>(rank) : 0, 1);
    return run_pool<Reals>(x, rank, layout, result_shape(x, ones, layout), out, false, [&](const auto& io) { pool(shape, call, io); });
}

py::object py_max_unpool(int rank, py::handle x_value, py::handle indices_value, py::handle kernel_size, py::handle stride,
                         py::handle padding, py::handle output_size, py::handle layout_value, py::handle out, py::handle num_threads) {
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, {}, {}}, rank);
    const std::vector<std::int64_t> output =
        output_size.is_none() ? std::vector<std::int64_t>{} : parse_output_size(output_size, rank, false);
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const py::array places = given_array(indices_value, "indices");
    const Input x(x_value, "x", rank, layout, false);
    expect_int64(places, "indices");
    if (shape_of(places) != shape_of(x.array)) {
        throw py::value_error("indices must have the shape of x, " + shape_text(x.array) + "; got " + shape_text(places));
    }
    const PoolShape shape = validate_unpool(request_of(settings, x.sizes, "x"), output);
    const PlacedShape placed(shape.batch, shape.channels, {shape.axis[0].output, shape.axis[1].output, shape.axis[2].output},
                             {shape.axis[0].input, shape.axis[1].input, shape.axis[2].input});
    const py::array native_places = readable(places);
    const PlacesView at = view_of<std::int64_t>(native_places, rank, x.form, layout);
    check_places(placed, 0, call, at, "the places of a plane of the result");
    PoolResult y(out, x.dtype, result_shape(x, spatial_of(shape, rank, &Axis::input), layout), x.form,
                 {{"x", &x.array}, {"indices", &places}});
    with_type(x.dtype, [&](auto t) {
        using X = decltype(t);
        py::array memory;
        const TensorView<const X> from = view_of_input<X>(x, rank, layout, memory);
        auto* to = static_cast<X*>(y.array.mutable_data());
        without_gil([&] { put_at_places(placed, call, from, at, to, y.batch_step); });
    });
    return y.given;
}

// unfold and fold write a dense batch. run(shape, image, at) is called for all images at once where the result is dense, else image by
// image. at: where its elements begin.
template <class Run>
void by_dense_batches(const PoolShape& shape, const PoolResult& result, const Run& run) {
    if (shape.empty()) return;
    if (shape.batch == 1 || result.batch_step == result.array.size() / shape.batch) return run(shape, 0, 0);
    PoolShape one = shape;
    one.batch = 1;
    for (std::int64_t image = 0; image < shape.batch; ++image) run(one, image, image * result.batch_step);
}

std::vector<std::int64_t> columns_shape(const PoolShape& s, Form form, Layout layout) {
    const std::int64_t taps = s.axis[0].kernel * s.axis[1].kernel * s.axis[2].kernel;
    const std::int64_t rows = times(s.channels, taps, "x and kernel_size: the number of columns");
    times(times(std::max<std::int64_t>(s.batch, 1), std::max<std::int64_t>(rows, 1), "the size of the result"), 8 * s.outputs(),
          "the size of the result in bytes");
    std::vector<std::int64_t> shape;
    if (form == Form::batched) shape.push_back(s.batch);
    shape.push_back(layout == Layout::channels_first ? rows : s.outputs());
    shape.push_back(layout == Layout::channels_first ? s.outputs() : rows);
    return shape;
}

void check_taps(const std::vector<std::int64_t>& kernel) {
    std::int64_t taps = 1;
    for (const std::int64_t k : kernel) taps = times(taps, std::max<std::int64_t>(k, 1), "kernel_size: the number of its taps");
}

py::object py_unfold(int rank, py::handle x_value, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                     py::handle layout_value, py::handle out, py::handle num_threads) {
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, {}}, rank);
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const Input x(x_value, "x", rank, layout, true);
    PoolRequest request = request_of(settings, x.sizes, "x");
    request.any_padding = true;
    check_taps(settings.kernel);
    const PoolShape shape = validate_pool(request);
    PoolResult columns(out, x.dtype, columns_shape(shape, x.form, layout), x.form, {{"x", &x.array}});
    const auto run = [&](auto t) {
        using X = decltype(t);
        py::array memory;
        const TensorView<const X> view = view_of_input<X>(x, rank, layout, memory);
        auto* to = static_cast<X*>(columns.array.mutable_data());
        without_gil([&] {
            by_dense_batches(shape, columns, [&](const PoolShape& part, std::int64_t image, std::int64_t at) {
                TensorView<const X> images = view;
                images.data += image * view.batch;
                unfold(part, call, images, to + at);
            });
        });
    };
    with_real(x.dtype, run);
    return columns.given;
}

py::object py_fold(int rank, py::handle columns_value, py::handle output_size, py::handle kernel_size, py::handle stride,
                   py::handle padding, py::handle dilation, py::handle layout_value, py::handle out, py::handle num_threads) {
    const WindowSettings settings = parse_windows({kernel_size, stride, padding, dilation, {}}, rank);
    const std::vector<std::int64_t> output = parse_output_size(output_size, rank, false);
    const Layout layout = parse_layout(layout_value);
    const PoolCall call = pool_call(layout, parse_num_threads(num_threads));
    const py::array columns = given_array(columns_value, "cols");
    const DType dtype = dtype_of(columns, "cols");
    const std::vector<std::int64_t> given = shape_of(columns);
    if (given.size() != 2 && given.size() != 3) {
        throw py::value_error("cols must have 3 axes (2 without the batch), as unfold returns them; got shape " + shape_text(columns));
    }
    const Form form = given.size() == 3 ? Form::batched : Form::unbatched;
    at_least("output_size", output, 1);
    Sizes sizes;
    sizes.batch = form == Form::batched ? given[0] : 1;
    sizes.spatial = output;
    PoolRequest request = request_of(settings, sizes, "output_size");
    request.any_padding = true;
    check_taps(settings.kernel);
    PoolShape shape = validate_pool(request);
    const std::int64_t taps = shape.axis[0].kernel * shape.axis[1].kernel * shape.axis[2].kernel;
    const std::int64_t rows = given[given.size() - (layout == Layout::channels_first ? 2 : 1)];
    shape.channels = rows / taps;
    request.channels = shape.channels;
    shape = validate_pool(request);
    if (rows % taps != 0 || given != columns_shape(shape, form, layout)) {
        const std::string n = std::to_string(shape.outputs()), k = "a multiple of " + std::to_string(taps);
        throw py::value_error("cols must have shape (" + std::string(form == Form::batched ? "batch, " : "") +
                              (layout == Layout::channels_first ? k + ", " + n : n + ", " + k) +
                              ") for this output_size, kernel_size, stride, padding and dilation; got " + shape_text(columns));
    }
    sizes.channels = shape.channels;
    PoolResult result(out, dtype, output_shape(sizes, form, layout), form, {{"cols", &columns}});
    const py::array values = readable(columns);
    const auto run = [&](auto t) {
        using X = decltype(t);
        const auto step = [&](py::ssize_t axis) { return values.strides(axis) / values.itemsize(); };
        const py::ssize_t first = form == Form::batched ? 1 : 0, row = layout == Layout::channels_first ? first : first + 1;
        const ColumnsView<X> from{static_cast<const X*>(values.data()), form == Form::batched ? step(0) : 0, step(row),
                                  step(2 * first + 1 - row)};
        auto* to = static_cast<X*>(result.array.mutable_data());
        without_gil([&] {
            by_dense_batches(shape, result, [&](const PoolShape& part, std::int64_t image, std::int64_t at) {
                ColumnsView<X> images = from;
                images.data += image * from.batch;
                fold(part, call, images, to + at);
            });
        });
    };
    with_real(dtype, run);
    return result.given;
}

}  // namespace

void register_pool(py::module_& m) {
    m.def("max_pool", [](int rank, py::handle x, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                         py::handle ceil_mode, py::handle return_indices, py::handle layout, py::handle out, py::handle num_threads) {
        return py_extreme_pool(rank, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads,
                               [](const auto& shape, const auto& call, const auto& io) { max_pool(shape, call, io); });
    });
    m.def("min_pool", [](int rank, py::handle x, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                         py::handle ceil_mode, py::handle return_indices, py::handle layout, py::handle out, py::handle num_threads) {
        return py_extreme_pool(rank, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices, layout, out, num_threads,
                               [](const auto& shape, const auto& call, const auto& io) { min_pool(shape, call, io); });
    });
    m.def("avg_pool", &py_avg_pool);
    m.def("lp_pool", &py_lp_pool);
    m.def("adaptive_avg_pool", &py_adaptive_avg_pool);
    m.def("adaptive_max_pool", &py_adaptive_max_pool);
    m.def("global_avg_pool", [](int rank, py::handle x, py::handle keepdims, py::handle layout, py::handle out, py::handle num_threads) {
        return py_global_pool<true>(rank, x, keepdims, layout, out, num_threads,
                                    [](const auto& shape, const auto& call, const auto& io) { adaptive_avg_pool(shape, call, io); });
    });
    m.def("global_max_pool", [](int rank, py::handle x, py::handle keepdims, py::handle layout, py::handle out, py::handle num_threads) {
        return py_global_pool<false>(rank, x, keepdims, layout, out, num_threads,
                                     [](const auto& shape, const auto& call, const auto& io) { adaptive_max_pool(shape, call, io); });
    });
    m.def("max_unpool", &py_max_unpool);
    m.def("unfold", &py_unfold);
    m.def("fold", &py_fold);
}

}  // namespace npconv

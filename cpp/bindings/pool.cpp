// SPDX-License-Identifier: BSD-3-Clause
// Adaptive and global pooling, unpooling, unfold and fold, as Python sees them. Pooling with windows: window_pool.cpp.
#include <pybind11/pybind11.h>

#include <algorithm>

#include "algorithms/adaptive_pool.hpp"
#include "algorithms/unfold.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"

namespace npconv {
namespace {

PoolShape adaptive_shape(const Tensor& x, Shape output) {
    for (std::size_t i = 0; i < output.size(); ++i) {
        if (output[i] == 0) output[i] = x.sizes.spatial[i];
    }
    return validate_adaptive("x", x.sizes.batch, x.sizes.channels, x.sizes.spatial, output);
}

// Of averages, or of maxima with or without their places. axes: of the result, instead of the spatial ones of the pooling.
template <bool Averages>
py::object pool_adaptive(Arrays& arrays, int rank, const Shape& output, bool places, PoolCall call, const Shape* axes = nullptr) {
    const Tensor x(arrays, 0, rank, call.layout, Averages ? Accepted::reals : Accepted::numbers);
    call.dtype = x.dtype;
    const PoolShape shape = adaptive_shape(x, output);
    const Shape wanted = x.with_spatial(axes ? *axes : spatial_of(shape, rank, &Axis::output));
    const Result to = arrays.result(x.dtype, "x", wanted, x.frame.form);
    py::array indices = places ? new_array(DType::i64, wanted) : no_array();
    auto* const at = places ? static_cast<std::int64_t*>(indices.mutable_data()) : nullptr;
    compute_pool(arrays, x.frame, to, at,
                 [&](const PoolOperands& io) { Averages ? adaptive_avg_pool(shape, call, io) : adaptive_max_pool(shape, call, io); });
    return places ? py::object(py::make_tuple(to.given, indices)) : to.given;
}

// return_indices: of maxima.
template <bool Averages>
py::object py_adaptive_pool(int rank, py::handle x, py::handle output_size, py::handle return_indices, py::handle layout, py::handle out,
                            py::handle num_threads) {
    const bool places = !Averages && parse_bool(return_indices, "return_indices");
    const Shape output = parse_output_size(output_size, rank, true);
    const PoolCall call = parse_call(layout, num_threads);
    at_least("output_size", output, is_sequence(output_size) ? 0 : 1);
    Arrays arrays({{"x", x}}, out);
    return pool_adaptive<Averages>(arrays, rank, output, places, call);
}

py::object py_adaptive_avg_pool(int rank, py::handle x, py::handle output_size, py::handle layout, py::handle out, py::handle num_threads) {
    return py_adaptive_pool<true>(rank, x, output_size, {}, layout, out, num_threads);
}

template <bool Averages>
py::object py_global_pool(int rank, py::handle x, py::handle keepdims, py::handle layout, py::handle out, py::handle num_threads) {
    const bool keep = parse_bool(keepdims, "keepdims");
    const PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"x", x}}, out);
    const Shape ones(static_cast<std::size_t>(rank), 1), none;
    return pool_adaptive<Averages>(arrays, rank, ones, false, call, keep ? &ones : &none);
}

py::object py_max_unpool(int rank, py::handle x_value, py::handle indices, py::handle kernel_size, py::handle stride, py::handle padding,
                         py::handle output_size, py::handle layout, py::handle out, py::handle num_threads) {
    PoolRequest windows = parse_windows({kernel_size, stride, padding, {}, {}}, rank);
    const Shape output = output_size.is_none() ? Shape{} : parse_output_size(output_size, rank, false);
    PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"x", x_value}, {"indices", indices}}, out);
    arrays.keep_shapes();  // other threads run while places are looked at
    const Tensor x(arrays, 0, rank, call.layout, Accepted::numbers);
    call.dtype = x.dtype;
    dtype_of(arrays[1], "indices", Accepted::places);
    expect_shape(arrays[1], "indices", "of x", x.shape);
    windows.what = "x";
    windows.batch = x.sizes.batch;
    windows.channels = x.sizes.channels;
    windows.input = x.sizes.spatial;
    const PoolShape shape = validate_unpool(windows, output);
    const PlacedShape placed(shape.batch, shape.channels, {shape.axis[0].output, shape.axis[1].output, shape.axis[2].output},
                             {shape.axis[0].input, shape.axis[1].input, shape.axis[2].input});
    py::array memory = no_array();
    const PlacesView at = places_of(arrays, x.frame, placed, 0, call, "the places of a plane of the result", memory);
    const Result to = arrays.result(x.dtype, "x", x.with_spatial(spatial_of(shape, rank, &Axis::input)), x.frame.form);
    compute_pool(arrays, x.frame, to, nullptr, [&](const PoolOperands& io) { put_at_places(placed, call, io.x, at, io.y, io.y_batch); });
    return to.given;
}

// unfold and fold write a dense batch. run(shape, from, to) is called for all images at once where the result is dense, else image by
// image. from, to: where the elements of an image begin.
template <class Run>
void by_dense_batches(const PoolShape& shape, DType dtype, const Result& result, const void* data, std::int64_t batch, const Run& run) {
    char* to = result.data<char>();
    const auto* from = static_cast<const char*>(data);
    const std::int64_t bytes = size_of(dtype);
    if (shape.empty()) return;
    if (shape.batch == 1 || result.batch_step == result.array.size() / shape.batch) return run(shape, from, to);
    PoolShape one = shape;
    one.batch = 1;
    for (std::int64_t image = 0; image < shape.batch; ++image)
        run(one, from + image * batch * bytes, to + image * result.batch_step * bytes);
}

Shape columns_shape(const PoolShape& s, Form form, Layout layout) {
    const std::int64_t taps = s.axis[0].kernel * s.axis[1].kernel * s.axis[2].kernel;
    const std::int64_t rows = times(s.channels, taps, "x and kernel_size: the number of columns");
    times(times(std::max<std::int64_t>(s.batch, 1), std::max<std::int64_t>(rows, 1), "the size of the result"), 8 * s.outputs(),
          "the size of the result in bytes");
    Shape shape;
    if (form == Form::batched) shape.push_back(s.batch);
    shape.push_back(layout == Layout::channels_first ? rows : s.outputs());
    shape.push_back(layout == Layout::channels_first ? s.outputs() : rows);
    return shape;
}

void check_taps(const Shape& kernel) {
    std::int64_t taps = 1;
    for (const std::int64_t k : kernel) taps = times(taps, std::max<std::int64_t>(k, 1), "kernel_size: the number of its taps");
}

py::object py_unfold(int rank, py::handle x_value, py::handle kernel_size, py::handle stride, py::handle padding, py::handle dilation,
                     py::handle layout, py::handle out, py::handle num_threads) {
    PoolRequest windows = parse_windows({kernel_size, stride, padding, dilation, {}}, rank);
    windows.any_padding = true;
    PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"x", x_value}}, out);
    const Tensor x(arrays, 0, rank, call.layout);
    call.dtype = x.dtype;
    check_taps(windows.kernel);
    const PoolShape shape = pool_shape(std::move(windows), x.sizes, "x");
    const Result columns = arrays.result(x.dtype, "x", columns_shape(shape, x.frame.form, call.layout), x.frame.form);
    compute_pool(arrays, x.frame, columns, nullptr, [&](const PoolOperands& io) {
        by_dense_batches(shape, x.dtype, columns, io.x.data, io.x.batch, [&](const PoolShape& part, const void* from, void* to) {
            AnyView images = io.x;
            images.data = from;
            unfold(part, call, images, to);
        });
    });
    return columns.given;
}

// The windows that columns of this shape were taken from, on an input of the spatial sizes `output`.
PoolShape folded_shape(PoolRequest windows, const Shape& output, const Shape& given, Form form, Layout layout) {
    Sizes sizes{form == Form::batched ? given[0] : 1, 1, output};
    windows.any_padding = true;
    check_taps(windows.kernel);
    PoolShape shape = pool_shape(windows, sizes, "output_size");
    const std::int64_t taps = shape.axis[0].kernel * shape.axis[1].kernel * shape.axis[2].kernel;
    const std::int64_t rows = given[given.size() - (layout == Layout::channels_first ? 2 : 1)];
    sizes.channels = rows / taps;
    shape = pool_shape(std::move(windows), sizes, "output_size");
    if (rows % taps != 0 || given != columns_shape(shape, form, layout)) {
        const std::string n = std::to_string(shape.outputs()), k = "a multiple of " + std::to_string(taps);
        throw py::value_error("cols must have shape (" + std::string(form == Form::batched ? "batch, " : "") +
                              (layout == Layout::channels_first ? k + ", " + n : n + ", " + k) +
                              ") for this output_size, kernel_size, stride, padding and dilation; got " + tuple_text(given));
    }
    return shape;
}

py::object py_fold(int rank, py::handle columns, py::handle output_size, py::handle kernel_size, py::handle stride, py::handle padding,
                   py::handle dilation, py::handle layout, py::handle out, py::handle num_threads) {
    PoolRequest windows = parse_windows({kernel_size, stride, padding, dilation, {}}, rank);
    const Shape output = parse_output_size(output_size, rank, false);
    PoolCall call = parse_call(layout, num_threads);
    Arrays arrays({{"cols", columns}}, out);
    const DType dtype = call.dtype = dtype_of(arrays[0], "cols");
    const Shape given = shape_of(arrays[0]);
    if (given.size() != 2 && given.size() != 3) {
        throw py::value_error("cols must have 3 axes (2 without the batch), as unfold returns them; got shape " + tuple_text(given));
    }
    const Form form = given.size() == 3 ? Form::batched : Form::unbatched;
    at_least("output_size", output, 1);
    const PoolShape shape = folded_shape(std::move(windows), output, given, form, call.layout);
    const Result to = arrays.result(dtype, "cols", shape_in({rank, form, call.layout}, {shape.batch, shape.channels, output}), form);
    arrays.make_readable();
    const py::array& values = arrays[0];
    const auto step = [&](py::ssize_t axis) { return values.strides(axis) / values.itemsize(); };
    const py::ssize_t first = form == Form::batched ? 1 : 0, row = call.layout == Layout::channels_first ? first : first + 1;
    const ColumnsView from{values.data(), form == Form::batched ? step(0) : 0, step(row), step(2 * first + 1 - row)};
    without_gil([&] {
        by_dense_batches(shape, dtype, to, from.data, from.batch, [&](const PoolShape& part, const void* images, void* y) {
            fold(part, call, {images, from.batch, from.row, from.output}, y);
        });
    });
    return to.given;
}

}  // namespace

void register_pool(py::module_& m) {
    m.def("adaptive_avg_pool", &py_adaptive_avg_pool);
    m.def("adaptive_max_pool", &py_adaptive_pool<false>);
    m.def("global_avg_pool", &py_global_pool<true>);
    m.def("global_max_pool", &py_global_pool<false>);
    m.def("max_unpool", &py_max_unpool);
    m.def("unfold", &py_unfold);
    m.def("fold", &py_fold);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The arguments of pooling, parsed and judged; and its arrays. As in settings.hpp, what may run the caller's code comes before any shape.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/pooling.hpp"
#include "algorithms/scatter.hpp"
#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "core/pool_shape.hpp"

namespace npconv {

// As they come from Python.
struct WindowKeywords {
    py::handle kernel_size, stride, padding, dilation, ceil_mode;
};

struct WindowSettings {
    std::vector<std::int64_t> kernel, stride, dilation;
    Padding padding;
    bool ceil_mode = false;
};

// None for stride: the kernel. Null handles: no such argument.
WindowSettings parse_windows(const WindowKeywords& keywords, int rank);

// A finite number above 0.
double parse_norm_type(py::handle value);
std::optional<std::int64_t> parse_divisor(py::handle value);
// Ints, or None for the size of x (0 here).
std::vector<std::int64_t> parse_output_size(py::handle value, int rank, bool none_entries);
std::vector<std::int64_t> parse_shape(py::handle value, const char* name);

// One array that is read.
struct Input {
    py::array array;  // a view of our own; not yet in native byte order, or aligned
    Form form = Form::batched;
    Sizes sizes;
    DType dtype = DType::f32;
    std::string text;  // the shape, as the caller knows it

    // reals: float32 and float64 only; otherwise the integers of max pooling, too.
    Input(py::handle value, const char* name, int rank, Layout layout, bool reals);
};

// Batched, without the batch, or without channels, by the number of axes.
Form form_of_axes(std::size_t axes, int rank, const char* name, const std::string& shape, const char* operation = "pooling");

// To be read as X: `memory` keeps what had to be copied.
template <class X>
TensorView<const X> view_of_input(const Input& input, int rank, Layout layout, py::array& memory) {
    memory = readable(input.array);
    return view_of<X>(memory, rank, input.form, layout);
}

// The shape of a result that has the batch and channels of `input`.
std::vector<std::int64_t> result_shape(const Input& input, const std::vector<std::int64_t>& spatial, Layout layout);

// A new array, or the caller's after all checks; never overlapping an input.
struct PoolResult {
    py::array array;
    py::object given;  // what the caller gets back
    std::int64_t batch_step = 0;

    PoolResult(py::handle out, DType dtype, const std::vector<std::int64_t>& shape, Form form,
               const std::vector<std::pair<const char*, const py::array*>>& inputs);
};

// An axis for each of the three that a plane has, from the sizes of the last ones.
std::array<std::int64_t, 3> three_sizes(const std::vector<std::int64_t>& spatial);

// ValueError with a place that is below `least` or not in the plane.
void check_places(const PlacedShape& shape, std::int64_t least, const PoolCall& call, const PlacesView& places, const char* expected);

// The outputs or inputs of the axes that belong to x.
std::vector<std::int64_t> spatial_of(const PoolShape& shape, int rank, std::int64_t Axis::*size);

PoolRequest request_of(const WindowSettings& settings, const Sizes& sizes, const char* what);

// The call's layout, kernels and threads; num_threads: 0 for not given.
PoolCall pool_call(Layout layout, int num_threads);

}  // namespace npconv

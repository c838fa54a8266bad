// SPDX-License-Identifier: BSD-3-Clause
// The arguments of pooling, unfold and fold, parsed and judged; and its arrays. As in settings.hpp, what may run the caller's code comes
// before any shape.
#pragma once
#include <array>
#include <optional>
#include <string>

#include "algorithms/pooling.hpp"
#include "algorithms/scatter.hpp"
#include "bindings/arguments.hpp"
#include "bindings/call.hpp"
#include "bindings/without_gil.hpp"
#include "core/pool_shape.hpp"

namespace npconv {

// As they come from Python. Null: the function has no such argument.
struct WindowKeywords {
    py::handle kernel_size, stride, padding, dilation, ceil_mode;
};

// The windows; the sizes of x come later. None for stride: the kernel.
PoolRequest parse_windows(const WindowKeywords& keywords, int rank);
// The windows on an input of these sizes, judged. what: whose sizes they are, for messages.
PoolShape pool_shape(PoolRequest windows, const Sizes& sizes, const char* what);

// A finite number above 0.
double parse_norm_type(py::handle value);
std::optional<std::int64_t> parse_divisor(py::handle value);
// Ints, or None for the size of x (0 here).
Shape parse_output_size(py::handle value, int rank, bool none_entries);

// The call's layout, context and threads; its element type comes later.
PoolCall parse_call(py::handle layout, py::handle num_threads);

// Batched, without the batch, or without channels, by the number of axes. given: the shape in the caller's words, if it has other ones.
Form form_of_axes(const Shape& shape, int rank, const char* name, const char* operation = "pooling", const std::string& given = {});

// An array of a call, read by the number of its axes.
struct Tensor {
    DType dtype;
    Shape shape;
    Frame frame;
    Sizes sizes;

    Tensor(const Arrays& arrays, std::size_t i, int rank, Layout layout, Accepted accepted = Accepted::reals,
           const char* operation = "pooling");
    // The shape of an array that has its batch and channels.
    Shape with_spatial(const Shape& spatial) const;
};

// The spatial outputs or inputs of the axes that belong to x.
Shape spatial_of(const PoolShape& shape, int rank, std::int64_t Axis::*size);
// An axis for each of the three that a plane has, from the sizes of the last ones.
std::array<std::int64_t, 3> three_sizes(const Shape& spatial);

// Places (array 1 of a call) as a view of memory that is kept. ValueError with one that is below `least` or not in the plane.
PlacesView places_of(const Arrays& arrays, const Frame& frame, const PlacedShape& shape, std::int64_t least, const PoolCall& call,
                     const char* expected, py::array& memory);

// compute(operands) without the GIL: from the first array of a call, made readable, to the result.
template <class Compute>
void compute_pool(Arrays& arrays, const Frame& frame, const Result& to, std::int64_t* places, const Compute& compute) {
    arrays.make_readable();
    const PoolOperands io{view_of(arrays[0], frame), to.data<void>(), to.batch_step, places};
    without_gil([&] { compute(io); });
}

}  // namespace npconv

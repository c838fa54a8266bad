// SPDX-License-Identifier: BSD-3-Clause
// NumPy arrays as views: dtypes, ranks, strides, and what `out` must be.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bindings/dtype_errors.hpp"
#include "core/types.hpp"

namespace npconv {

namespace py = pybind11;

// How many leading axes an input has beside its channels and N spatial axes.
enum class Form { batched, unbatched, single_channel };

// Where the axes of an array are.
struct Frame {
    int rank = 2;  // the number of spatial axes
    Form form = Form::batched;
    Layout layout = Layout::channels_first;
};

// numpy.asarray, but refuses masked arrays, whose mask would be lost. It may run the caller's code.
py::array as_array(py::handle value, const char* name);
// An array object that is no array: a null pointer. py::array() would allocate one.
inline py::array no_array() { return py::reinterpret_steal<py::array>(py::handle()); }

// TypeError unless one of those that are accepted.
DType dtype_of(const py::array& array, const char* name, Accepted accepted = Accepted::reals);

// The argument dtype: a dtype, or weights that have it.
DType parse_dtype(py::handle value, Accepted accepted);

// TypeError unless of the dtype of `of` ("x", or "the plan").
void expect_dtype(const py::array& array, const char* name, DType dtype, const char* of);

// Native byte order and aligned elements: the array itself wherever it is so already, otherwise one copy.
py::array readable(const py::array& array);

// C-contiguous in memory of its own, in native byte order, read-only. dtype: the array's.
py::array own_copy(const py::array& array, DType dtype);

// An ndarray itself, no subclass, in native byte order and aligned: to be read as it is.
bool is_plain(py::handle value);
// TypeError if the value is a masked array.
void refuse_masked(py::handle value, const char* name);
bool is_ndarray(py::handle value);  // itself, no subclass
bool is_native(const py::array& array);
bool is_aligned(const py::array& array);
std::vector<std::int64_t> shape_of(const py::array& array);
std::string shape_text(const py::array& array);

// The same memory as an array object of our own, whose shape nobody else can set.
py::array own_view(const py::array& array);

// Sizes of an input-like array in the order batch, channels, spatial...
struct Sizes {
    std::int64_t batch = 1;
    std::int64_t channels = 1;
    std::vector<std::int64_t> spatial;
};
Sizes sizes_of(const std::vector<std::int64_t>& shape, const Frame& frame);

// The shape of an array of these sizes.
std::vector<std::int64_t> shape_in(const Frame& frame, const Sizes& sizes);

AnyView view_of(const py::array& array, const Frame& frame);
template <class T>
TensorView<const T> view_of(const py::array& array, const Frame& frame) {
    return typed<T>(view_of(array, frame));
}

// Weights: (out, in, *kernel), or (*kernel) alone.
AnyView weights_view(const py::array& array, int rank);

// An uninitialised result. NumPy begins arrays anywhere in a cache line; large ones of ours begin with one (as part of an array of NumPy's
// own), because vectors that cross lines cost up to a fifth of the time.
py::array new_array(DType dtype, const std::vector<std::int64_t>& shape);

}  // namespace npconv

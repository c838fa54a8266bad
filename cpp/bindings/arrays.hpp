// SPDX-License-Identifier: BSD-3-Clause
// NumPy arrays as views: dtypes, ranks, strides, and what `out` must be.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/types.hpp"

namespace npconv {

namespace py = pybind11;

// How many leading axes an input has beside its channels and N spatial axes.
enum class Form { batched, unbatched, single_channel };

// numpy.asarray, but refuses masked arrays, whose mask would be lost. It may run the caller's code.
py::array as_array(py::handle value, const char* name);
// The same as an array object of our own. Code that runs from here on (other arguments are converted, other threads run) can give it no
// other shape, so that what is judged is what is read.
py::array given_array(py::handle value, const char* name);
std::optional<py::array> given_optional_array(py::handle value, const char* name);

// TypeError unless float32 or float64.
DType dtype_of(const py::array& array, const char* name);

// The same with the integers that max pooling takes. int64 alone: for places.
DType any_dtype_of(const py::array& array, const char* name);
void expect_int64(const py::array& array, const char* name);

// TypeError unless of the dtype of `of` ("x", or "the plan").
void expect_dtype(const py::array& array, const char* name, DType dtype, const char* of);

// Native byte order and aligned elements: the array itself wherever it is so already, otherwise one copy.
py::array readable(const py::array& array);

// C-contiguous in memory of its own, in native byte order, read-only. dtype: the array's.
py::array own_copy(const py::array& array, DType dtype);
inline std::optional<py::array> own_copy(const std::optional<py::array>& array, DType dtype) {
    return array ? std::optional(own_copy(*array, dtype)) : std::nullopt;
}

// An ndarray itself, no subclass, in native byte order and aligned: to be read as it is.
bool is_plain(py::handle value);
// Do the bytes between their first and last elements meet?
bool may_meet(const py::array& a, const py::array& b);
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
Sizes sizes_of(const std::int64_t* shape, int rank, Form form, Layout layout);

// The shape of an output in the caller's form.
std::vector<std::int64_t> output_shape(const Sizes& sizes, Form form, Layout layout);

template <class T>
TensorView<const T> view_of(const py::array& array, int rank, Form form, Layout layout);

// Weights: (out, in, *kernel), or (*kernel) alone.
template <class T>
TensorView<const T> weights_view(const py::array& array, int rank);

// An uninitialised result. NumPy begins arrays anywhere in a cache line; large ones of ours begin with one (as part of an array of NumPy's
// own), because vectors that cross lines cost up to a fifth of the time.
py::array new_array(DType dtype, const std::vector<std::int64_t>& shape);

// TypeError, ValueError unless it can take the result; overlap is asked apart. Returned as a plain ndarray, whatever its class.
py::array checked_out(py::handle out, DType dtype, const char* of, const std::vector<std::int64_t>& shape, Form form);

// ValueError if out shares memory with `other`; identical_ok: the very same memory with the same strides may be read and written.
void refuse_overlap(const py::array& out, const py::array& other, const char* name, bool identical_ok);

}  // namespace npconv

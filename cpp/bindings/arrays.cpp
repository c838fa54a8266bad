// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/arrays.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>

#include "bindings/arguments.hpp"
#include "bindings/numpy_names.hpp"
#include "bindings/without_gil.hpp"
#include "core/validate.hpp"

namespace npconv {
namespace {

using py::detail::npy_api;

py::dtype type_of(DType dtype) {
    return with_type(dtype, [](auto t) { return py::dtype::of<decltype(t)>(); });
}

// The number of its type says nothing about its size: int64 may be long or long long.
bool has_dtype(const py::array& a, DType dtype) {
    const char kind = is_real(dtype) ? 'f' : dtype == DType::u8 ? 'u' : 'i';
    return a.dtype().kind() == kind && a.itemsize() == size_of(dtype);
}

// Strides of an aligned array in elements. That of an axis of fewer than two entries is never followed, and may be anything.
class Steps {
  public:
    explicit Steps(const py::array& a) : array_(a), shift_(std::countr_zero(static_cast<std::size_t>(a.itemsize()))) {}
    std::int64_t operator[](int axis) const { return array_.shape(axis) < 2 ? 0 : array_.strides(axis) >> shift_; }

  private:
    const py::array& array_;
    const int shift_;  // a 64-bit division costs up to 90 cycles
};

// An uninitialised C-contiguous array. py::array's own constructor would compute strides, and copy both lists.
py::array dense_array(DType dtype, const std::vector<std::int64_t>& shape) {
    std::array<Py_intptr_t, 8> sizes{};
    if (shape.size() > sizes.size()) throw std::logic_error("a result of more axes than there is room for");
    std::copy(shape.begin(), shape.end(), sizes.begin());
    const npy_api& numpy = npy_api::get();
    PyObject* array = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, type_of(dtype).release().ptr(), static_cast<int>(shape.size()),
                                                  sizes.data(), nullptr, nullptr, 0, nullptr);
    if (!array) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(array);
}

}  // namespace

bool is_ndarray(py::handle value) { return Py_TYPE(value.ptr()) == npy_api::get().PyArray_Type_; }

bool is_native(const py::array& a) {
    const char order = a.dtype().byteorder();
    return order == '=' || order == '|';
}

bool is_aligned(const py::array& a) { return (a.flags() & npy_api::NPY_ARRAY_ALIGNED_) != 0; }

void refuse_masked(py::handle value, const char* name) {
    PYBIND11_CONSTINIT static NumpyName masked;
    if (py::isinstance(value, look_up(masked, "numpy.ma", "MaskedArray"))) {
        throw py::type_error(std::string(name) + " is a masked array, whose mask would be ignored; expected an ndarray, such as " + name +
                             ".filled(value)");
    }
}

bool is_plain(py::handle value) {
    if (!is_ndarray(value)) return false;
    const auto a = py::reinterpret_borrow<py::array>(value);
    return is_native(a) && is_aligned(a);
}

std::vector<std::int64_t> shape_of(const py::array& a) { return {a.shape(), a.shape() + a.ndim()}; }
std::string shape_text(const py::array& a) { return tuple_text(shape_of(a)); }

py::array own_view(const py::array& a) {
    return py::array(a.dtype(), shape_of(a), std::vector<std::int64_t>(a.strides(), a.strides() + a.ndim()), a.data(), a);
}

py::array as_array(py::handle value, const char* name) {
    if (is_ndarray(value)) return py::reinterpret_borrow<py::array>(value);
    refuse_masked(value, name);
    try {
        PYBIND11_CONSTINIT static NumpyName asarray;
        return call_python(look_up(asarray, "numpy", "asarray"), {value});
    } catch (const py::error_already_set& error) {
        // A list that is no array, such as a ragged one: NumPy's message lacks the argument. What the caller's own classes raise is theirs.
        if (!error.matches(PyExc_ValueError) || !(PyList_Check(value.ptr()) || PyTuple_Check(value.ptr()))) throw;
        throw py::value_error(std::string(name) + " must be an array: " + py::cast<std::string>(py::str(error.value())));
    }
}

DType dtype_of(const py::array& a, const char* name, Accepted accepted) {
    for (const DType dtype : accepted_dtypes(accepted)) {
        if (has_dtype(a, dtype)) return dtype;
    }
    refuse_dtype(a, name, accepted);
}

DType parse_dtype(py::handle value, Accepted accepted) {
    if (py::isinstance<py::array>(value)) return dtype_of(py::reinterpret_borrow<py::array>(value), "w", accepted);
    try {
        const py::dtype given = py::dtype::from_args(py::reinterpret_borrow<py::object>(value));
        for (const DType dtype : accepted_dtypes(accepted)) {
            if (given.equal(type_of(dtype))) return dtype;
        }
    } catch (const py::error_already_set&) {  // no dtype at all
    }
    throw py::type_error("dtype must be " + std::string(list_of(accepted)) + ", got " + shown(value));
}

void expect_dtype(const py::array& a, const char* name, DType dtype, const char* of) {
    if (!has_dtype(a, dtype)) refuse_other_dtype(a, name, dtype, of);
}

py::array readable(const py::array& a) {
    if (is_native(a) && is_aligned(a)) return a;
    return call_python(a.attr("astype"), {a.dtype().attr("newbyteorder")("=")});
}

py::array own_copy(const py::array& a, DType dtype) {
    const py::array copy = call_python(a.attr("astype"), {type_of(dtype), py::str("C")});
    py::detail::array_proxy(copy.ptr())->flags &= ~npy_api::NPY_ARRAY_WRITEABLE_;
    return copy;
}

Sizes sizes_of(const std::vector<std::int64_t>& shape, const Frame& f) {
    Sizes sizes;
    auto n = shape.begin();
    if (f.form == Form::batched) sizes.batch = *n++;
    if (f.form != Form::single_channel && f.layout == Layout::channels_first) sizes.channels = *n++;
    sizes.spatial.assign(n, n + f.rank);
    if (f.form != Form::single_channel && f.layout == Layout::channels_last) sizes.channels = n[f.rank];
    return sizes;
}

std::vector<std::int64_t> shape_in(const Frame& f, const Sizes& sizes) {
    std::vector<std::int64_t> shape;
    shape.reserve(5);
    if (f.form == Form::batched) shape.push_back(sizes.batch);
    if (f.form != Form::single_channel && f.layout == Layout::channels_first) shape.push_back(sizes.channels);
    shape.insert(shape.end(), sizes.spatial.begin(), sizes.spatial.end());
    if (f.form != Form::single_channel && f.layout == Layout::channels_last) shape.push_back(sizes.channels);
    return shape;
}

AnyView view_of(const py::array& a, const Frame& f) {
    AnyView view;
    view.data = a.data();
    int axis = 0;
    const Steps steps(a);
    if (f.form == Form::batched) view.batch = steps[axis++];
    if (f.form != Form::single_channel && f.layout == Layout::channels_first) view.channel = steps[axis++];
    for (int i = 0; i < f.rank; ++i) view.spatial[static_cast<std::size_t>(3 - f.rank + i)] = steps[axis++];
    if (f.form != Form::single_channel && f.layout == Layout::channels_last) view.channel = steps[axis];
    return view;
}

AnyView weights_view(const py::array& a, int rank) {
    AnyView view;
    view.data = a.data();
    const int first = static_cast<int>(a.ndim()) - rank;
    const Steps steps(a);
    if (first == 2) {
        view.batch = steps[0];
        view.channel = steps[1];
    }
    for (int i = 0; i < rank; ++i) view.spatial[static_cast<std::size_t>(3 - rank + i)] = steps[first + i];
    return view;
}

py::array new_array(DType dtype, const std::vector<std::int64_t>& shape) {
    constexpr std::int64_t large = 16 * 1024, line = 64;  // bytes
    std::int64_t bytes = size_of(dtype);
    bool fits = true;
    for (const std::int64_t n : shape) fits = !__builtin_mul_overflow(bytes, n, &bytes) && bytes <= INT64_MAX / 2 && fits;
    if (!fits || bytes < large) return dense_array(dtype, shape);  // what does not fit, NumPy refuses, or it is empty
    py::array raw(py::dtype::of<std::uint8_t>(), std::vector<std::int64_t>{bytes + line});
    auto* data = static_cast<std::uint8_t*>(raw.mutable_data());
    const std::int64_t past = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data) % line);
    return py::array(type_of(dtype), shape, data + (line - past) % line, raw);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/arrays.hpp"

#include <cstdlib>

#include "bindings/arguments.hpp"
#include "bindings/dtype_errors.hpp"
#include "bindings/numpy_names.hpp"
#include "core/validate.hpp"

namespace npconv {
namespace {

using py::detail::npy_api;

py::module_ numpy() { return py::module_::import("numpy"); }

bool native(const py::array& a) {
    const char order = a.dtype().byteorder();
    return order == '=' || order == '|';
}

bool aligned(const py::array& a) { return (a.flags() & npy_api::NPY_ARRAY_ALIGNED_) != 0; }

py::dtype type_of(DType dtype) {
    return with_type(dtype, [](auto t) { return py::dtype::of<decltype(t)>(); });
}

// The number of its type says nothing about its size: int64 may be long or long long.
bool has_dtype(const py::array& a, DType dtype) {
    const char kind = is_real(dtype) ? 'f' : dtype == DType::u8 ? 'u' : 'i';
    return a.dtype().kind() == kind && a.itemsize() == size_of(dtype);
}

// Stride of an axis in elements. That of an axis of fewer than two entries is never followed, and may be anything.
std::int64_t step(const py::array& a, int axis) { return a.shape(axis) < 2 ? 0 : a.strides(axis) / a.itemsize(); }

// [low, high) of the bytes that an array may touch.
struct Extent {
    const char* low;
    const char* high;
};

Extent extent(const py::array& a) {
    const char* data = static_cast<const char*>(a.data());
    Extent e{data, data + a.itemsize()};
    for (int i = 0; i < a.ndim(); ++i) {
        if (a.shape(i) == 0) return {data, data};
        const py::ssize_t reach = (a.shape(i) - 1) * a.strides(i);
        (reach < 0 ? e.low : e.high) += reach;
    }
    return e;
}

bool same_memory(const py::array& a, const py::array& b) {
    if (a.data() != b.data()) return false;
    for (int i = 0; i < a.ndim(); ++i) {
        if (a.shape(i) > 1 && a.strides(i) != b.strides(i)) return false;
    }
    return true;
}

// C-contiguous from `axis` on.
bool dense_from(const py::array& a, int axis) {
    py::ssize_t expected = a.itemsize();
    for (int i = static_cast<int>(a.ndim()) - 1; i >= axis; --i) {
        if (a.shape(i) > 1 && a.strides(i) != expected) return false;
        expected *= a.shape(i);
    }
    return true;
}

// Itself, no subclass.
bool is_ndarray(py::handle value) { return Py_TYPE(value.ptr()) == npy_api::get().PyArray_Type_; }

void refuse_masked(py::handle value, const char* name) {
    PYBIND11_CONSTINIT static NumpyName masked;
    if (py::isinstance(value, look_up(masked, "numpy.ma", "MaskedArray"))) {
        throw py::type_error(std::string(name) + " is a masked array, whose mask would be ignored; expected an ndarray, such as " + name +
                             ".filled(value)");
    }
}

py::object plain(py::handle value) {
    PYBIND11_CONSTINIT static NumpyName asarray;
    return look_up(asarray, "numpy", "asarray")(value);
}

}  // namespace

bool is_plain(py::handle value) {
    if (!is_ndarray(value)) return false;
    const auto a = py::reinterpret_borrow<py::array>(value);
    return native(a) && aligned(a);
}

bool may_meet(const py::array& a, const py::array& b) {
    const Extent one = extent(a), other = extent(b);
    return one.low < other.high && other.low < one.high && a.size() != 0 && b.size() != 0;
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
        return py::reinterpret_borrow<py::array>(plain(value));
    } catch (const py::error_already_set& error) {
        // A list that is no array, such as a ragged one: NumPy's message lacks the argument. What the caller's own classes raise is theirs.
        if (!error.matches(PyExc_ValueError) || !(PyList_Check(value.ptr()) || PyTuple_Check(value.ptr()))) throw;
        throw py::value_error(std::string(name) + " must be an array: " + py::cast<std::string>(py::str(error.value())));
    }
}

py::array given_array(py::handle value, const char* name) { return own_view(as_array(value, name)); }

std::optional<py::array> given_optional_array(py::handle value, const char* name) {
    if (value.is_none()) return std::nullopt;
    return given_array(value, name);
}

DType dtype_of(const py::array& a, const char* name) {
    const int number = a.dtype().num();
    if (number == npy_api::NPY_FLOAT_) return DType::f32;
    if (number == npy_api::NPY_DOUBLE_) return DType::f64;
    refuse_dtype(a, name, Accepted::reals);
}

DType any_dtype_of(const py::array& a, const char* name) {
    for (const DType dtype : {DType::f32, DType::f64, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64}) {
        if (has_dtype(a, dtype)) return dtype;
    }
    refuse_dtype(a, name, Accepted::numbers);
}

void expect_int64(const py::array& a, const char* name) {
    if (!has_dtype(a, DType::i64)) refuse_dtype(a, name, Accepted::places);
}

void expect_dtype(const py::array& a, const char* name, DType dtype, const char* of) {
    if (!has_dtype(a, dtype)) refuse_other_dtype(a, name, dtype, of);
}

py::array readable(const py::array& a) {
    if (native(a) && aligned(a)) return a;
    return py::reinterpret_borrow<py::array>(a.attr("astype")(a.dtype().attr("newbyteorder")("=")));
}

py::array own_copy(const py::array& a, DType dtype) {
    const auto copy = py::reinterpret_borrow<py::array>(a.attr("astype")(type_of(dtype), "C"));
    py::detail::array_proxy(copy.ptr())->flags &= ~npy_api::NPY_ARRAY_WRITEABLE_;
    return copy;
}

Sizes sizes_of(const std::int64_t* shape, int rank, Form form, Layout layout) {
    Sizes sizes;
    if (form == Form::batched) sizes.batch = *shape++;
    if (form != Form::single_channel && layout == Layout::channels_first) sizes.channels = *shape++;
    sizes.spatial.assign(shape, shape + rank);
    if (form != Form::single_channel && layout == Layout::channels_last) sizes.channels = shape[rank];
    return sizes;
}

std::vector<std::int64_t> output_shape(const Sizes& sizes, Form form, Layout layout) {
    std::vector<std::int64_t> shape;
    shape.reserve(5);
    if (form == Form::batched) shape.push_back(sizes.batch);
    if (form != Form::single_channel && layout == Layout::channels_first) shape.push_back(sizes.channels);
    shape.insert(shape.end(), sizes.spatial.begin(), sizes.spatial.end());
    if (form != Form::single_channel && layout == Layout::channels_last) shape.push_back(sizes.channels);
    return shape;
}

template <class T>
TensorView<const T> view_of(const py::array& a, int rank, Form form, Layout layout) {
    TensorView<const T> view;
    view.data = static_cast<const T*>(a.data());
    int axis = 0;
    if (form == Form::batched) view.batch = step(a, axis++);
    if (form != Form::single_channel && layout == Layout::channels_first) view.channel = step(a, axis++);
    for (int i = 0; i < rank; ++i) view.spatial[static_cast<std::size_t>(3 - rank + i)] = step(a, axis++);
    if (form != Form::single_channel && layout == Layout::channels_last) view.channel = step(a, axis);
    return view;
}

template <class T>
TensorView<const T> weights_view(const py::array& a, int rank) {
    TensorView<const T> view;
    view.data = static_cast<const T*>(a.data());
    const int first = static_cast<int>(a.ndim()) - rank;
    if (first == 2) {
        view.batch = step(a, 0);
        view.channel = step(a, 1);
    }
    for (int i = 0; i < rank; ++i) view.spatial[static_cast<std::size_t>(3 - rank + i)] = step(a, first + i);
    return view;
}

py::array checked_out(py::handle value, DType dtype, const char* of, const std::vector<std::int64_t>& shape, Form form) {
    if (!py::isinstance<py::array>(value)) throw py::type_error("out must be a numpy.ndarray, got " + shown(value));
    if (!is_ndarray(value)) refuse_masked(value, "out");
    const py::array out =
        is_plain(value) ? py::reinterpret_borrow<py::array>(value) : own_view(py::reinterpret_borrow<py::array>(plain(value)));
    expect_dtype(out, "out", dtype, of);
    if (shape_of(out) != shape)
        throw py::value_error("out must have the shape of the result, " + tuple_text(shape) + "; got " + shape_text(out));
    if (!native(out)) throw py::value_error("out must be in native byte order, got dtype " + py::cast<std::string>(py::repr(out.dtype())));
    if (!out.writeable()) throw py::value_error("out must be writable, got a read-only array");
    if (!aligned(out)) throw py::value_error("out must be aligned, got a misaligned array");
    const int first = form == Form::batched ? 1 : 0;
    const auto strides = [&] { return ", got strides " + tuple_text({out.strides(), out.strides() + out.ndim()}); };
    if (out.size() == 0) return out;
    if (!dense_from(out, first)) throw py::value_error("out must be C-contiguous but for the batch stride" + strides());
    if (first == 1 && out.shape(0) > 1 && std::llabs(out.strides(0)) < out.nbytes() / out.shape(0)) {
        throw py::value_error("out must not overlap itself: its batch stride is smaller than an image" + strides());
    }
    return out;
}

py::array new_array(DType dtype, const std::vector<std::int64_t>& shape) {
    constexpr std::int64_t large = 16 * 1024, line = 64;  // bytes
    const py::dtype type = type_of(dtype);
    std::int64_t bytes = size_of(dtype);
    for (const std::int64_t n : shape) {
        if (n == 0 || bytes > INT64_MAX / 2 / n) return py::array(type, shape);  // empty; or too large, which NumPy refuses
        bytes *= n;
    }
    if (bytes < large) return py::array(type, shape);
    py::array raw(py::dtype::of<std::uint8_t>(), std::vector<std::int64_t>{bytes + line});
    auto* data = static_cast<std::uint8_t*>(raw.mutable_data());
    const std::int64_t past = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data) % line);
    return py::array(type, shape, data + (line - past) % line, raw);
}

void refuse_overlap(const py::array& out, const py::array& other, const char* name, bool identical_ok) {
    if (!may_meet(out, other)) return;
    if (identical_ok && same_memory(out, other)) return;
    bool shared = true;
    try {
        // Whether two strided arrays meet is a Diophantine problem; what is too hard to tell counts as an overlap.
        shared = py::cast<bool>(numpy().attr("shares_memory")(out, other, 100000));
    } catch (const py::error_already_set& error) {
        if (!error.matches(numpy().attr("exceptions").attr("TooHardError"))) throw;
    }
    if (!shared) return;
    throw py::value_error(std::string("out must not overlap ") + name +
                          (identical_ok ? ", unless it is the same memory with the same strides" : "") +
                          "; they share memory, or could not be shown not to");
}

#define NPCONV_VIEW_OF(T) template TensorView<const T> view_of(const py::array&, int, Form, Layout);
NPCONV_VIEW_OF(float)
NPCONV_VIEW_OF(double)
NPCONV_VIEW_OF(std::int8_t)
NPCONV_VIEW_OF(std::uint8_t)
NPCONV_VIEW_OF(std::int16_t)
NPCONV_VIEW_OF(std::int32_t)
NPCONV_VIEW_OF(std::int64_t)
#undef NPCONV_VIEW_OF
template TensorView<const float> weights_view(const py::array&, int);
template TensorView<const double> weights_view(const py::array&, int);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/call.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/without_gil.hpp"

namespace npconv {
namespace {

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

// Do the bytes between their first and last elements meet?
bool may_meet(const py::array& a, const py::array& b) {
    const Extent one = extent(a), other = extent(b);
    return one.low < other.high && other.low < one.high && a.size() != 0 && b.size() != 0;
}

// TypeError, ValueError unless it can take the result; overlap is asked apart. Returned as a plain ndarray, whatever its class.
py::array checked_out(py::handle value, DType dtype, const char* of, const Shape& shape, Form form) {
    if (!py::isinstance<py::array>(value)) throw py::type_error("out must be a numpy.ndarray, got " + shown(value));
    py::array out = as_array(value, "out");
    if (!is_plain(value)) out = own_view(out);
    expect_dtype(out, "out", dtype, of);
    expect_shape(out, "out", "of the result", shape);
    if (!is_native(out)) {
        throw py::value_error("out must be in native byte order, got dtype " + py::cast<std::string>(py::repr(out.dtype())));
    }
    if (!out.writeable()) throw py::value_error("out must be writable, got a read-only array");
    if (!is_aligned(out)) throw py::value_error("out must be aligned, got a misaligned array");
    const int first = form == Form::batched ? 1 : 0;
    const auto strides = [&] { return ", got strides " + tuple_text({out.strides(), out.strides() + out.ndim()}); };
    if (out.size() == 0) return out;
    if (!dense_from(out, first)) throw py::value_error("out must be C-contiguous but for the batch stride" + strides());
    if (first == 1 && out.shape(0) > 1 && std::llabs(out.strides(0)) < out.nbytes() / out.shape(0)) {
        throw py::value_error("out must not overlap itself: its batch stride is smaller than an image" + strides());
    }
    return out;
}

// ValueError if out shares memory with `other`; identical_ok: the very same memory with the same strides may be read and written.
void refuse_overlap(const py::array& out, const py::array& other, const char* name, bool identical_ok) {
    if (!may_meet(out, other) || (identical_ok && same_memory(out, other))) return;
    const auto numpy = py::module_::import("numpy");
    bool shared = true;
    try {
        // Whether two strided arrays meet is a Diophantine problem; what is too hard to tell counts as an overlap.
        shared = py::cast<bool>(call_python(numpy.attr("shares_memory"), {out, other, py::int_(100000)}));
    } catch (const py::error_already_set& error) {
        if (!error.matches(numpy.attr("exceptions").attr("TooHardError"))) throw;
    }
    if (!shared) return;
    throw py::value_error(std::string("out must not overlap ") + name +
                          (identical_ok ? ", unless it is the same memory with the same strides" : "") +
                          "; they share memory, or could not be shown not to");
}

}  // namespace

Arrays::Arrays(std::initializer_list<Given> given, py::handle out) : out_(py::reinterpret_borrow<py::object>(out)) {
    // Plain ndarrays are read without a call that could let other code run; what is no such array may run the caller's own.
    const auto plain = [](const Given& g) { return is_plain(g.value) || (g.use != Use::needed && g.value.is_none()); };
    kept_ = !(out.is_none() || is_plain(out)) || !std::all_of(given.begin(), given.end(), plain);
    for (const Given& g : given) add(g);
}

Arrays Arrays::with_shapes_kept(std::initializer_list<Given> given) {
    Arrays arrays({});
    arrays.kept_ = true;
    for (const Given& g : given) arrays.add(g);
    return arrays;
}

Arrays Arrays::with_values(const py::args& values) const {
    if (values.size() != size_)
        throw py::type_error("expected " + std::to_string(size_) + " weights, got " + std::to_string(values.size()));
    Arrays others({});
    others.kept_ = true;
    for (std::size_t i = 0; i < size_; ++i) {
        others.add({items_[i].name, PyTuple_GET_ITEM(values.ptr(), static_cast<Py_ssize_t>(i)), items_[i].use});
    }
    return others;
}

// Where shapes are kept, at once: converting the next array may run code that gives this one another shape.
void Arrays::add(const Given& given) {
    Item& item = items_.at(size_++);
    item.name = given.name;
    item.use = given.use;
    if (given.use != Use::needed && given.value.is_none()) return;
    item.array = as_array(given.value, given.name);
    if (kept_) item.array = own_view(item.array);
}

std::size_t Arrays::residual() const {
    std::size_t i = 0;
    while (i < size_ && items_[i].use != Use::residual) ++i;
    return i;
}

void Arrays::keep_shapes() {
    if (kept_) return;
    for (Item& item : items_) {
        if (item.array) item.array = own_view(item.array);
    }
    kept_ = true;
}

void Arrays::expect_dtype(DType dtype, const char* of, std::size_t first) const {
    for (std::size_t i = first; i < size_; ++i) {
        if (has(i)) npconv::expect_dtype(items_[i].array, items_[i].name, dtype, of);
    }
}

Result Arrays::result(DType dtype, const char* of, const Shape& shape, Form form) {
    if (const std::size_t i = residual(); has(i)) expect_shape(items_[i].array, items_[i].name, "of the result", shape);
    Result result{no_array(), out_};
    if (out_.is_none()) {
        result.array = new_array(dtype, shape);
        result.given = result.array;
    } else {
        result.array = checked_out(out_, dtype, of, shape, form);
        const auto meets = [&](const Item& item) { return item.array && may_meet(result.array, item.array); };
        if (std::any_of(items_.begin(), items_.end(), meets)) keep_shapes();  // NumPy is asked, and may let other threads run
        if (kept_) result.array = own_view(result.array);
        for (const Item& item : items_) {
            if (item.array) refuse_overlap(result.array, item.array, item.name, item.use == Use::residual);
        }
    }
    if (form == Form::batched && result.array.shape(0) > 1) result.batch_step = result.array.strides(0) / result.array.itemsize();
    return result;
}

void Arrays::make_readable() {
    for (Item& item : items_) {
        if (item.array) item.array = readable(item.array);
    }
}

void Arrays::make_own(DType dtype) {
    for (Item& item : items_) {
        if (item.array) item.array = own_copy(item.array, dtype);
    }
}

void expect_shape(const py::array& a, const char* name, const char* whose, const Shape& wanted) {
    const auto n = static_cast<std::size_t>(a.ndim());
    if (n == wanted.size() && std::equal(wanted.begin(), wanted.end(), a.shape())) return;
    throw py::value_error(std::string(name) + " must have the shape " + whose + ", " + tuple_text(wanted) + "; got " + shape_text(a));
}

}  // namespace npconv

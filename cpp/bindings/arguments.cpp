// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/arguments.hpp"

#include <pybind11/numpy.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "bindings/numpy_names.hpp"
#include "bindings/without_gil.hpp"
#include "core/parallel.hpp"

namespace npconv {
namespace {

template <class E>
struct Named {
    const char* name;
    E value;
};

template <class E, std::size_t N>
std::string names_of(const Named<E> (&table)[N]) {
    std::string text;
    for (const Named<E>& entry : table) text += (text.empty() ? "\"" : ", \"") + std::string(entry.name) + "\"";
    return text;
}

std::string expected_str(const char* name, py::handle value, const std::string& names) {
    return std::string(name) + " must be one of " + names + "; got " + shown(value);
}

// None if no entry has this name.
template <class E, std::size_t N>
const Named<E>* find(const Named<E> (&table)[N], py::handle text) {
    for (const Named<E>& entry : table) {
        if (PyUnicode_CompareWithASCIIString(text.ptr(), entry.name) == 0) return &entry;
    }
    return nullptr;
}

template <class E, std::size_t N>
E parse_name(const Named<E> (&table)[N], py::handle value, const char* name) {
    if (!PyUnicode_Check(value.ptr())) throw py::type_error(expected_str(name, value, names_of(table)));
    const Named<E>* entry = find(table, value);
    if (!entry) throw py::value_error(expected_str(name, value, names_of(table)));
    return entry->value;
}

template <class E, std::size_t N>
py::object name_of(const Named<E> (&table)[N], const E& value) {
    for (const Named<E>& entry : table) {
        if (entry.value == value) return py::str(entry.name);
    }
    throw std::logic_error("a value without a name");
}

constexpr Named<PaddingKind> padding_names[] = {{"valid", PaddingKind::valid},
                                                {"full", PaddingKind::full},
                                                {"same", PaddingKind::same},
                                                {"same_lower", PaddingKind::same_lower},
                                                {"causal", PaddingKind::causal}};
constexpr Named<Border> border_names[] = {
    {"zeros", Border::zeros}, {"reflect", Border::reflect}, {"replicate", Border::replicate}, {"circular", Border::circular}};
constexpr Named<Layout> layout_names[] = {{"channels_first", Layout::channels_first}, {"channels_last", Layout::channels_last}};

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Named<ActivationSpec> activation_names[] = {{"relu", {Activation::clip, 0.0, infinity}},
                                                      {"relu6", {Activation::clip, 0.0, 6.0}},
                                                      {"leaky_relu", {Activation::leaky_relu, 0.01, 0.0}},
                                                      {"sigmoid", {Activation::sigmoid}},
                                                      {"tanh", {Activation::tanh}},
                                                      {"silu", {Activation::silu}},
                                                      {"hardswish", {Activation::hardswish}},
                                                      {"gelu", {Activation::gelu}},
                                                      {"gelu_tanh", {Activation::gelu_tanh}}};

bool is_tuple_or_list(py::handle value) { return PyTuple_Check(value.ptr()) || PyList_Check(value.ptr()); }

// An ndarray itself (a masked array has entries that are none) of one axis, or two for pairs. Entries of objects are judged one by one.
bool is_array_of_ints(py::handle value) {
    if (Py_TYPE(value.ptr()) != py::detail::npy_api::get().PyArray_Type_) return false;
    const auto array = py::reinterpret_borrow<py::array>(value);
    const char kind = array.dtype().kind();
    return (array.ndim() == 1 || array.ndim() == 2) && (kind == 'i' || kind == 'u' || kind == 'O');
}

PyObject* checked(PyObject* object) {
    if (!object) throw py::error_already_set();
    return object;
}

std::string ints_expected(const char* name, int rank, py::handle value) {
    return std::string(name) + " must be an int or a tuple of " + std::to_string(rank) + (rank == 1 ? " int" : " ints") + ", got " +
           shown(value);
}

std::string padding_expected(int rank, py::handle value) {
    const std::string n = std::to_string(rank);
    return "padding must be an int, a tuple of " + n + (rank == 1 ? " int" : " ints") + ", a tuple of " + n + " (before, after) pair" +
           (rank == 1 ? "" : "s") + ", or one of " + names_of(padding_names) + "; got " + shown(value);
}

std::string activation_expected(py::handle value, const std::string& argument) {
    return argument + " must be None, one of " + names_of(activation_names) + ", (\"leaky_relu\", slope) or (\"clip\", low, high); got " +
           shown(value);
}

// ("leaky_relu", slope) or ("clip", low, high)
ActivationSpec parse_activation_tuple(py::handle value, const std::string& argument) {
    const py::tuple items = snapshot(value);
    const std::size_t n = items.size();
    const py::object first = n > 0 ? py::object(items[0]) : py::object(py::none());
    if (!PyUnicode_Check(first.ptr())) throw py::type_error(activation_expected(value, argument));
    const auto is = [&](const char* name) { return PyUnicode_CompareWithASCIIString(first.ptr(), name) == 0; };
    if (is("leaky_relu") && n == 2) {
        const double slope = parse_number(items[1], (argument + ": the slope of leaky_relu").c_str());
        if (!std::isfinite(slope)) throw py::value_error(argument + ": the slope of leaky_relu must be finite, got " + shown(value));
        return {Activation::leaky_relu, slope, 0.0};
    }
    if (is("clip") && n == 3) {
        const double low = parse_number(items[1], (argument + ": the lower limit of clip").c_str());
        const double high = parse_number(items[2], (argument + ": the upper limit of clip").c_str());
        if (!(low <= high)) throw py::value_error(argument + ": the limits of clip must satisfy low <= high, got " + shown(value));
        return {Activation::clip, low, high};
    }
    throw py::value_error(activation_expected(value, argument));
}

}  // namespace

bool is_sequence(py::handle value) { return is_tuple_or_list(value) || is_array_of_ints(value); }

py::tuple snapshot(py::handle sequence) {
    if (!is_array_of_ints(sequence)) return py::reinterpret_steal<py::tuple>(checked(python_tuple(sequence)));
    // As lists of Python's ints. An array may be large by mistake: no argument has 16 entries, and a longer one is refused for its length.
    const py::slice few(0, 16, 1);
    const auto axes = py::reinterpret_borrow<py::array>(sequence).ndim();
    const py::object part = axes == 1 ? py::object(sequence[few]) : py::object(sequence[py::make_tuple(few, few)]);
    return py::tuple(call_python(part.attr("tolist"), {}));
}

std::string shown(py::handle value) {
    // ASCII: whatever the value says can be cut anywhere and put into a message.
    const auto ascii = py::reinterpret_steal<py::object>(PyObject_ASCII(value.ptr()));
    if (!ascii) PyErr_Clear();  // a __repr__ that fails: the message is ours to give, not its
    std::string text = ascii ? py::cast<std::string>(ascii) : "an object of type " + std::string(Py_TYPE(value.ptr())->tp_name);
    constexpr std::size_t longest = 80;
    if (text.size() > longest) text = text.substr(0, longest) + "...";
    for (char& c : text) {
        if (c == '\n') c = ' ';
    }
    return text;
}

bool is_int(py::handle value) {
    if (PyLong_CheckExact(value.ptr())) return true;
    PYBIND11_CONSTINIT static NumpyName numpy_bool;  // which has an __index__ before NumPy 2
    return PyIndex_Check(value.ptr()) && !PyBool_Check(value.ptr()) && !py::isinstance<py::array>(value) &&
           !py::isinstance(value, look_up(numpy_bool, "numpy", "bool_"));
}

double parse_number(py::handle value, const char* what) {
    PYBIND11_CONSTINIT static NumpyName real;  // NumPy registers its scalars there
    if (PyBool_Check(value.ptr()) || !(PyFloat_Check(value.ptr()) || py::isinstance(value, look_up(real, "numbers", "Real")))) {
        throw py::type_error(std::string(what) + " must be a number, got " + shown(value));
    }
    const double number = PyFloat_AsDouble(value.ptr());
    if (number != -1.0 || !PyErr_Occurred()) return number;
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) throw py::error_already_set();
    PyErr_Clear();
    throw py::value_error(std::string(what) + " must fit in a float, got " + shown(value));
}

std::string spatial_axes(int rank) { return std::to_string(rank) + (rank == 1 ? " spatial axis" : " spatial axes"); }

std::int64_t parse_int(py::handle value, const char* name) {
    if (!is_int(value)) throw py::type_error(std::string(name) + " must be an int, got " + shown(value));
    const auto index = py::reinterpret_steal<py::object>(checked(python_index(value)));
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    if (overflow != 0) throw py::value_error(std::string(name) + " must fit in 64 bits, got " + shown(value));
    return number;
}

std::vector<std::int64_t> parse_ints(py::handle value, const char* name, int rank) {
    const auto n = static_cast<std::size_t>(rank);
    if (!is_sequence(value)) {
        if (!is_int(value)) throw py::type_error(ints_expected(name, rank, value));
        return std::vector<std::int64_t>(n, parse_int(value, name));
    }
    const auto sequence = snapshot(value);
    std::vector<std::int64_t> ints;
    for (const py::handle item : sequence) {
        if (!is_int(item)) throw py::type_error(ints_expected(name, rank, value));
        ints.push_back(parse_int(item, name));
    }
    if (ints.size() != n) throw py::value_error(ints_expected(name, rank, value) + " for " + spatial_axes(rank));
    return ints;
}

std::vector<std::int64_t> parse_shape(py::handle value, const char* name) {
    if (!is_sequence(value)) throw py::type_error(std::string(name) + " must be a tuple of ints, got " + shown(value));
    std::vector<std::int64_t> shape;
    for (const py::handle item : snapshot(value)) {
        shape.push_back(parse_int(item, name));
        if (shape.back() < 0) throw py::value_error(std::string(name) + " must not have negative entries, got " + shown(value));
    }
    return shape;
}

Padding parse_padding(py::handle value, int rank) {
    Padding padding;
    if (PyUnicode_Check(value.ptr())) {
        padding.kind = parse_name(padding_names, value, "padding");
        return padding;
    }
    if (is_int(value)) {
        padding.before = padding.after = parse_ints(value, "padding", rank);
        return padding;
    }
    if (!is_sequence(value)) throw py::type_error(padding_expected(rank, value));
    const auto sequence = snapshot(value);
    std::size_t pairs = 0;
    for (const py::handle item : sequence) {
        if (is_int(item)) {
            padding.before.push_back(parse_int(item, "padding"));
            padding.after.push_back(padding.before.back());
        } else if (is_sequence(item)) {
            const auto pair = snapshot(item);
            if (pair.size() != 2) throw py::value_error(padding_expected(rank, value));
            if (!is_int(py::object(pair[0])) || !is_int(py::object(pair[1]))) throw py::type_error(padding_expected(rank, value));
            padding.before.push_back(parse_int(py::object(pair[0]), "padding"));
            padding.after.push_back(parse_int(py::object(pair[1]), "padding"));
            ++pairs;
        } else {
            throw py::type_error(padding_expected(rank, value));
        }
    }
    const std::size_t n = padding.before.size();
    if (n != static_cast<std::size_t>(rank) || (pairs != 0 && pairs != n)) {
        throw py::value_error(padding_expected(rank, value) + (rank == 1 && n == 2 ? " (one pair is written ((before, after),))" : ""));
    }
    return padding;
}

Border parse_padding_mode(py::handle value) { return parse_name(border_names, value, "padding_mode"); }
Layout parse_layout(py::handle value) { return parse_name(layout_names, value, "layout"); }

bool parse_bool(py::handle value, const char* name) {
    if (PyBool_Check(value.ptr())) return value.ptr() == Py_True;
    PYBIND11_CONSTINIT static NumpyName numpy_bool;
    if (!py::isinstance(value, look_up(numpy_bool, "numpy", "bool_")))
        throw py::type_error(std::string(name) + " must be a bool, got " + shown(value));
    const int truth = python_truth(value);  // what says that it is a numpy.bool_ may be something else, whose __bool__ raises
    if (truth < 0) throw py::error_already_set();
    return truth == 1;
}

ActivationSpec parse_activation(py::handle value, const std::string& argument) {
    ActivationSpec spec;
    if (value.is_none()) return spec;
    if (PyUnicode_Check(value.ptr())) {
        const Named<ActivationSpec>* entry = find(activation_names, value);
        if (!entry) throw py::value_error(activation_expected(value, argument));
        spec = entry->value;
    } else if (is_tuple_or_list(value)) {
        spec = parse_activation_tuple(value, argument);
    } else {
        throw py::type_error(activation_expected(value, argument));
    }
    return spec;
}

std::string parse_algorithm(py::handle value) {
    if (!PyUnicode_Check(value.ptr())) throw py::type_error("algorithm must be a str, got " + shown(value));
    Py_ssize_t size = 0;
    if (const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size)) return std::string(text, static_cast<std::size_t>(size));
    PyErr_Clear();  // lone surrogates: no name of ours, and said so by the planner
    return shown(value);
}

py::tuple as_python(const std::vector<std::int64_t>& ints) {
    py::tuple result(ints.size());
    for (std::size_t i = 0; i < ints.size(); ++i) result[i] = py::int_(ints[i]);
    return result;
}

py::object as_python(const Padding& padding) {
    if (padding.kind != PaddingKind::given) return name_of(padding_names, padding.kind);
    py::tuple pairs(padding.before.size());
    for (std::size_t i = 0; i < padding.before.size(); ++i) pairs[i] = py::make_tuple(padding.before[i], padding.after[i]);
    return pairs;
}

py::object as_python(Border border) { return name_of(border_names, border); }
py::object as_python(Layout layout) { return name_of(layout_names, layout); }

py::object as_python(const ActivationSpec& activation) {
    switch (activation.kind) {
        case Activation::none: return py::none();
        case Activation::leaky_relu: return py::make_tuple("leaky_relu", activation.a);
        case Activation::clip: return py::make_tuple("clip", activation.a, activation.b);
        default: return name_of(activation_names, activation);
    }
}

int parse_num_threads(py::handle value) {
    if (value.is_none()) return 0;
    if (!is_int(value)) throw py::type_error("num_threads must be None or an int, got " + shown(value));
    const std::int64_t n = parse_int(value, "num_threads");
    if (n < 1 || n > max_threads)
        throw py::value_error("num_threads must be from 1 to " + std::to_string(max_threads) + ", got " + shown(value));
    return static_cast<int>(n);
}

py::object threads_as_python(int n) { return n == 0 ? py::object(py::none()) : py::object(py::int_(n)); }

}  // namespace npconv

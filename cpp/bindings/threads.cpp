// SPDX-License-Identifier: BSD-3-Clause
// Thread counts: argument over context over set_num_threads over the OpenMP runtime (threadpoolctl, environment, affinity).
#include "bindings/arguments.hpp"
#include "bindings/register.hpp"
#include "core/parallel.hpp"

namespace npconv {
namespace {

// Holds what the innermost `with npconv.num_threads(n)` of this thread or task says, or None.
PyObject* context_variable() {
    static PyObject* variable = PyContextVar_New("npconv_num_threads", Py_None);
    if (!variable) throw py::error_already_set();
    return variable;
}

}  // namespace

int threads_for_call(int argument) {
    if (argument > 0) return argument;
    PyObject* value = nullptr;
    if (PyContextVar_Get(context_variable(), nullptr, &value) < 0) throw py::error_already_set();
    const auto said = py::reinterpret_steal<py::object>(value);
    if (!said.is_none()) return parse_num_threads(said);
    if (const int chosen = process_threads(); chosen > 0) return chosen;
    return runtime_threads();
}

void register_threads(py::module_& m) {
    m.attr("num_threads_variable") = py::reinterpret_borrow<py::object>(context_variable());
    m.def("parse_num_threads", [](py::handle n) { return parse_num_threads(n); });
    m.def("set_num_threads", [](py::handle n) { set_process_threads(parse_num_threads(n)); });
    m.def("get_num_threads", [] { return threads_for_call(0); });
}

}  // namespace npconv

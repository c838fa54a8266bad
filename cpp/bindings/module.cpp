// SPDX-License-Identifier: BSD-3-Clause
// npconv._core: the whole of it at a glance.
#include "bindings/register.hpp"

// pybind11's init function takes the GIL by PyGILState, which knows the main interpreter alone: in another one the thread would wait for
// ever for the GIL that it holds itself. So Python is given a function that looks first. The macro's own gets another name.
#define PyInit__core PyInit__core_of_pybind11
PYBIND11_MODULE(_core, m) {
    m.doc() = "The compiled core of npconv. Private: use the npconv package.";
    npconv::register_plan(m);
    npconv::register_conv(m);
    npconv::register_separable(m);
    npconv::register_weight_gradient(m);
    npconv::register_window_pool(m);
    npconv::register_pool(m);
    npconv::register_pool_gradients(m);
    npconv::register_threads(m);
    npconv::register_config(m);
    npconv::register_testing(m);
}
#undef PyInit__core

extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__core_of_pybind11();
    PyErr_SetString(PyExc_ImportError, "npconv can be imported in the main interpreter only, not in a subinterpreter");
    return nullptr;
}

// SPDX-License-Identifier: BSD-3-Clause
// Attributes of the numpy module, looked up once. pybind11's store, not a plain static: a thread that waits for the initialisation of a
// static while it holds the GIL would wait for ever for one that needs the GIL to finish it.
#pragma once
#include <pybind11/gil_safe_call_once.h>
#include <pybind11/pybind11.h>

namespace npconv {

using NumpyName = pybind11::gil_safe_call_once_and_store<pybind11::object>;

inline const pybind11::object& look_up(NumpyName& store, const char* module, const char* name) {
    return store.call_once_and_store_result([&] { return pybind11::object(pybind11::module_::import(module).attr(name)); }).get_stored();
}

}  // namespace npconv

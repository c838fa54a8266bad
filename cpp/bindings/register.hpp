// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder offer each other.
#pragma once
#include <pybind11/pybind11.h>

namespace npconv {

void register_plan(pybind11::module_& m);
void register_conv(pybind11::module_& m);
void register_separable(pybind11::module_& m);
void register_weight_gradient(pybind11::module_& m);
void register_window_pool(pybind11::module_& m);
void register_pool(pybind11::module_& m);
void register_pool_gradients(pybind11::module_& m);
void register_threads(pybind11::module_& m);
void register_config(pybind11::module_& m);
void register_testing(pybind11::module_& m);

// The argument (0: not given), the context, set_num_threads, the OpenMP runtime: the first that has a say.
int threads_for_call(int argument);

}  // namespace npconv

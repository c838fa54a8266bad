// SPDX-License-Identifier: BSD-3-Clause
// Python arguments that are not arrays: ints, tuples of ints, padding, names. Types are judged here (TypeError), values mostly by
// core/validate (ValueError); a message names the argument, the value and what was expected.
#pragma once
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/validate.hpp"
#include "plan/problem.hpp"

namespace npconv {

namespace py = pybind11;

// repr(value), shortened where it is long.
std::string shown(py::handle value);

// "1 spatial axis", "2 spatial axes"
std::string spatial_axes(int rank);

// A tuple, a list, or an ndarray of ints with one axis or two.
bool is_sequence(py::handle value);

// Its items as they are now: converting one may run code that changes the list.
py::tuple snapshot(py::handle sequence);

// Anything with __index__ but bool and ndarray.
std::int64_t parse_int(py::handle value, const char* name);

// An int or not, by the same rule.
bool is_int(py::handle value);

// An int for all axes, or a sequence of `rank` ints.
std::vector<std::int64_t> parse_ints(py::handle value, const char* name, int rank);

// A sequence of ints, none of them negative.
std::vector<std::int64_t> parse_shape(py::handle value, const char* name);

Padding parse_padding(py::handle value, int rank);
Border parse_padding_mode(py::handle value);
Layout parse_layout(py::handle value);
bool parse_bool(py::handle value, const char* name);
double parse_number(py::handle value, const char* what);
ActivationSpec parse_activation(py::handle value, const std::string& argument = "activation");
std::string parse_algorithm(py::handle value);

// What is parsed to these.
py::object as_python(const Padding& padding);
py::object as_python(Border border);
py::object as_python(Layout layout);
py::object as_python(const ActivationSpec& activation);
py::tuple as_python(const std::vector<std::int64_t>& ints);

// None: 0. Otherwise 1 to max_threads.
int parse_num_threads(py::handle value);
py::object threads_as_python(int num_threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The arguments of a convolution that are no arrays, parsed. Parsing may run code of the caller (an __index__, say), so it is done before
// any shape is read: nothing that was looked at can change afterwards.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"

namespace npconv {

// As they come from Python.
struct Keywords {
    py::handle stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads;
};

struct Settings {
    int rank = 2;
    std::vector<std::int64_t> stride;
    Padding padding;
    std::vector<std::int64_t> dilation;
    std::int64_t groups = 1;
    Border border = Border::zeros;
    bool flip = false;
    Layout layout = Layout::channels_first;
    ActivationSpec activation;
    std::string algorithm;
    int threads = 0;  // 0: not given
};

Settings parse_settings(const Keywords& keywords, int rank);

// The keywords that are parsed to these settings, but for those that a function lacks.
py::dict keywords_of(const Settings& settings, std::initializer_list<const char*> lacking = {});

// Where the axes of x and w are. ValueError where their number fits no form.
Form form_of(int rank, std::size_t x_ndim, std::size_t w_ndim, const std::string& x_shape, const std::string& w_shape,
             const OperandNames& names = {});

// ValueError where a number of it is too large for dtype.
void check_activation(const ActivationSpec& activation, DType dtype, const std::string& argument = "activation");

// The settings and the shapes of x and w, judged.
Problem make_problem(const Settings& settings, DType dtype, Form form, const Sizes& x, const std::vector<std::int64_t>& w_shape,
                     const OperandNames& names = {});

}  // namespace npconv

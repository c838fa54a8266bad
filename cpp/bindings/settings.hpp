// SPDX-License-Identifier: BSD-3-Clause
// The arguments of a convolution that are no arrays, parsed. Parsing may run code of the caller (an __index__, say), so it is done before
// any shape is read: nothing that was looked at can change afterwards.
#pragma once
#include <initializer_list>
#include <string>

#include "bindings/planned_shape.hpp"
#include "core/validate_transposed.hpp"
#include "plan/problem.hpp"

namespace npconv {

// As they come from Python. Null: the function has no such argument.
struct Keywords {
    py::handle stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads;
    py::handle output_padding, output_size;  // of a transposed convolution
};

struct Settings {
    TransposedRequest request;  // the sizes of x and w are those that make_problem was last asked about
    bool transposed = false;
    bool flip = false;
    ActivationSpec activation;
    std::string algorithm = "auto";
    int threads = 0;  // 0: not given
};

Settings parse_settings(const Keywords& keywords, int rank);

// The keywords that are parsed to these settings, but for those that a function lacks.
py::dict keywords_of(const Settings& settings, std::initializer_list<const char*> lacking = {});

// ValueError where a number of it is too large for dtype.
void check_activation(const ActivationSpec& activation, DType dtype, const std::string& argument = "activation");

// Where the axes of x are. ValueError where the numbers of axes fit no form.
Frame frame_of(const Settings& settings, const PlannedShape& x, const Shape& w, const OperandNames& names = {});

// The settings and the shapes of x and w, judged. Of a transposed convolution it is the convolution whose adjoint that is.
Problem make_problem(Settings& settings, DType dtype, const Frame& frame, const PlannedShape& x, const Shape& w,
                     const OperandNames& names = {});

// The shape of the result, in the form of x: of the convolution, or of the transposed one.
PlannedShape result_of(const Settings& settings, const ConvShape& shape, const Frame& frame, bool free_batch);

// ValueError unless bias is (channels,), one number for each of what is named; TypeError comes before.
void check_bias(const Arrays& arrays, std::size_t i, std::int64_t channels, const char* each = "output channel");

}  // namespace npconv

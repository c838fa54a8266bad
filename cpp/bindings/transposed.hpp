// SPDX-License-Identifier: BSD-3-Clause
// A plan of a transposed convolution on NumPy arrays, whatever it is called: conv_transpose, or the gradient of a convolution in its input.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/transposed.hpp"
#include "bindings/run.hpp"
#include "bindings/settings.hpp"

namespace npconv {

// What is no array, as it comes from Python.
struct TransposedKeywords {
    py::handle stride, padding, output_padding, output_size, dilation, groups, layout, activation, algorithm, num_threads;
};

struct TransposedSettings {
    Settings common;
    std::vector<std::int64_t> output_padding, output_size;  // empty: not given
};

TransposedSettings parse_transposed(const TransposedKeywords& keywords, int rank);

// The settings and the shapes of x and w, judged: the convolution whose adjoint it is.
Problem make_transposed_problem(const TransposedSettings& settings, DType dtype, Form form, const Sizes& x,
                                const std::vector<std::int64_t>& w_shape, const OperandNames& names = {});

std::unique_ptr<TransposedPlan> make_transposed(const Problem& forward, const std::string& algorithm, int rank, const py::array& w,
                                                const std::optional<py::array>& bias, int threads);
py::object run_transposed(const RunFrame& frame, const TransposedPlan& plan, const ConvShape& forward, Checked& arrays, int threads);
TransposedParameters pack_transposed(const TransposedPlan& plan, int rank, const py::array& w, const std::optional<py::array>& bias,
                                     int threads);

}  // namespace npconv

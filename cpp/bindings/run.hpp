// SPDX-License-Identifier: BSD-3-Clause
// One run, of a plan or a plain call, on NumPy arrays: array -> view -> optional out -> one block without the GIL -> return.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "bindings/arrays.hpp"
#include "core/merge.hpp"

namespace npconv {

// The operands of a call as arrays, converted but not yet judged. Made before any shape is read, because converting may run the caller's
// code.
struct Arrays {
    py::array x;
    std::optional<py::array> residual;
    py::object out;  // what the caller passed and gets back; None: to be allocated
    bool kept = false;

    Arrays(py::handle x, py::handle residual, py::handle out);
    // From here on no other code can give them another shape: before anything is called that lets other code run.
    void keep_shapes();
};

// What a run needs to know beside the plan.
struct RunFrame {
    int rank;
    Form form;
    DType dtype;
    Layout layout;
    const char* dtype_of;  // whose dtype it is, for messages: "x" or "the plan"
    bool merged = false;   // rows of the arrays follow each other, and are one (core/merge.hpp)
};

// The shape of the result in the caller's form.
std::vector<std::int64_t> result_shape(const ConvShape& shape, int rank, Form form, Layout layout);

// Checks residual and out against the shape of the result, and allocates out where it is None. others: what else out must not overlap.
struct NamedArray {
    const char* name;
    const py::array* array;
};
struct Checked {
    py::array x;
    std::optional<py::array> residual;
    py::array out;
    py::object result;  // out as the caller knows it
};
Checked check(const RunFrame& frame, const ConvShape& shape, Arrays& arrays, const std::vector<NamedArray>& others);

// The arrays as a run takes them.
template <class T>
Operands<T> operands_of(const RunFrame& frame, const Checked& arrays);

py::object run(const RunFrame& frame, const ConvPlan& plan, const ConvShape& shape, Checked& arrays, int threads);
// The same without a plan.
py::object run_once(const RunFrame& frame, const Problem& problem, const std::string& algorithm, const py::array& w,
                    const std::optional<py::array>& bias, Checked& arrays, int threads);

// ValueError, TypeError unless bias is (channels,).
void check_bias(const std::optional<py::array>& bias, DType dtype, const char* of, std::int64_t channels);

template <class T>
WeightsView<T> weights_of(const py::array& w, int rank, const std::optional<py::array>& bias, bool merged = false) {
    WeightsView<T> view;
    view.w = weights_view<T>(w, rank);
    if (merged) view.w = with_merged_rows(view.w, 1);
    if (bias) {
        view.bias = static_cast<const T*>(bias->data());
        view.bias_stride = bias->shape(0) < 2 ? 0 : bias->strides(0) / bias->itemsize();
    }
    return view;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/run.hpp"

#include <string>

#include "algorithms/convolve_once.hpp"
#include "bindings/arguments.hpp"
#include "bindings/context.hpp"
#include "bindings/without_gil.hpp"
#include "core/validate.hpp"

namespace npconv {
namespace {

Sizes output_sizes(const ConvShape& s, int rank) {
    Sizes sizes;
    sizes.batch = s.batch;
    sizes.channels = s.groups * s.out_channels;
    for (int i = 3 - rank; i < 3; ++i) sizes.spatial.push_back(s.axis[static_cast<std::size_t>(i)].output);
    return sizes;
}

std::vector<std::int64_t> spatial_sizes(const py::array& a, const RunFrame& f) {
    return sizes_of(shape_of(a).data(), f.rank, f.form, f.layout).spatial;
}

// The array, or if its rows do not follow each other and must, a copy.
py::array as_merged(const py::array& a, const RunFrame& f) {
    if (!f.merged) return a;
    const std::vector<std::int64_t> sizes = spatial_sizes(a, f);
    const bool follow = with_real(
        f.dtype, [&](auto zero) { return rows_follow(view_of<decltype(zero)>(a, f.rank, f.form, f.layout), sizes[1], sizes[2]); });
    return follow ? a : py::array::ensure(a, py::array::c_style);
}

template <class T>
void run_as(const RunFrame& f, const ConvPlan& plan, const ConvShape& shape, Checked& arrays, int threads) {
    const Operands<T> io = operands_of<T>(f, arrays);
    const Parameters parameters = plan.parameters();  // with the GIL: see ConvPlan
    without_gil([&] { plan.run(shape, parameters, io, threads); });
}

template <class T>
void run_once_as(const RunFrame& f, const Problem& problem, const std::string& algorithm, const py::array& w,
                 const std::optional<py::array>& bias, Checked& arrays, int threads) {
    const Operands<T> io = operands_of<T>(f, arrays);
    const WeightsView<T> weights = weights_of<T>(w, f.rank, bias, f.merged);
    const Context& on = current_context();
    without_gil([&] { convolve_once(problem, on, algorithm, weights, io, threads); });
}

}  // namespace

template <class T>
Operands<T> operands_of(const RunFrame& f, const Checked& arrays) {
    Operands<T> io;
    const auto view = [&](const py::array& a) {
        const TensorView<const T> v = view_of<T>(a, f.rank, f.form, f.layout);
        return f.merged ? with_merged_rows(v, spatial_sizes(a, f)[2]) : v;
    };
    io.x = view(arrays.x);
    if (arrays.residual) io.residual = view(*arrays.residual);
    io.y = static_cast<T*>(const_cast<py::array&>(arrays.out).mutable_data());
    io.y_batch = f.form == Form::batched && arrays.out.shape(0) > 1 ? arrays.out.strides(0) / arrays.out.itemsize() : 0;
    return io;
}

template Operands<float> operands_of(const RunFrame&, const Checked&);
template Operands<double> operands_of(const RunFrame&, const Checked&);

Arrays::Arrays(py::handle x_value, py::handle residual_value, py::handle out_value)
    : x(as_array(x_value, "x")),
      residual(residual_value.is_none() ? std::nullopt : std::optional(as_array(residual_value, "residual"))),
      out(py::reinterpret_borrow<py::object>(out_value)) {
    // Plain ndarrays are read without a call that could let other code run; what is no such array may run the caller's own.
    const bool plain = is_plain(x_value) && (!residual || is_plain(residual_value)) && (out.is_none() || is_plain(out));
    if (!plain) keep_shapes();
}

void Arrays::keep_shapes() {
    if (kept) return;
    x = own_view(x);
    if (residual) residual = own_view(*residual);
    kept = true;
}

std::vector<std::int64_t> result_shape(const ConvShape& shape, int rank, Form form, Layout layout) {
    return output_shape(output_sizes(shape, rank), form, layout);
}

Checked check(const RunFrame& f, const ConvShape& shape, Arrays& arrays, const std::vector<NamedArray>& others) {
    const std::vector<std::int64_t> wanted = result_shape(shape, f.rank, f.form, f.layout);
    if (arrays.residual) {
        expect_dtype(*arrays.residual, "residual", f.dtype, f.dtype_of);
        if (shape_of(*arrays.residual) != wanted) {
            throw py::value_error("residual must have the shape of the result, " + tuple_text(wanted) + "; got " +
                                  shape_text(*arrays.residual));
        }
    }
    Checked checked;
    if (!arrays.out.is_none()) {
        checked.out = checked_out(arrays.out, f.dtype, f.dtype_of, wanted, f.form);
        checked.result = arrays.out;
        const auto meets_out = [&](const py::array& a) { return may_meet(checked.out, a); };
        if (meets_out(arrays.x) || (arrays.residual && meets_out(*arrays.residual))) {  // NumPy is asked, and may let other threads run
            arrays.keep_shapes();
        }
        if (arrays.kept) checked.out = own_view(checked.out);
        refuse_overlap(checked.out, arrays.x, "x", false);
        for (const NamedArray& other : others) refuse_overlap(checked.out, *other.array, other.name, false);
        if (arrays.residual) refuse_overlap(checked.out, *arrays.residual, "residual", true);
    }
    checked.x = as_merged(readable(arrays.x), f);
    if (arrays.residual) checked.residual = as_merged(readable(*arrays.residual), f);
    if (arrays.out.is_none()) {
        checked.out = new_array(f.dtype, wanted);
        checked.result = checked.out;
    }
    return checked;
}

py::object run(const RunFrame& f, const ConvPlan& plan, const ConvShape& shape, Checked& arrays, int threads) {
    if (f.dtype == DType::f32) {
        run_as<float>(f, plan, shape, arrays, threads);
    } else {
        run_as<double>(f, plan, shape, arrays, threads);
    }
    return arrays.result;
}

py::object run_once(const RunFrame& f, const Problem& problem, const std::string& algorithm, const py::array& w,
                    const std::optional<py::array>& bias, Checked& arrays, int threads) {
    const py::array weights = readable(w);
    std::optional<py::array> readable_bias;
    if (bias) readable_bias = readable(*bias);
    if (f.dtype == DType::f32) {
        run_once_as<float>(f, problem, algorithm, weights, readable_bias, arrays, threads);
    } else {
        run_once_as<double>(f, problem, algorithm, weights, readable_bias, arrays, threads);
    }
    return arrays.result;
}

void check_bias(const std::optional<py::array>& bias, DType dtype, const char* of, std::int64_t channels) {
    if (!bias) return;
    expect_dtype(*bias, "bias", dtype, of);
    if (bias->ndim() != 1 || bias->shape(0) != channels) {
        throw py::value_error("bias must have shape (" + std::to_string(channels) + ",), one number for each output channel; got " +
                              shape_text(*bias));
    }
}

}  // namespace npconv

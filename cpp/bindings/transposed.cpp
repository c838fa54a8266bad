// SPDX-License-Identifier: BSD-3-Clause
// conv_transpose and its plan, as Python sees them.
#include "bindings/transposed.hpp"

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "bindings/context.hpp"
#include "bindings/plan_state.hpp"
#include "bindings/planned_shape.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/without_gil.hpp"
#include "core/validate.hpp"
#include "core/validate_transposed.hpp"

namespace npconv {
namespace {

// f(weights) without the GIL.
template <class F>
auto with_weights(DType dtype, int rank, const py::array& w, const std::optional<py::array>& bias, const F& f) {
    const py::array weights = readable(w);
    std::optional<py::array> readable_bias;
    if (bias) readable_bias = readable(*bias);
    return with_real(dtype, [&](auto zero) {
        const auto view = weights_of<decltype(zero)>(weights, rank, readable_bias);
        return without_gil([&] { return f(view); });
    });
}

py::object conv_transpose(int rank, py::handle x, py::handle w_value, py::handle bias_value, py::handle stride, py::handle padding,
                          py::handle output_padding, py::handle output_size, py::handle dilation, py::handle groups, py::handle layout,
                          py::handle activation, py::handle algorithm, py::handle out, py::handle num_threads) {
    const TransposedSettings settings = parse_transposed(
        {stride, padding, output_padding, output_size, dilation, groups, layout, activation, algorithm, num_threads}, rank);
    const py::array w = given_array(w_value, "w");
    const std::optional<py::array> bias = given_optional_array(bias_value, "bias");
    Arrays arrays(x, py::none(), out);
    arrays.keep_shapes();  // packing lets other threads run

    const DType dtype = dtype_of(arrays.x, "x");
    expect_dtype(w, "w", dtype, "x");
    const std::vector<std::int64_t> x_shape = shape_of(arrays.x), w_shape = shape_of(w);
    const Form form = form_of(rank, x_shape.size(), w_shape.size(), tuple_text(x_shape), tuple_text(w_shape));
    const Sizes sizes = sizes_of(x_shape.data(), rank, form, settings.common.layout);
    Problem problem = make_transposed_problem(settings, dtype, form, sizes, w_shape);
    problem.packing = Packing::every_call;
    check_bias(bias, dtype, "x", problem.shape.groups * problem.shape.in_channels);
    const RunFrame frame{rank, form, dtype, settings.common.layout, "x"};
    std::vector<NamedArray> parameters{{"w", &w}};
    if (bias) parameters.push_back({"bias", &*bias});
    Checked checked = check(frame, with_result_as_output(problem.shape), arrays, parameters);
    const int threads = threads_for_call(settings.common.threads);
    const py::array weights = readable(w);
    const std::optional<py::array> readable_bias = bias ? std::optional<py::array>(readable(*bias)) : std::nullopt;
    with_real(dtype, [&](auto zero) {
        using T = decltype(zero);
        const Operands<T> io = operands_of<T>(frame, checked);
        const WeightsView<T> view = weights_of<T>(weights, rank, readable_bias);
        without_gil([&] { transpose_once(problem, current_context(), settings.common.algorithm, view, io, threads); });
    });
    return checked.result;
}

class PlannedTransposed {
  public:
    PlannedTransposed(py::handle x_shape, py::handle w_value, py::handle bias_value, py::handle stride, py::handle padding,
                      py::handle output_padding, py::handle output_size, py::handle dilation, py::handle groups, py::handle layout,
                      py::handle activation, py::handle algorithm, py::handle num_threads)
        : x_(parse_x_shape(x_shape)) {
        const py::array w = given_array(w_value, "w");  // its rank must be known before the settings are parsed
        const DType dtype = dtype_of(w, "w");
        const int rank = infer_rank(x_, w);
        settings_ = parse_transposed(
            {stride, padding, output_padding, output_size, dilation, groups, layout, activation, algorithm, num_threads}, rank);
        const std::optional<py::array> bias = given_optional_array(bias_value, "bias");
        w_shape_ = shape_of(w);
        const Form form = form_of(rank, x_.sizes.size(), w_shape_.size(), x_.text, shape_text(w));
        x_.check_free_batch(form);
        frame_ = {rank, form, dtype, settings_.common.layout, "the plan"};
        Problem problem = make_transposed_problem(settings_, dtype, form, sizes(), w_shape_, planned_names);
        problem.free_batch = x_.free_batch;
        check_bias(bias, dtype, "w", problem.shape.groups * problem.shape.in_channels);
        std::vector<KeptWeights::Named> kept{{"w", own_copy(w, dtype)}, {"bias", own_copy(bias, dtype)}};
        plan_ = make_transposed(problem, settings_.common.algorithm, rank, *kept[0].second, kept[1].second, threads());
        kept_ = KeptWeights(std::move(kept));
        first_x_ = x_;
    }

    py::object operator()(py::handle x, py::handle residual, py::handle out) const {
        if (!residual.is_none())
            throw py::value_error("residual must be None: a transposed convolution takes none; got " + shown(residual));
        Arrays arrays(x, py::none(), out);
        expect_dtype(arrays.x, "x", frame_.dtype, "the plan");
        RunFrame frame = frame_;
        frame.form = x_.expect(arrays.x, frame_.form);
        ConvShape shape = plan_->problem().shape;
        if (x_.free_batch) {
            shape = with_batch(shape, batch_of(arrays.x, frame.form), frame_.dtype);
            with_batch(with_result_as_output(shape), shape.batch, frame_.dtype);
        }
        Checked checked = check(frame, with_result_as_output(shape), arrays, {});
        return run_transposed(frame, *plan_, shape, checked, threads());
    }

    PlannedTransposed for_shape(py::handle x_shape) const { return PlannedTransposed(*this, parse_x_shape(x_shape)); }

    void update_weights(py::handle w_value, py::handle bias_value) {
        const py::array w = given_array(w_value, "w");
        const std::optional<py::array> bias = given_optional_array(bias_value, "bias");
        expect_dtype(w, "w", frame_.dtype, "the plan");
        if (shape_of(w) != w_shape_) {
            throw py::value_error("w must have the shape that the plan was made for, " + tuple_text(w_shape_) + "; got " + shape_text(w));
        }
        const ConvShape& s = plan_->problem().shape;
        check_bias(bias, frame_.dtype, "the plan", s.groups * s.in_channels);
        std::vector<KeptWeights::Named> kept{{"w", own_copy(w, frame_.dtype)}, {"bias", own_copy(bias, frame_.dtype)}};
        TransposedParameters packed = pack_transposed(*plan_, frame_.rank, *kept[0].second, kept[1].second, threads());
        plan_->set_parameters(std::move(packed));
        kept_.replace(kept);
    }

    std::string algorithm() const { return plan_->algorithm(); }
    std::int64_t flops() const { return 2 * plan_->problem().shape.macs(); }
    std::int64_t workspace_bytes() const { return plan_->workspace_bytes(threads()); }
    std::int64_t packed_bytes() const { return plan_->packed_bytes(); }
    std::string explain() const { return plan_->explain(threads()); }
    py::tuple output_shape() const {
        return x_.with_free_batch(result_shape(with_result_as_output(plan_->problem().shape), frame_.rank, frame_.form, frame_.layout));
    }
    py::tuple x_shape() const { return x_.with_free_batch(x_.sizes); }
    py::tuple state() const {
        py::dict keywords = keywords_of(settings_.common, {"padding_mode", "flip"});
        keywords["output_padding"] = as_python(settings_.output_padding);
        keywords["output_size"] = settings_.output_size.empty() ? py::object(py::none()) : py::object(as_python(settings_.output_size));
        kept_.add_to(keywords);
        return state_of("plan_conv_transpose", keywords, first_x_, x_, settings_.common.algorithm, algorithm());
    }

  private:
    // Another input shape; the rest, with the packed weights, is the other plan's.
    PlannedTransposed(const PlannedTransposed& other, PlannedShape x)
        : settings_(other.settings_),
          frame_(other.frame_),
          x_(std::move(x)),
          first_x_(other.first_x_),
          w_shape_(other.w_shape_),
          kept_(other.kept_) {
        x_.expect_axes_of(other.x_);
        x_.check_free_batch(frame_.form);
        const Problem problem = make_transposed_problem(settings_, frame_.dtype, frame_.form, sizes(), w_shape_, planned_names);
        plan_ = std::make_unique<TransposedPlan>(*other.plan_, problem.shape, x_.free_batch);
    }

    Sizes sizes() const { return sizes_of(x_.sizes.data(), frame_.rank, frame_.form, frame_.layout); }
    int threads() const { return threads_for_call(settings_.common.threads); }

    TransposedSettings settings_;
    RunFrame frame_{};
    PlannedShape x_;
    PlannedShape first_x_;  // of the plan that packed the weights
    std::vector<std::int64_t> w_shape_;
    KeptWeights kept_;
    std::unique_ptr<TransposedPlan> plan_;
};

}  // namespace

TransposedSettings parse_transposed(const TransposedKeywords& k, int rank) {
    const py::str zeros("zeros");
    const py::bool_ no(false);
    TransposedSettings s;
    s.common =
        parse_settings({k.stride, k.padding, k.dilation, k.groups, zeros, no, k.layout, k.activation, k.algorithm, k.num_threads}, rank);
    s.output_padding = parse_ints(k.output_padding, "output_padding", rank);
    if (!k.output_size.is_none()) s.output_size = parse_ints(k.output_size, "output_size", rank);
    return s;
}

Problem make_transposed_problem(const TransposedSettings& s, DType dtype, Form form, const Sizes& x,
                                const std::vector<std::int64_t>& w_shape, const OperandNames& names) {
    TransposedRequest request;
    request.names = names;
    request.rank = s.common.rank;
    request.batch = x.batch;
    request.channels = x.channels;
    request.input = x.spatial;
    if (form != Form::single_channel) {
        request.w_in = w_shape[0];
        request.w_out = w_shape[1];
    }
    request.kernel.assign(w_shape.end() - s.common.rank, w_shape.end());
    request.stride = s.common.stride;
    request.dilation = s.common.dilation;
    request.groups = s.common.groups;
    request.padding = s.common.padding;
    request.output_padding = s.output_padding;
    request.output_size = s.output_size;
    request.dtype = dtype;
    request.layout = s.common.layout;
    Problem problem;
    problem.shape = validate_transposed(request);
    problem.dtype = dtype;
    problem.layout = s.common.layout;
    problem.activation = s.common.activation;
    check_activation(s.common.activation, dtype);
    const ConvShape& shape = problem.shape;  // one channel in and one out: both layouts are the same memory
    if (shape.groups * shape.in_channels == 1 && shape.groups * shape.out_channels == 1) problem.layout = Layout::channels_first;
    return problem;
}

std::unique_ptr<TransposedPlan> make_transposed(const Problem& forward, const std::string& algorithm, int rank, const py::array& w,
                                                const std::optional<py::array>& bias, int threads) {
    return with_weights(forward.dtype, rank, w, bias, [&](const auto& weights) {
        return std::make_unique<TransposedPlan>(forward, current_context(), algorithm, weights, threads);
    });
}

TransposedParameters pack_transposed(const TransposedPlan& plan, int rank, const py::array& w, const std::optional<py::array>& bias,
                                     int threads) {
    return with_weights(plan.problem().dtype, rank, w, bias, [&](const auto& weights) { return plan.pack(weights, threads); });
}

py::object run_transposed(const RunFrame& f, const TransposedPlan& plan, const ConvShape& forward, Checked& arrays, int threads) {
    with_real(f.dtype, [&](auto zero) {
        using T = decltype(zero);
        const Operands<T> io = operands_of<T>(f, arrays);
        const TransposedParameters parameters = plan.parameters();  // with the GIL: see ConvPlan
        without_gil([&] { plan.run(forward, parameters, io, threads); });
    });
    return arrays.result;
}

void register_transposed(py::module_& m) {
    m.def("conv_transpose", &conv_transpose,
          "conv_transpose{N}d: rank, x, w, bias, then the keywords in the order of the public signature");
    const auto meta = py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
    py::class_<PlannedTransposed> plan(m, "TransposedPlan", meta, py::is_final());
    plan.def("__call__", &PlannedTransposed::operator())
        .def("for_shape", &PlannedTransposed::for_shape)
        .def("update_weights", &PlannedTransposed::update_weights)
        .def("explain", &PlannedTransposed::explain)
        .def("state", &PlannedTransposed::state)
        .def_property_readonly("algorithm", &PlannedTransposed::algorithm)
        .def_property_readonly("x_shape", &PlannedTransposed::x_shape)
        .def_property_readonly("output_shape", &PlannedTransposed::output_shape)
        .def_property_readonly("flops", &PlannedTransposed::flops)
        .def_property_readonly("workspace_bytes", &PlannedTransposed::workspace_bytes)
        .def_property_readonly("packed_bytes", &PlannedTransposed::packed_bytes);
    seal(plan);
    m.def("plan_conv_transpose", &make<PlannedTransposed, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                                       py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle>);
}

}  // namespace npconv

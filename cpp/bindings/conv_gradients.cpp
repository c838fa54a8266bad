// SPDX-License-Identifier: BSD-3-Clause
// The gradients of convolutions and of transposed convolutions, as Python sees them, and their plans.
#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/input_gradient.hpp"
#include "algorithms/weight_gradient.hpp"
#include "bindings/context.hpp"
#include "bindings/plan_state.hpp"
#include "bindings/planned_shape.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"
#include "bindings/run.hpp"
#include "bindings/settings.hpp"
#include "bindings/transposed.hpp"
#include "bindings/without_gil.hpp"
#include "core/validate.hpp"
#include "core/validate_transposed.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

// Of a convolution, as they come from Python.
struct GradientKeywords {
    py::handle stride, padding, dilation, groups, padding_mode, flip, layout, num_threads;
};

Settings parse(const GradientKeywords& k, int rank, const std::string& algorithm = "auto") {
    const py::str automatic(algorithm);
    const py::none none;
    return parse_settings({k.stride, k.padding, k.dilation, k.groups, k.padding_mode, k.flip, k.layout, none, automatic, k.num_threads},
                          rank);
}

// What these functions call the operands of the convolution.
constexpr OperandNames of_input{.x = "input_shape", .x_is_shape = true}, of_weight{.w = "weight_shape", .w_is_shape = true};

void expect_shape(const py::array& a, const char* name, const std::vector<std::int64_t>& wanted) {
    if (shape_of(a) == wanted) return;
    throw py::value_error(std::string(name) + " must have the shape of the result of these arguments, " + tuple_text(wanted) + "; got " +
                          shape_text(a));
}

// The result of a call: `out`, judged, or a new array.
Checked result_of(py::handle out, DType dtype, const char* of, const std::vector<std::int64_t>& shape, Form form,
                  const std::vector<NamedArray>& others) {
    Checked checked;
    if (out.is_none()) {
        checked.out = new_array(dtype, shape);
        checked.result = checked.out;
        return checked;
    }
    checked.out = own_view(checked_out(out, dtype, of, shape, form));
    checked.result = py::reinterpret_borrow<py::object>(out);
    for (const NamedArray& other : others) refuse_overlap(checked.out, *other.array, other.name, false);
    return checked;
}

template <class F>
auto with_weights(DType dtype, int rank, const py::array& w, const F& f) {
    const py::array weights = readable(w);
    return with_real(dtype, [&](auto zero) {
        const auto view = weights_of<decltype(zero)>(weights, rank, std::nullopt);
        return without_gil([&] { return f(view); });
    });
}

py::object run_input_gradient(const RunFrame& frame, const InputGradientPlan& plan, const ConvShape& shape, Checked& arrays, int threads) {
    with_real(frame.dtype, [&](auto zero) {
        using T = decltype(zero);
        const Operands<T> io = operands_of<T>(frame, arrays);
        const InputGradientParameters parameters = plan.parameters();  // with the GIL: see ConvPlan
        without_gil([&] { plan.run(shape, parameters, io, threads); });
    });
    return arrays.result;
}

py::object grad_conv_input(int rank, py::handle input_shape, py::handle w_value, py::handle grad_value, py::handle stride,
                           py::handle padding, py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip,
                           py::handle layout, py::handle algorithm, py::handle out, py::handle num_threads) {
    const Settings settings =
        parse({stride, padding, dilation, groups, padding_mode, flip, layout, num_threads}, rank, parse_algorithm(algorithm));
    const std::vector<std::int64_t> x_shape = parse_shape(input_shape, "input_shape");
    const py::array w = given_array(w_value, "w"), grad = given_array(grad_value, "grad_out");
    const DType dtype = dtype_of(grad, "grad_out");
    expect_dtype(w, "w", dtype, "grad_out");
    const std::vector<std::int64_t> w_shape = shape_of(w);
    const Form form = form_of(rank, x_shape.size(), w_shape.size(), tuple_text(x_shape), tuple_text(w_shape), of_input);
    Problem problem = make_problem(settings, dtype, form, sizes_of(x_shape.data(), rank, form, settings.layout), w_shape, of_input);
    problem.packing = Packing::every_call;
    expect_shape(grad, "grad_out", result_shape(problem.shape, rank, form, settings.layout));
    Checked checked = result_of(out, dtype, "grad_out", x_shape, form, {{"grad_out", &grad}, {"w", &w}});
    checked.x = readable(grad);
    const RunFrame frame{rank, form, dtype, settings.layout, "grad_out"};
    const int threads = threads_for_call(settings.threads);
    const py::array weights = readable(w);
    with_real(dtype, [&](auto zero) {
        using T = decltype(zero);
        const Operands<T> io = operands_of<T>(frame, checked);
        const WeightsView<T> view = weights_of<T>(weights, rank, std::nullopt);
        without_gil([&] { input_gradient_once(problem, current_context(), settings.algorithm, view, io, threads); });
    });
    return checked.result;
}

// x and the gradient of the result, as the convolution has them, give that of the weights.
py::object run_weights(const WeightGradientExecution& execution, int rank, Form form, Layout layout, const py::array& x,
                       const py::array& grad, Checked& result, int threads) {
    const py::array readable_x = readable(x), readable_grad = readable(grad);
    with_real(execution.problem.dtype, [&](auto zero) {
        using T = decltype(zero);
        WeightGradientOperands<T> io;
        io.x = view_of<T>(readable_x, rank, form, layout);
        io.grad = view_of<T>(readable_grad, rank, form, layout);
        io.out = static_cast<T*>(result.out.mutable_data());
        without_gil([&] { run_weight_gradient(execution, io, threads); });
    });
    return result.result;
}

py::object grad_conv_weight(int rank, py::handle x_value, py::handle weight_shape, py::handle grad_value, py::handle stride,
                            py::handle padding, py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip,
                            py::handle layout, py::handle out, py::handle num_threads) {
    const Settings settings = parse({stride, padding, dilation, groups, padding_mode, flip, layout, num_threads}, rank);
    const std::vector<std::int64_t> w_shape = parse_shape(weight_shape, "weight_shape");
    const py::array x = given_array(x_value, "x"), grad = given_array(grad_value, "grad_out");
    const DType dtype = dtype_of(x, "x");
    expect_dtype(grad, "grad_out", dtype, "x");
    const std::vector<std::int64_t> x_shape = shape_of(x);
    const Form form = form_of(rank, x_shape.size(), w_shape.size(), tuple_text(x_shape), tuple_text(w_shape), of_weight);
    const Problem problem = make_problem(settings, dtype, form, sizes_of(x_shape.data(), rank, form, settings.layout), w_shape, of_weight);
    expect_shape(grad, "grad_out", result_shape(problem.shape, rank, form, settings.layout));
    Checked checked = result_of(out, dtype, "x", w_shape, Form::unbatched, {{"x", &x}, {"grad_out", &grad}});
    return run_weights(plan_weight_gradient(problem, current_context()), rank, form, settings.layout, x, grad, checked,
                       threads_for_call(settings.threads));
}

// The sum over batch and pixels: the gradient of a 1x1 convolution whose one input channel is 1 everywhere.
py::object grad_conv_bias(int rank, py::handle grad_value, py::handle layout_value) {
    const Layout layout = parse_layout(layout_value);
    const py::array grad = given_array(grad_value, "grad_out");
    const DType dtype = dtype_of(grad, "grad_out");
    const std::vector<std::int64_t> shape = shape_of(grad);
    const Form form = form_of_axes(shape.size(), rank, "grad_out", shape_text(grad), "a convolution");
    const Sizes sizes = sizes_of(shape.data(), rank, form, layout);
    Problem problem;
    problem.dtype = dtype;
    problem.layout = layout;
    problem.shape.batch = sizes.batch;
    problem.shape.out_channels = sizes.channels;
    for (std::size_t i = 0; i < sizes.spatial.size(); ++i) {
        Axis& axis = problem.shape.axis[3 - sizes.spatial.size() + i];
        axis.input = axis.output = sizes.spatial[i];
    }
    const py::array result = new_array(dtype, {sizes.channels});
    const py::array readable_grad = readable(grad);
    const int threads = threads_for_call(0);
    const Context& on = current_context();
    with_real(dtype, [&](auto zero) {
        using T = decltype(zero);
        const T one = 1;
        WeightGradientOperands<T> io;
        io.x.data = &one;
        io.grad = view_of<T>(readable_grad, rank, form, layout);
        io.out = static_cast<T*>(const_cast<py::array&>(result).mutable_data());
        without_gil([&] { run_weight_gradient(plan_weight_gradient(problem, on), io, threads); });
    });
    return result;
}

// The gradients of a transposed convolution: in its input the convolution whose adjoint it is; in its weights that one's, with x and the
// gradient in each other's place.
struct TransposedGradient {
    TransposedSettings settings;
    Form form;
    Problem problem;                   // of the convolution
    std::vector<std::int64_t> result;  // the shape of the transposed convolution's

    TransposedGradient(const TransposedKeywords& keywords, int rank, DType dtype, const std::vector<std::int64_t>& x_shape,
                       const std::vector<std::int64_t>& w_shape, const OperandNames& names)
        : settings(parse_transposed(keywords, rank)),
          form(form_of(rank, x_shape.size(), w_shape.size(), tuple_text(x_shape), tuple_text(w_shape), names)),
          problem(
              make_transposed_problem(settings, dtype, form, sizes_of(x_shape.data(), rank, form, settings.common.layout), w_shape, names)),
          result(result_shape(with_result_as_output(problem.shape), rank, form, settings.common.layout)) {}
};

py::object grad_transposed_input(int rank, py::handle input_shape, py::handle w_value, py::handle grad_value, py::handle stride,
                                 py::handle padding, py::handle output_padding, py::handle dilation, py::handle groups, py::handle layout,
                                 py::handle algorithm, py::handle out, py::handle num_threads) {
    const py::none none;
    const std::vector<std::int64_t> x_shape = parse_shape(input_shape, "input_shape");
    const py::array w = given_array(w_value, "w"), grad = given_array(grad_value, "grad_out");
    const DType dtype = dtype_of(grad, "grad_out");
    expect_dtype(w, "w", dtype, "grad_out");
    TransposedGradient g({stride, padding, output_padding, none, dilation, groups, layout, none, algorithm, num_threads}, rank, dtype,
                         x_shape, shape_of(w), of_input);
    const Layout order = g.settings.common.layout;
    expect_shape(grad, "grad_out", g.result);
    Checked checked = result_of(out, dtype, "grad_out", x_shape, g.form, {{"grad_out", &grad}, {"w", &w}});
    checked.x = readable(grad);
    const RunFrame frame{rank, g.form, dtype, order, "grad_out"};
    g.problem.packing = Packing::every_call;
    return run_once(frame, g.problem, g.settings.common.algorithm, w, std::nullopt, checked, threads_for_call(g.settings.common.threads));
}

py::object grad_transposed_weight(int rank, py::handle x_value, py::handle weight_shape, py::handle grad_value, py::handle stride,
                                  py::handle padding, py::handle output_padding, py::handle dilation, py::handle groups, py::handle layout,
                                  py::handle out, py::handle num_threads) {
    const py::none none;
    const py::str automatic("auto");
    const std::vector<std::int64_t> w_shape = parse_shape(weight_shape, "weight_shape");
    const py::array x = given_array(x_value, "x"), grad = given_array(grad_value, "grad_out");
    const DType dtype = dtype_of(x, "x");
    expect_dtype(grad, "grad_out", dtype, "x");
    const TransposedGradient g({stride, padding, output_padding, none, dilation, groups, layout, none, automatic, num_threads}, rank, dtype,
                               shape_of(x), w_shape, of_weight);
    expect_shape(grad, "grad_out", g.result);
    Checked checked = result_of(out, dtype, "x", w_shape, Form::unbatched, {{"x", &x}, {"grad_out", &grad}});
    return run_weights(plan_weight_gradient(g.problem, current_context()), rank, g.form, g.settings.common.layout, grad, x, checked,
                       threads_for_call(g.settings.common.threads));
}

// What both plans of gradients know.
struct PlannedGradient {
    Settings settings;
    RunFrame frame{};
    PlannedShape x;
    std::vector<std::int64_t> w_shape;
    Problem problem;

    PlannedGradient(PlannedShape x_shape, const GradientKeywords& keywords, int rank, DType dtype, std::vector<std::int64_t> weights,
                    const std::string& algorithm)
        : settings(parse(keywords, rank, algorithm)), x(std::move(x_shape)), w_shape(std::move(weights)) {
        const Form form = form_of(rank, x.sizes.size(), w_shape.size(), x.text, tuple_text(w_shape));
        x.check_free_batch(form);
        frame = {rank, form, dtype, settings.layout, "the plan"};
        problem = make_problem(settings, dtype, form, sizes_of(x.sizes.data(), rank, form, settings.layout), w_shape, planned_names);
        problem.free_batch = x.free_batch;
    }

    int threads() const { return threads_for_call(settings.threads); }
    py::tuple grad_shape() const { return x.with_free_batch(result_shape(problem.shape, frame.rank, frame.form, frame.layout)); }
    py::tuple x_shape() const { return x.with_free_batch(x.sizes); }
    std::int64_t flops() const { return 2 * problem.shape.macs(); }

    // The frame of a call: of a plan for any batch the gradient of the result may be that of one image without the batch.
    RunFrame frame_for(const py::array& grad) const {
        RunFrame of_call = frame;
        if (x.free_batch && static_cast<std::size_t>(grad.ndim()) + 1 == x.sizes.size()) of_call.form = Form::unbatched;
        return of_call;
    }
    // The shape of the convolution for a call. ValueError where the gradient of its result has another.
    ConvShape shape_for(const py::array& grad, Form form) const {
        const bool free = x.free_batch && grad.ndim() > 0;
        const ConvShape shape = free ? with_batch(problem.shape, batch_of(grad, form), frame.dtype, {.x = "grad_out"}) : problem.shape;
        const std::vector<std::int64_t> wanted = result_shape(shape, frame.rank, form, frame.layout);
        if (shape_of(grad) != wanted) {
            throw py::value_error("grad_out must have the shape that the plan was made for" +
                                  std::string(x.free_batch ? ", with or without the batch, " : ", ") + std::string(py::str(grad_shape())) +
                                  "; got " + shape_text(grad));
        }
        return shape;
    }
    std::vector<std::int64_t> x_shape_for(const ConvShape& shape, Form form) const {
        std::vector<std::int64_t> sizes = x.sizes;
        if (x.free_batch) sizes[0] = shape.batch;
        if (form != frame.form) sizes.erase(sizes.begin());
        return sizes;
    }
};

class PlannedInputGradient {
  public:
    PlannedInputGradient(py::handle x_shape, py::handle w_value, py::handle stride, py::handle padding, py::handle dilation,
                         py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle algorithm,
                         py::handle num_threads)
        : plan_of_(plan_of(x_shape, w_value, {stride, padding, dilation, groups, padding_mode, flip, layout, num_threads}, algorithm)) {}

    py::object operator()(py::handle grad_value, py::handle out) const {
        const PlannedGradient& g = *plan_of_.planned;
        const py::array grad = given_array(grad_value, "grad_out");
        expect_dtype(grad, "grad_out", g.frame.dtype, "the plan");
        const RunFrame frame = g.frame_for(grad);
        const ConvShape shape = g.shape_for(grad, frame.form);
        Checked checked = result_of(out, g.frame.dtype, "the plan", g.x_shape_for(shape, frame.form), frame.form, {{"grad_out", &grad}});
        checked.x = readable(grad);
        return run_input_gradient(frame, *plan_of_.plan, shape, checked, g.threads());
    }

    void update_weights(py::handle w_value) {
        const PlannedGradient& g = *plan_of_.planned;
        const py::array w = given_array(w_value, "w");
        expect_dtype(w, "w", g.frame.dtype, "the plan");
        if (shape_of(w) != g.w_shape) {
            throw py::value_error("w must have the shape that the plan was made for, " + tuple_text(g.w_shape) + "; got " + shape_text(w));
        }
        const int threads = g.threads();
        std::vector<KeptWeights::Named> kept{{"w", own_copy(w, g.frame.dtype)}};
        InputGradientParameters packed = with_weights(g.frame.dtype, g.frame.rank, *kept[0].second,
                                                      [&](const auto& view) { return plan_of_.plan->pack(view, threads); });
        plan_of_.plan->set_parameters(std::move(packed));
        plan_of_.kept.replace(kept);
    }

    std::string algorithm() const { return plan_of_.plan->algorithm(); }
    std::string explain() const { return plan_of_.plan->explain(plan_of_.planned->threads()); }
    std::int64_t flops() const { return plan_of_.planned->flops(); }
    std::int64_t workspace_bytes() const { return plan_of_.plan->workspace_bytes(plan_of_.planned->threads()); }
    std::int64_t packed_bytes() const { return plan_of_.plan->packed_bytes(); }
    py::tuple x_shape() const { return plan_of_.planned->x_shape(); }
    py::tuple grad_shape() const { return plan_of_.planned->grad_shape(); }
    py::tuple output_shape() const { return plan_of_.planned->x_shape(); }
    py::tuple state() const {
        const PlannedGradient& g = *plan_of_.planned;
        py::dict keywords = keywords_of(g.settings, {"activation"});
        plan_of_.kept.add_to(keywords);
        return state_of("plan_conv_input_grad", keywords, g.x, g.x, g.settings.algorithm, algorithm());
    }

  private:
    struct PlanOf {
        std::unique_ptr<PlannedGradient> planned;
        std::unique_ptr<InputGradientPlan> plan;
        KeptWeights kept;
    };
    static PlanOf plan_of(py::handle x_shape, py::handle w_value, const GradientKeywords& keywords, py::handle algorithm) {
        PlannedShape x = parse_x_shape(x_shape);
        const py::array w = given_array(w_value, "w");  // its rank must be known before the settings are parsed
        const DType dtype = dtype_of(w, "w");
        const int rank = infer_rank(x, w);
        PlanOf p;
        p.planned = std::make_unique<PlannedGradient>(std::move(x), keywords, rank, dtype, shape_of(w), parse_algorithm(algorithm));
        const int threads = p.planned->threads();
        std::vector<KeptWeights::Named> kept{{"w", own_copy(w, dtype)}};
        p.plan = with_weights(dtype, rank, *kept[0].second, [&](const auto& view) {
            return std::make_unique<InputGradientPlan>(p.planned->problem, current_context(), p.planned->settings.algorithm, view, threads);
        });
        p.kept = KeptWeights(std::move(kept));
        return p;
    }

    PlanOf plan_of_;
};

// A dtype, or the weights that have it.
DType parse_dtype(py::handle value) {
    if (py::isinstance<py::array>(value)) return dtype_of(py::reinterpret_borrow<py::array>(value), "w");
    try {
        const py::dtype dtype = py::dtype::from_args(py::reinterpret_borrow<py::object>(value));
        if (dtype.is(py::dtype::of<float>())) return DType::f32;
        if (dtype.is(py::dtype::of<double>())) return DType::f64;
    } catch (const py::error_already_set&) {  // no dtype at all
    }
    throw py::type_error("dtype must be float32 or float64, got " + shown(value));
}

class PlannedWeightGradient {
  public:
    PlannedWeightGradient(py::handle x_shape, py::handle weight_shape, py::handle dtype, py::handle stride, py::handle padding,
                          py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout,
                          py::handle num_threads)
        : planned_(plan_of(x_shape, weight_shape, dtype, {stride, padding, dilation, groups, padding_mode, flip, layout, num_threads})),
          execution_(plan_weight_gradient(planned_->problem, current_context())) {}

    py::object operator()(py::handle x_value, py::handle grad_value, py::handle out) const {
        const PlannedGradient& g = *planned_;
        const py::array x = given_array(x_value, "x"), grad = given_array(grad_value, "grad_out");
        expect_dtype(x, "x", g.frame.dtype, "the plan");
        expect_dtype(grad, "grad_out", g.frame.dtype, "the plan");
        const Form form = g.x.expect(x, g.frame.form), form_of_grad = g.frame_for(grad).form;
        Problem problem = g.problem;
        problem.free_batch = false;
        problem.shape = g.shape_for(grad, form_of_grad);
        if (shape_of(x) != g.x_shape_for(problem.shape, form_of_grad)) {
            throw py::value_error("grad_out must have the batch of x, " +
                                  (form == Form::batched ? std::to_string(x.shape(0)) : std::string("which is left out")) + "; got " +
                                  shape_text(grad));
        }
        Checked checked = result_of(out, g.frame.dtype, "the plan", g.w_shape, Form::unbatched, {{"x", &x}, {"grad_out", &grad}});
        const bool planned = problem.shape == g.problem.shape;
        return run_weights(planned ? execution_ : plan_weight_gradient(problem, *execution_.on), g.frame.rank, form, g.frame.layout, x,
                           grad, checked, g.threads());
    }

    std::int64_t flops() const { return planned_->flops(); }
    std::int64_t workspace_bytes() const {
        std::int64_t most = 0;
        for (const WeightGradientExecution& e : plans_of_most_memory(execution_)) {
            most = std::max(most, weight_gradient_workspace_bytes(e, planned_->threads()));
        }
        return most;
    }
    std::string explain() const { return explain_weight_gradient(execution_, {planned_->threads(), workspace_bytes(), 0}); }
    py::tuple x_shape() const { return planned_->x_shape(); }
    py::tuple grad_shape() const { return planned_->grad_shape(); }
    py::tuple output_shape() const { return as_python(planned_->w_shape); }
    py::tuple state() const {
        py::dict keywords = keywords_of(planned_->settings, {"activation", "algorithm"});
        keywords["w"] = output_shape();
        keywords["dtype"] = name_of(planned_->frame.dtype);
        return state_of("plan_conv_weight_grad", keywords, planned_->x, planned_->x, planned_->settings.algorithm, "");
    }

  private:
    static std::unique_ptr<PlannedGradient> plan_of(py::handle x_shape, py::handle weight_shape, py::handle dtype,
                                                    const GradientKeywords& keywords) {
        PlannedShape x = parse_x_shape(x_shape);
        const std::vector<std::int64_t> w_shape = parse_shape(weight_shape, "w");
        const int rank = infer_rank(x, w_shape.size(), "w of shape " + tuple_text(w_shape));
        return std::make_unique<PlannedGradient>(std::move(x), keywords, rank, parse_dtype(dtype), w_shape, "auto");
    }

    std::unique_ptr<PlannedGradient> planned_;
    WeightGradientExecution execution_;
};

}  // namespace

void register_conv_gradients(py::module_& m) {
    m.def("grad_conv_input", &grad_conv_input, "rank, input_shape, w, grad_out, then the keywords in the order of the public signature");
    m.def("grad_conv_weight", &grad_conv_weight, "rank, x, weight_shape, grad_out, then the keywords");
    m.def("grad_conv_bias", &grad_conv_bias, "rank, grad_out, layout");
    m.def("grad_conv_transpose_input", &grad_transposed_input, "rank, input_shape, w, grad_out, then the keywords");
    m.def("grad_conv_transpose_weight", &grad_transposed_weight, "rank, x, weight_shape, grad_out, then the keywords");
    const auto meta = py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
    py::class_<PlannedInputGradient> input_plan(m, "InputGradientPlan", meta, py::is_final());
    input_plan.def("__call__", &PlannedInputGradient::operator())
        .def("update_weights", &PlannedInputGradient::update_weights)
        .def("explain", &PlannedInputGradient::explain)
        .def("state", &PlannedInputGradient::state)
        .def_property_readonly("algorithm", &PlannedInputGradient::algorithm)
        .def_property_readonly("x_shape", &PlannedInputGradient::x_shape)
        .def_property_readonly("grad_shape", &PlannedInputGradient::grad_shape)
        .def_property_readonly("output_shape", &PlannedInputGradient::output_shape)
        .def_property_readonly("flops", &PlannedInputGradient::flops)
        .def_property_readonly("workspace_bytes", &PlannedInputGradient::workspace_bytes)
        .def_property_readonly("packed_bytes", &PlannedInputGradient::packed_bytes);
    seal(input_plan);
    m.def("plan_conv_input_grad", &make<PlannedInputGradient, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                                        py::handle, py::handle, py::handle, py::handle, py::handle>);
    py::class_<PlannedWeightGradient> weight_plan(m, "WeightGradientPlan", meta, py::is_final());
    weight_plan.def("__call__", &PlannedWeightGradient::operator())
        .def("explain", &PlannedWeightGradient::explain)
        .def("state", &PlannedWeightGradient::state)
        .def_property_readonly("x_shape", &PlannedWeightGradient::x_shape)
        .def_property_readonly("grad_shape", &PlannedWeightGradient::grad_shape)
        .def_property_readonly("output_shape", &PlannedWeightGradient::output_shape)
        .def_property_readonly("flops", &PlannedWeightGradient::flops)
        .def_property_readonly("workspace_bytes", &PlannedWeightGradient::workspace_bytes);
    seal(weight_plan);
    m.def("plan_conv_weight_grad", &make<PlannedWeightGradient, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                                         py::handle, py::handle, py::handle, py::handle, py::handle>);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// separable_conv2d and its plan, as Python sees them.
#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/separable.hpp"
#include "bindings/context.hpp"
#include "bindings/plan_state.hpp"
#include "bindings/planned_shape.hpp"
#include "bindings/register.hpp"
#include "bindings/run.hpp"
#include "bindings/settings.hpp"
#include "bindings/without_gil.hpp"
#include "core/sizes.hpp"

namespace npconv {
namespace {

// What is no array, as it comes from Python.
struct SeparableKeywords {
    py::handle depthwise_activation, stride, padding, dilation, padding_mode, layout, activation, num_threads;
};

struct SeparableSettings {
    Settings of_conv;  // of the depthwise half, but for the number of groups
    ActivationSpec activation;
};

SeparableSettings parse(const SeparableKeywords& k) {
    const py::int_ one(1);
    const py::bool_ no(false);
    const py::str automatic("auto");
    const py::none none;
    SeparableSettings s;
    s.of_conv = parse_settings({k.stride, k.padding, k.dilation, one, k.padding_mode, no, k.layout, none, automatic, k.num_threads}, 2);
    s.of_conv.activation = parse_activation(k.depthwise_activation, "depthwise_activation");
    s.activation = parse_activation(k.activation);
    return s;
}

struct SeparableArrays {
    py::array depthwise_w, pointwise_w;
    std::optional<py::array> depthwise_bias, bias;

    SeparableArrays(py::handle depthwise, py::handle pointwise, py::handle depthwise_bias_value, py::handle bias_value)
        : depthwise_w(given_array(depthwise, "depthwise_w")),
          pointwise_w(given_array(pointwise, "pointwise_w")),
          depthwise_bias(given_optional_array(depthwise_bias_value, "depthwise_bias")),
          bias(given_optional_array(bias_value, "bias")) {}

    void expect(DType dtype, const char* of) const {
        expect_dtype(depthwise_w, "depthwise_w", dtype, of);
        expect_dtype(pointwise_w, "pointwise_w", dtype, of);
        if (depthwise_bias) expect_dtype(*depthwise_bias, "depthwise_bias", dtype, of);
        if (bias) expect_dtype(*bias, "bias", dtype, of);
    }

    // Copies that a plan keeps, in these arrays' places, too.
    std::vector<KeptWeights::Named> keep(DType dtype) {
        for (py::array* a : {&depthwise_w, &pointwise_w}) *a = own_copy(*a, dtype);
        for (std::optional<py::array>* a : {&depthwise_bias, &bias}) *a = own_copy(*a, dtype);
        return {{"depthwise_w", depthwise_w}, {"pointwise_w", pointwise_w}, {"depthwise_bias", depthwise_bias}, {"bias", bias}};
    }

    std::vector<NamedArray> named() const {
        std::vector<NamedArray> all{{"depthwise_w", &depthwise_w}, {"pointwise_w", &pointwise_w}};
        if (depthwise_bias) all.push_back({"depthwise_bias", &*depthwise_bias});
        if (bias) all.push_back({"bias", &*bias});
        return all;
    }
};

OperandNames names_of(const char* x, bool is_shape) { return {.x = x, .w = "depthwise_w", .x_is_shape = is_shape}; }

Form form_of_images(std::size_t axes, const char* name, const std::string& shape) {
    if (axes == 4) return Form::batched;
    if (axes == 3) return Form::unbatched;
    throw py::value_error(std::string(name) + " must have 4 axes, or 3 without the batch; got " + shape);
}

void check_weights(const SeparableArrays& a, std::int64_t channels, const OperandNames& names) {
    const std::vector<std::int64_t> depthwise = shape_of(a.depthwise_w), pointwise = shape_of(a.pointwise_w);
    if (channels < 1) throw py::value_error(std::string(names.x) + " must have at least one channel, got none");
    const bool images = depthwise.size() == 4 && depthwise[1] == 1 && depthwise[2] >= 1 && depthwise[3] >= 1;
    if (!images || depthwise[0] < 1 || depthwise[0] % channels != 0) {
        throw py::value_error("depthwise_w must have shape (a multiple of the " + std::to_string(channels) + " channels of " + names.x +
                              ", 1, kernel height, kernel width); got " + tuple_text(depthwise));
    }
    if (pointwise.size() != 4 || pointwise[1] != depthwise[0] || pointwise[2] != 1 || pointwise[3] != 1) {
        throw py::value_error("pointwise_w must have shape (output channels, " + std::to_string(depthwise[0]) + ", 1, 1); got " +
                              tuple_text(pointwise));
    }
}

void check_bias_of(const std::optional<py::array>& bias, const char* name, std::int64_t channels) {
    if (!bias || (bias->ndim() == 1 && bias->shape(0) == channels)) return;
    throw py::value_error(std::string(name) + " must have shape (" + std::to_string(channels) + ",), one number for each channel; got " +
                          shape_text(*bias));
}

// names: of the depthwise half
SeparableProblem halves(Problem depthwise, const SeparableSettings& s, std::int64_t out_channels, OperandNames names) {
    depthwise.layout = s.of_conv.layout;  // of the result, which may have more channels than one
    const SeparableProblem p = separable_problem(depthwise, current_context(), out_channels, s.activation);
    names.w = "pointwise_w";
    with_batch(p.pointwise.shape, p.pointwise.shape.batch, p.pointwise.dtype, names);  // its sizes can be multiplied, or this throws
    return p;
}

SeparableProblem make_separable(SeparableSettings& s, DType dtype, Form form, const Sizes& x, const SeparableArrays& a,
                                const OperandNames& names) {
    check_weights(a, x.channels, names);
    s.of_conv.groups = x.channels;
    check_activation(s.of_conv.activation, dtype, "depthwise_activation");
    check_activation(s.activation, dtype);
    const Problem depthwise = make_problem(s.of_conv, dtype, form, x, shape_of(a.depthwise_w), names);
    const SeparableProblem p = halves(depthwise, s, a.pointwise_w.shape(0), names);
    check_bias_of(a.depthwise_bias, "depthwise_bias", a.depthwise_w.shape(0));
    check_bias_of(a.bias, "bias", a.pointwise_w.shape(0));
    return p;
}

// Weights and biases in the machine's byte order, aligned.
struct ReadableWeights {
    py::array depthwise, pointwise;
    std::optional<py::array> depthwise_bias, bias;

    explicit ReadableWeights(const SeparableArrays& given)
        : depthwise(readable(given.depthwise_w)),
          pointwise(readable(given.pointwise_w)),
          depthwise_bias(given.depthwise_bias ? std::optional<py::array>(readable(*given.depthwise_bias)) : std::nullopt),
          bias(given.bias ? std::optional<py::array>(readable(*given.bias)) : std::nullopt) {}

    template <class T>
    SeparableWeights<T> view() const {
        return {weights_of<T>(depthwise, 2, depthwise_bias), weights_of<T>(pointwise, 2, bias)};
    }
};

// f(weights) without the GIL.
template <class F>
auto with_weights(const SeparableArrays& given, DType dtype, const F& f) {
    const ReadableWeights readable(given);
    return with_real(dtype, [&](auto zero) {
        const auto weights = readable.view<decltype(zero)>();
        return without_gil([&] { return f(weights); });
    });
}

std::unique_ptr<SeparablePlan> make_plan(const SeparableProblem& p, const SeparableArrays& arrays, int threads) {
    return with_weights(arrays, p.depthwise.dtype,
                        [&](const auto& weights) { return std::make_unique<SeparablePlan>(p, current_context(), weights, threads); });
}

py::object run_plan(const RunFrame& f, const SeparablePlan& plan, std::int64_t batch, Checked& arrays, int threads) {
    with_real(f.dtype, [&](auto zero) {
        using T = decltype(zero);
        const Operands<T> io = operands_of<T>(f, arrays);
        const SeparableParameters parameters = plan.parameters();  // with the GIL: see ConvPlan
        without_gil([&] { plan.run(batch, parameters, io, threads); });
    });
    return arrays.result;
}

py::object separable_conv2d(py::handle x, py::handle depthwise_w, py::handle pointwise_w, py::handle bias, py::handle depthwise_bias,
                            py::handle depthwise_activation, py::handle stride, py::handle padding, py::handle dilation,
                            py::handle padding_mode, py::handle layout, py::handle activation, py::handle residual, py::handle out,
                            py::handle num_threads) {
    SeparableSettings settings = parse({depthwise_activation, stride, padding, dilation, padding_mode, layout, activation, num_threads});
    const SeparableArrays weights(depthwise_w, pointwise_w, depthwise_bias, bias);
    Arrays arrays(x, residual, out);
    arrays.keep_shapes();  // packing lets other threads run

    const DType dtype = dtype_of(arrays.x, "x");
    weights.expect(dtype, "x");
    const std::vector<std::int64_t> x_shape = shape_of(arrays.x);
    const Form form = form_of_images(x_shape.size(), "x", "shape " + tuple_text(x_shape));
    const Sizes sizes = sizes_of(x_shape.data(), 2, form, settings.of_conv.layout);
    const SeparableProblem problem = make_separable(settings, dtype, form, sizes, weights, names_of("x", false));
    const RunFrame frame{2, form, dtype, settings.of_conv.layout, "x"};
    Checked checked = check(frame, problem.pointwise.shape, arrays, weights.named());
    const int threads = threads_for_call(settings.of_conv.threads);
    const ReadableWeights readable(weights);
    with_real(dtype, [&](auto zero) {
        using T = decltype(zero);
        const Operands<T> io = operands_of<T>(frame, checked);
        const SeparableWeights<T> view = readable.view<T>();
        without_gil([&] { separable_once(problem, current_context(), view, io, threads); });
    });
    return checked.result;
}

class PlannedSeparable {
  public:
    PlannedSeparable(py::handle x_shape, py::handle depthwise_w, py::handle pointwise_w, py::handle bias, py::handle depthwise_bias,
                     py::handle depthwise_activation, py::handle stride, py::handle padding, py::handle dilation, py::handle padding_mode,
                     py::handle layout, py::handle activation, py::handle num_threads)
        : settings_(parse({depthwise_activation, stride, padding, dilation, padding_mode, layout, activation, num_threads})),
          x_(parse_x_shape(x_shape)) {
        SeparableArrays weights(depthwise_w, pointwise_w, depthwise_bias, bias);
        const DType dtype = dtype_of(weights.depthwise_w, "depthwise_w");
        weights.expect(dtype, "depthwise_w");
        const Form form = form_of_images(x_.sizes.size(), "x_shape", x_.text);
        x_.check_free_batch(form);
        frame_ = {2, form, dtype, settings_.of_conv.layout, "the plan"};
        SeparableProblem problem = make_separable(settings_, dtype, form, sizes(), weights, names_of("x_shape", true));
        problem.depthwise.free_batch = problem.pointwise.free_batch = x_.free_batch;
        depthwise_shape_ = shape_of(weights.depthwise_w);
        pointwise_shape_ = shape_of(weights.pointwise_w);
        kept_ = KeptWeights(weights.keep(dtype));
        plan_ = make_plan(problem, weights, threads());
        first_x_ = x_;
    }

    py::object operator()(py::handle x, py::handle residual, py::handle out) const {
        Arrays arrays(x, residual, out);
        expect_dtype(arrays.x, "x", frame_.dtype, "the plan");
        RunFrame frame = frame_;
        frame.form = x_.expect(arrays.x, frame_.form);
        const ConvShape& planned = plan_->problem().pointwise.shape;
        const std::int64_t batch = batch_of(arrays.x, frame.form);
        if (x_.free_batch) with_batch(plan_->problem().depthwise.shape, batch, frame_.dtype, {.w = "depthwise_w"});
        const ConvShape shape = x_.free_batch ? with_batch(planned, batch, frame_.dtype, {.w = "pointwise_w"}) : planned;
        Checked checked = check(frame, shape, arrays, {});
        return run_plan(frame, *plan_, shape.batch, checked, threads());
    }

    PlannedSeparable for_shape(py::handle x_shape) const { return PlannedSeparable(*this, parse_x_shape(x_shape)); }

    void update_weights(py::handle depthwise_w, py::handle pointwise_w, py::handle bias, py::handle depthwise_bias) {
        SeparableArrays weights(depthwise_w, pointwise_w, depthwise_bias, bias);
        weights.expect(frame_.dtype, "the plan");
        const auto expect_shape = [](const py::array& a, const char* name, const std::vector<std::int64_t>& wanted) {
            if (shape_of(a) == wanted) return;
            throw py::value_error(std::string(name) + " must have the shape that the plan was made for, " + tuple_text(wanted) + "; got " +
                                  shape_text(a));
        };
        expect_shape(weights.depthwise_w, "depthwise_w", depthwise_shape_);
        expect_shape(weights.pointwise_w, "pointwise_w", pointwise_shape_);
        check_bias_of(weights.depthwise_bias, "depthwise_bias", depthwise_shape_[0]);
        check_bias_of(weights.bias, "bias", pointwise_shape_[0]);
        const int used = threads();
        std::vector<KeptWeights::Named> kept = weights.keep(frame_.dtype);
        SeparableParameters packed = with_weights(weights, frame_.dtype, [&](const auto& w) { return plan_->pack(w, used); });
        plan_->set_parameters(std::move(packed));
        kept_.replace(kept);
    }

    std::int64_t flops() const {
        const SeparableProblem& p = plan_->problem();
        return 2 * (p.depthwise.shape.macs() + p.pointwise.shape.macs());
    }
    std::int64_t workspace_bytes() const { return plan_->workspace_bytes(threads()); }
    std::int64_t packed_bytes() const { return plan_->packed_bytes(); }
    std::string explain() const { return plan_->explain(threads()); }
    py::tuple output_shape() const {
        return x_.with_free_batch(result_shape(plan_->problem().pointwise.shape, 2, frame_.form, frame_.layout));
    }
    py::tuple x_shape() const { return x_.with_free_batch(x_.sizes); }
    py::tuple state() const {
        py::dict keywords = keywords_of(settings_.of_conv, {"groups", "flip", "algorithm"});
        keywords["depthwise_activation"] = keywords["activation"];
        keywords["activation"] = as_python(settings_.activation);
        kept_.add_to(keywords);
        return state_of("plan_separable_conv2d", keywords, first_x_, x_, settings_.of_conv.algorithm, "");
    }

  private:
    // Another input shape; the rest, with the packed weights, is the other plan's.
    PlannedSeparable(const PlannedSeparable& other, PlannedShape x)
        : settings_(other.settings_),
          frame_(other.frame_),
          x_(std::move(x)),
          first_x_(other.first_x_),
          depthwise_shape_(other.depthwise_shape_),
          pointwise_shape_(other.pointwise_shape_),
          kept_(other.kept_) {
        x_.expect_axes_of(other.x_);
        x_.check_free_batch(frame_.form);
        const OperandNames names = names_of("x_shape", true);
        const Problem depthwise = make_problem(settings_.of_conv, frame_.dtype, frame_.form, sizes(), depthwise_shape_, names);
        SeparableProblem problem = halves(depthwise, settings_, pointwise_shape_[0], names);
        problem.depthwise.free_batch = problem.pointwise.free_batch = x_.free_batch;
        plan_ = std::make_unique<SeparablePlan>(*other.plan_, problem);
    }

    Sizes sizes() const { return sizes_of(x_.sizes.data(), 2, frame_.form, frame_.layout); }
    int threads() const { return threads_for_call(settings_.of_conv.threads); }

    SeparableSettings settings_;
    RunFrame frame_{};
    PlannedShape x_;
    PlannedShape first_x_;  // of the plan that packed the weights
    std::vector<std::int64_t> depthwise_shape_, pointwise_shape_;
    KeptWeights kept_;
    std::unique_ptr<SeparablePlan> plan_;
};

}  // namespace

void register_separable(py::module_& m) {
    m.def("separable_conv2d", &separable_conv2d,
          "x, depthwise_w, pointwise_w, bias, then the keywords in the order of the public signature");
    const auto meta = py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
    py::class_<PlannedSeparable> plan(m, "SeparablePlan", meta, py::is_final());
    plan.def("__call__", &PlannedSeparable::operator())
        .def("for_shape", &PlannedSeparable::for_shape)
        .def("update_weights", &PlannedSeparable::update_weights)
        .def("explain", &PlannedSeparable::explain)
        .def("state", &PlannedSeparable::state)
        .def_property_readonly("x_shape", &PlannedSeparable::x_shape)
        .def_property_readonly("output_shape", &PlannedSeparable::output_shape)
        .def_property_readonly("flops", &PlannedSeparable::flops)
        .def_property_readonly("workspace_bytes", &PlannedSeparable::workspace_bytes)
        .def_property_readonly("packed_bytes", &PlannedSeparable::packed_bytes);
    seal(plan);
    m.def("plan_separable_conv2d", &make<PlannedSeparable, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                                         py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle>);
}

}  // namespace npconv

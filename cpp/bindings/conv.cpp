// SPDX-License-Identifier: BSD-3-Clause
// conv and Plan, as Python sees them.
#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "bindings/context.hpp"
#include "bindings/plan_state.hpp"
#include "bindings/planned_shape.hpp"
#include "bindings/register.hpp"
#include "bindings/run.hpp"
#include "bindings/settings.hpp"
#include "bindings/without_gil.hpp"
#include "core/validate.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

void merge_rows(Problem& p) {
    p.merged = rows_merge(p.shape);
    if (p.merged) p.shape = with_merged_rows(p.shape);
}

std::unique_ptr<ConvPlan> make_plan(const Problem& problem, const Settings& settings, const py::array& w,
                                    const std::optional<py::array>& bias, int threads) {
    const py::array weights = readable(w);
    std::optional<py::array> readable_bias;
    if (bias) readable_bias = readable(*bias);
    return with_real(problem.dtype, [&](auto zero) {
        const auto view = weights_of<decltype(zero)>(weights, settings.rank, readable_bias, problem.merged);
        return without_gil([&] { return std::make_unique<ConvPlan>(problem, current_context(), settings.algorithm, view, threads); });
    });
}

// conv{N}d
py::object conv(int rank, py::handle x, py::handle w_value, py::handle bias_value, py::handle stride, py::handle padding,
                py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation,
                py::handle residual, py::handle algorithm, py::handle out, py::handle num_threads) {
    const Settings settings =
        parse_settings({stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads}, rank);
    const py::array w = given_array(w_value, "w");
    const std::optional<py::array> bias = given_optional_array(bias_value, "bias");
    Arrays arrays(x, residual, out);
    arrays.keep_shapes();  // packing lets other threads run

    const DType dtype = dtype_of(arrays.x, "x");
    expect_dtype(w, "w", dtype, "x");
    const std::vector<std::int64_t> x_shape = shape_of(arrays.x), w_shape = shape_of(w);
    const Form form = form_of(rank, x_shape.size(), w_shape.size(), tuple_text(x_shape), tuple_text(w_shape));
    const Sizes sizes = sizes_of(x_shape.data(), rank, form, settings.layout);
    Problem problem = make_problem(settings, dtype, form, sizes, w_shape);
    problem.packing = Packing::every_call;
    check_bias(bias, dtype, "x", problem.shape.groups * problem.shape.out_channels);

    const ConvShape shape = problem.shape;
    merge_rows(problem);
    const RunFrame frame{rank, form, dtype, settings.layout, "x", problem.merged};
    std::vector<NamedArray> parameters{{"w", &w}};
    if (bias) parameters.push_back({"bias", &*bias});
    Checked checked = check(frame, shape, arrays, parameters);
    const int threads = threads_for_call(settings.threads);
    return run_once(frame, problem, settings.algorithm, w, bias, checked, threads);
}

class Plan {
  public:
    Plan(py::handle x_shape, py::handle w_value, py::handle bias_value, py::handle stride, py::handle padding, py::handle dilation,
         py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation, py::handle algorithm,
         py::handle num_threads)
        : x_(parse_x_shape(x_shape)) {
        const py::array w = given_array(w_value, "w");  // its rank must be known before the settings are parsed
        const DType dtype = dtype_of(w, "w");
        const int rank = infer_rank(x_, w);
        settings_ =
            parse_settings({stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads}, rank);
        const std::optional<py::array> bias = given_optional_array(bias_value, "bias");

        w_shape_ = shape_of(w);
        const Form form = form_of(rank, x_.sizes.size(), w_shape_.size(), x_.text, shape_text(w));
        x_.check_free_batch(form);
        Problem problem =
            make_problem(settings_, dtype, form, sizes_of(x_.sizes.data(), rank, form, settings_.layout), w_shape_, planned_names);
        problem.free_batch = x_.free_batch;
        shape_ = problem.shape;
        merge_rows(problem);
        frame_ = {rank, form, dtype, settings_.layout, "the plan", problem.merged};
        check_bias(bias, dtype, "w", problem.shape.groups * problem.shape.out_channels);
        std::vector<KeptWeights::Named> kept{{"w", own_copy(w, dtype)}, {"bias", own_copy(bias, dtype)}};
        plan_ = make_plan(problem, settings_, *kept[0].second, kept[1].second, threads());
        kept_ = KeptWeights(std::move(kept));
        first_x_ = x_;
    }

    py::object operator()(py::handle x, py::handle residual, py::handle out) const {
        Arrays arrays(x, residual, out);
        expect_dtype(arrays.x, "x", frame_.dtype, "the plan");
        RunFrame frame = frame_;
        frame.form = x_.expect(arrays.x, frame_.form);
        const ConvShape shape = x_.free_batch ? with_batch(shape_, batch_of(arrays.x, frame.form), frame_.dtype) : shape_;
        Checked checked = check(frame, shape, arrays, {});
        return run(frame, *plan_, frame_.merged ? with_merged_rows(shape) : shape, checked, threads());
    }

    Plan for_shape(py::handle x_shape) const { return Plan(*this, parse_x_shape(x_shape)); }

    void update_weights(py::handle w_value, py::handle bias_value) {
        const py::array w = given_array(w_value, "w");
        const std::optional<py::array> bias = given_optional_array(bias_value, "bias");
        expect_dtype(w, "w", frame_.dtype, "the plan");
        if (shape_of(w) != w_shape_) {
            throw py::value_error("w must have the shape that the plan was made for, " + tuple_text(w_shape_) + "; got " + shape_text(w));
        }
        const ConvShape& s = plan_->problem().shape;
        check_bias(bias, frame_.dtype, "the plan", s.groups * s.out_channels);
        std::vector<KeptWeights::Named> kept{{"w", own_copy(w, frame_.dtype)}, {"bias", own_copy(bias, frame_.dtype)}};
        const py::array& weights = *kept[0].second;
        const int used = threads();
        const Parameters packed = with_real(frame_.dtype, [&](auto zero) {
            const auto view = weights_of<decltype(zero)>(weights, frame_.rank, kept[1].second, frame_.merged);
            return without_gil([&] { return plan_->pack(view, used); });
        });
        plan_->set_parameters(packed);
        kept_.replace(kept);
    }

    std::string algorithm() const { return entry_of(plan_->decision().algorithm).name; }
    std::int64_t flops() const { return 2 * plan_->problem().shape.macs(); }
    std::int64_t workspace_bytes() const { return plan_->workspace_bytes(threads()); }
    std::int64_t packed_bytes() const { return plan_->packed_bytes(); }
    std::string explain() const {
        return npconv::explain(plan_->execution(), plan_->decision(), {threads(), workspace_bytes(), packed_bytes()});
    }
    // Counted for the planner: by name.
    py::dict work(bool packing) const {
        const AlgorithmEntry& entry = entry_of(plan_->decision().algorithm);
        const Prospect prospect = entry.prospect(plan_->problem(), plan_->execution().on());
        const WorkCounts& counts = packing ? prospect.packing : prospect.work;
        py::dict d;
        for (std::size_t i = 0; i < work_count; ++i) {
            const auto one = static_cast<Work>(i);
            if (counts[one] != 0.0) d[name_of(one)] = counts[one];
        }
        return d;
    }
    py::tuple output_shape() const { return x_.with_free_batch(result_shape(shape_, frame_.rank, frame_.form, frame_.layout)); }
    py::tuple x_shape() const { return x_.with_free_batch(x_.sizes); }
    py::tuple state() const {
        py::dict keywords = keywords_of(settings_);
        kept_.add_to(keywords);
        return state_of("plan_conv", keywords, first_x_, x_, settings_.algorithm, algorithm());
    }

  private:
    // Another input shape; the rest, with the packed weights, is the other plan's.
    Plan(const Plan& other, PlannedShape x)
        : settings_(other.settings_),
          frame_(other.frame_),
          x_(std::move(x)),
          first_x_(other.first_x_),
          w_shape_(other.w_shape_),
          kept_(other.kept_) {
        x_.expect_axes_of(other.x_);
        x_.check_free_batch(frame_.form);
        const Sizes sizes = sizes_of(x_.sizes.data(), frame_.rank, frame_.form, frame_.layout);
        Problem problem = make_problem(settings_, frame_.dtype, frame_.form, sizes, w_shape_, planned_names);
        shape_ = problem.shape;
        merge_rows(problem);
        plan_ = std::make_unique<ConvPlan>(*other.plan_, problem.shape, x_.free_batch);
    }

    int threads() const { return threads_for_call(settings_.threads); }

    Settings settings_;
    RunFrame frame_{};
    PlannedShape x_;
    PlannedShape first_x_;  // of the plan that packed the weights
    std::vector<std::int64_t> w_shape_;
    KeptWeights kept_;
    ConvShape shape_;  // as the caller has it; the plan's may be one with merged rows
    std::unique_ptr<ConvPlan> plan_;
};

}  // namespace

void register_conv(py::module_& m) {
    m.def("conv", &conv, "conv{N}d: rank, x, w, bias, then the keywords in the order of the public signature");
    const auto meta = py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
    py::class_<Plan> plan(m, "Plan", meta, py::is_final());
    plan.def("__call__", &Plan::operator())
        .def("for_shape", &Plan::for_shape)
        .def("update_weights", &Plan::update_weights)
        .def("explain", &Plan::explain)
        .def("state", &Plan::state)
        .def("_work", &Plan::work, py::arg("packing") = false)
        .def_property_readonly("algorithm", &Plan::algorithm)
        .def_property_readonly("x_shape", &Plan::x_shape)
        .def_property_readonly("output_shape", &Plan::output_shape)
        .def_property_readonly("flops", &Plan::flops)
        .def_property_readonly("workspace_bytes", &Plan::workspace_bytes)
        .def_property_readonly("packed_bytes", &Plan::packed_bytes);
    seal(plan);
    m.def("plan_conv", &make<Plan, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                             py::handle, py::handle, py::handle, py::handle, py::handle>);
}

}  // namespace npconv

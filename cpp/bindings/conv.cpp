// SPDX-License-Identifier: BSD-3-Clause
// Convolutions, transposed convolutions and the gradients of both in their input, as Python sees them: conv{N}d, conv_transpose{N}d,
// grad.conv{N}d_input, grad.conv_transpose{N}d_input, and the plans of the first three.
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "algorithms/convolve_once.hpp"
#include "algorithms/input_gradient.hpp"
#include "algorithms/transposed.hpp"
#include "bindings/context.hpp"
#include "bindings/planned_call.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/weights.hpp"
#include "bindings/without_gil.hpp"
#include "core/merge.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

// P: what computes it. A ConvPlan gives a convolution, or the gradient of a transposed one; the other two are the adjoint of a convolution:
// a transposed convolution, or the gradient of one.
template <class P>
class Convolution final : public Operation {
    static constexpr bool straight = std::is_same_v<P, ConvPlan>, adjoint = std::is_same_v<P, TransposedPlan>;

  public:
    explicit Convolution(Settings settings) : settings_(std::move(settings)) {
        maker = straight ? "plan_conv" : adjoint ? "plan_conv_transpose" : "plan_conv_input_grad";
        kind = straight ? "a convolution" : adjoint ? "a transposed convolution" : "the gradient of a convolution";
        wanted = settings_.algorithm;
        asked_threads = settings_.threads;
        of_gradient = settings_.transposed == straight;
        if (of_gradient) first = "grad_out";
        if (straight && !of_gradient) second = "residual";
    }

    void ask(PlannedShape shape, const Arrays& arrays, std::size_t weight, DType type, const OperandNames& names) override {
        dtype = type;
        w_shape_ = shape_of(arrays[weight]);
        judge(std::move(shape), names);
        check_biases(arrays, weight);
    }
    void check_biases(const Arrays& arrays, std::size_t weight) const override {
        const ConvShape& s = problem_.shape;
        check_bias(arrays, weight + 1, s.groups * (settings_.transposed ? s.in_channels : s.out_channels));
    }
    void check_batch(std::int64_t batch) const override {
        const ConvShape s = with_batch(shape_, batch, dtype, of_gradient ? OperandNames{.x = "grad_out"} : OperandNames{});
        if (adjoint) with_batch(with_result_as_output(s), batch, dtype);
    }

    py::object run(const Call& call, Arrays& arrays, const Result& to) const override {
        ConvShape shape = problem_.shape;
        shape.batch = call.batch;
        const Frame frame{frame_.rank, call.form, frame_.layout};
        with_real(dtype, [&](auto zero) {
            using T = decltype(zero);
            Operands<T> io;
            io.x = view<T>(arrays[0], frame);
            if (const std::size_t i = arrays.residual(); arrays.has(i)) io.residual = view<T>(arrays[i], frame);
            io.y = to.data<T>();
            io.y_batch = to.batch_step;
            if (plan_) {
                const auto parameters = plan_->parameters();  // with the GIL: see ConvPlan
                without_gil([&] { plan_->run(shape, parameters, io, call.threads); });
                return;
            }
            Problem problem = problem_;
            problem.packing = Packing::every_call;
            const WeightsView<T> weights = weights_of<T>(arrays, 1, 2, frame.rank, problem.merged);
            without_gil([&] {
                if constexpr (straight)
                    convolve_once(problem, current_context(), wanted, weights, io, call.threads);
                else if constexpr (adjoint)
                    transpose_once(problem, current_context(), wanted, weights, io, call.threads);
                else
                    input_gradient_once(problem, current_context(), wanted, weights, io, call.threads);
            });
        });
        return to.given;
    }

    void pack(const Arrays& arrays, int threads) override {
        with_real(dtype, [&](auto zero) {
            const auto weights = weights_of<decltype(zero)>(arrays, 0, 1, frame_.rank, problem_.merged);
            if (plan_)
                plan_->set_parameters(without_gil([&] { return plan_->pack(weights, threads); }));
            else
                plan_ = without_gil([&] { return std::make_unique<P>(problem_, current_context(), wanted, weights, threads); });
        });
    }
    std::unique_ptr<Operation> for_shape(PlannedShape shape) const override {
        if constexpr (straight || adjoint) {
            auto other = std::make_unique<Convolution>(settings_);
            other->dtype = dtype;
            other->w_shape_ = w_shape_;
            other->judge(std::move(shape), planned_names);
            other->plan_ = std::make_unique<P>(*plan_, other->problem_.shape, other->x.free_batch);
            return other;
        }
        throw py::type_error(std::string("there is no for_shape of ") + kind);
    }
    py::dict keywords() const override { return straight || adjoint ? keywords_of(settings_) : keywords_of(settings_, {"activation"}); }
    std::string algorithm() const override {
        if constexpr (straight)
            return entry_of(plan_->decision().algorithm).name;
        else
            return plan_->algorithm();
    }
    std::int64_t flops() const override { return 2 * problem_.shape.macs(); }
    std::int64_t workspace_bytes(int threads) const override { return plan_->workspace_bytes(threads); }
    std::int64_t packed_bytes() const override { return plan_->packed_bytes(); }
    std::string explain(int threads) const override {
        if constexpr (straight)
            return npconv::explain(plan_->execution(), plan_->decision(), {threads, workspace_bytes(threads), packed_bytes()});
        else
            return plan_->explain(threads);
    }
    py::dict work(bool packing) const override {
        if constexpr (straight) {
            const Prospect prospect = entry_of(plan_->decision().algorithm).prospect(plan_->problem(), plan_->execution().on());
            const WorkCounts& counts = packing ? prospect.packing : prospect.work;
            py::dict d;
            for (std::size_t i = 0; i < work_count; ++i) {
                const auto one = static_cast<Work>(i);
                if (counts[one] != 0.0) d[name_of(one)] = counts[one];
            }
            return d;
        }
        return Operation::work(packing);
    }

  private:
    void judge(PlannedShape shape, const OperandNames& names) {
        x = std::move(shape);
        frame_ = frame_of(settings_, x, w_shape_, names);
        form = frame_.form;
        problem_ = make_problem(settings_, dtype, frame_, x, w_shape_, names);
        shape_ = problem_.shape;
        y = result_of(settings_, shape_, frame_, x.free_batch);
        result = of_gradient ? x : y;
        problem_.merged = straight && !of_gradient && rows_merge(shape_);
        if (problem_.merged) problem_.shape = with_merged_rows(shape_);
    }

    // Of merged rows that do not follow each other a copy is viewed.
    template <class T>
    TensorView<const T> view(py::array& a, const Frame& frame) const {
        TensorView<const T> v = view_of<T>(a, frame);
        if (!problem_.merged) return v;
        const Shape sizes = sizes_of(shape_of(a), frame).spatial;
        if (!rows_follow(v, sizes[1], sizes[2])) {
            a = call_python(a.attr("copy"), {py::str("C")});
            v = view_of<T>(a, frame);
        }
        return with_merged_rows(v, sizes[2]);
    }

    Settings settings_;
    Frame frame_;
    Shape w_shape_;
    ConvShape shape_;  // as the caller has it; that of the problem may have merged rows
    Problem problem_;
    std::unique_ptr<P> plan_;
};

py::object conv(int rank, py::handle x, py::handle w, py::handle bias, py::handle stride, py::handle padding, py::handle dilation,
                py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation, py::handle residual,
                py::handle algorithm, py::handle out, py::handle num_threads) {
    Convolution<ConvPlan> operation(
        parse_settings({stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads, {}, {}}, rank));
    Arrays arrays({{"x", x}, {"w", w}, {"bias", bias, Use::optional}, {"residual", residual, Use::residual}}, out);
    return call_once(operation, arrays);
}

py::object conv_transpose(int rank, py::handle x, py::handle w, py::handle bias, py::handle stride, py::handle padding,
                          py::handle output_padding, py::handle output_size, py::handle dilation, py::handle groups, py::handle layout,
                          py::handle activation, py::handle algorithm, py::handle out, py::handle num_threads) {
    Convolution<TransposedPlan> operation(parse_settings(
        {stride, padding, dilation, groups, {}, {}, layout, activation, algorithm, num_threads, output_padding, output_size}, rank));
    Arrays arrays({{"x", x}, {"w", w}, {"bias", bias, Use::optional}}, out);
    return call_once(operation, arrays);
}

// The gradient in the input of what is described by the keywords.
template <class P>
py::object grad_input(int rank, py::handle input_shape, py::handle w, py::handle grad_out, const Keywords& keywords, py::handle out) {
    Convolution<P> operation(parse_settings(keywords, rank));
    Shape shape = parse_shape(input_shape, "input_shape");
    Arrays arrays({{"grad_out", grad_out}, {"w", w}}, out);
    return call_once(operation, arrays, {.x = "input_shape", .x_is_shape = true}, std::move(shape));
}

py::object grad_conv_input(int rank, py::handle input_shape, py::handle w, py::handle grad_out, py::handle stride, py::handle padding,
                           py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout,
                           py::handle algorithm, py::handle out, py::handle num_threads) {
    return grad_input<InputGradientPlan>(
        rank, input_shape, w, grad_out, {stride, padding, dilation, groups, padding_mode, flip, layout, {}, algorithm, num_threads, {}, {}},
        out);
}

py::object grad_transposed_input(int rank, py::handle input_shape, py::handle w, py::handle grad_out, py::handle stride, py::handle padding,
                                 py::handle output_padding, py::handle dilation, py::handle groups, py::handle layout, py::handle algorithm,
                                 py::handle out, py::handle num_threads) {
    return grad_input<ConvPlan>(rank, input_shape, w, grad_out,
                                {stride, padding, dilation, groups, {}, {}, layout, {}, algorithm, num_threads, output_padding, {}}, out);
}

template <class P>
PlannedCall plan_of(PlannedShape x, Arrays weights, const Keywords& keywords) {
    const int rank = infer_rank(x, weights);  // must be known before the settings are parsed
    const DType dtype = dtype_of(weights[0], "w");
    return {std::make_unique<Convolution<P>>(parse_settings(keywords, rank)), std::move(x), std::move(weights), dtype};
}

PlannedCall conv_plan(py::handle x_shape, py::handle w, py::handle bias, py::handle stride, py::handle padding, py::handle dilation,
                      py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation,
                      py::handle algorithm, py::handle num_threads) {
    return plan_of<ConvPlan>(parse_x_shape(x_shape), Arrays::with_shapes_kept({{"w", w}, {"bias", bias, Use::optional}}),
                             {stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads, {}, {}});
}

PlannedCall plan_conv_transpose(py::handle x_shape, py::handle w, py::handle bias, py::handle stride, py::handle padding,
                                py::handle output_padding, py::handle output_size, py::handle dilation, py::handle groups,
                                py::handle layout, py::handle activation, py::handle algorithm, py::handle num_threads) {
    return plan_of<TransposedPlan>(
        parse_x_shape(x_shape), Arrays::with_shapes_kept({{"w", w}, {"bias", bias, Use::optional}}),
        {stride, padding, dilation, groups, {}, {}, layout, activation, algorithm, num_threads, output_padding, output_size});
}

PlannedCall plan_conv_input_grad(py::handle x_shape, py::handle w, py::handle stride, py::handle padding, py::handle dilation,
                                 py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle algorithm,
                                 py::handle num_threads) {
    return plan_of<InputGradientPlan>(parse_x_shape(x_shape), Arrays::with_shapes_kept({{"w", w}}),
                                      {stride, padding, dilation, groups, padding_mode, flip, layout, {}, algorithm, num_threads, {}, {}});
}

}  // namespace

void register_conv(py::module_& m) {
    m.def("conv", &conv, "conv{N}d: rank, x, w, bias, then the keywords in the order of the public signature");
    m.def("conv_transpose", &conv_transpose, "conv_transpose{N}d: rank, x, w, bias, then the keywords");
    m.def("grad_conv_input", &grad_conv_input, "rank, input_shape, w, grad_out, then the keywords");
    m.def("grad_conv_transpose_input", &grad_transposed_input, "rank, input_shape, w, grad_out, then the keywords");
    m.def("plan_conv", &conv_plan, "x_shape, w, bias, then the keywords");
    m.def("plan_conv_transpose", &plan_conv_transpose, "x_shape, w, bias, then the keywords");
    m.def("plan_conv_input_grad", &plan_conv_input_grad, "x_shape, w, then the keywords");
}

}  // namespace npconv

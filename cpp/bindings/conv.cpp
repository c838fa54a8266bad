// SPDX-License-Identifier: BSD-3-Clause
// Convolutions, transposed convolutions and the gradients of both in their input, as Python sees them: conv{N}d, conv_transpose{N}d,
// grad.conv{N}d_input, grad.conv_transpose{N}d_input, and the plans of the first three.
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "algorithms/convolve_once.hpp"
#include "algorithms/input_gradient.hpp"
#include "algorithms/transposed.hpp"
#include "bindings/context.hpp"
#include "bindings/planned_call.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/without_gil.hpp"
#include "core/merge.hpp"

namespace npconv {
namespace {

// What computes it: a convolution, which gives the gradient of a transposed one, too; or the adjoint of one: a transposed convolution, or
// the gradient of a convolution.
enum class Computing { convolution, transposed, input_gradient };

class Convolution final : public Operation {
  public:
    Convolution(Computing computing, Settings settings)
        : straight_(computing == Computing::convolution), adjoint_(computing == Computing::transposed), settings_(std::move(settings)) {
        maker = straight_ ? "plan_conv" : adjoint_ ? "plan_conv_transpose" : "plan_conv_input_grad";
        kind = straight_ ? "a convolution" : adjoint_ ? "a transposed convolution" : "the gradient of a convolution";
        wanted = settings_.algorithm;
        asked_threads = settings_.threads;
        of_gradient = settings_.transposed == straight_;
        if (of_gradient) first = "grad_out";
        if (straight_ && !of_gradient) second = "residual";
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
        if (adjoint_) with_batch(with_result_as_output(s), batch, dtype);
    }

    py::object run(const Call& call, Arrays& arrays, const Result& to) const override {
        const Frame frame{frame_.rank, call.form, frame_.layout};
        Operands io;
        io.x = view(arrays[0], frame);
        if (const std::size_t i = arrays.residual(); arrays.has(i)) io.residual = view(arrays[i], frame);
        io.y = to.data<void>();
        io.y_batch = to.batch_step;
        if (plan_) {
            run_plan(call, io);
            return to.given;
        }
        Problem problem = problem_;
        problem.packing = Packing::every_call;
        const auto once = straight_ ? &convolve_once : adjoint_ ? &transpose_once : &input_gradient_once;
        const WeightsView w = view_of_weights(arrays, 1);
        const auto run = [&] { once(problem, current_context(), wanted, w, io, call.threads); };
        wanted == "auto" ? compute(call, run) : without_gil(run);  // "measure" takes long, and so does planning "winograd"
        return to.given;
    }

    std::unique_ptr<Operation> for_shape(PlannedShape shape) const override {
        if (!straight_ && !adjoint_) throw py::type_error(std::string("there is no for_shape of ") + kind);
        auto other = std::make_unique<Convolution>(straight_ ? Computing::convolution : Computing::transposed, settings_);
        other->dtype = dtype;
        other->w_shape_ = w_shape_;
        other->judge(std::move(shape), planned_names);
        other->plan_ = plan_->for_shapes({&other->problem_.shape, 1}, other->x.free_batch);
        return other;
    }
    py::dict keywords() const override { return straight_ || adjoint_ ? keywords_of(settings_) : keywords_of(settings_, {"activation"}); }
    std::int64_t flops() const override { return 2 * problem_.shape.macs(); }

  private:
    std::vector<WeightsView> weights(const Arrays& arrays, std::size_t at) const override { return {view_of_weights(arrays, at)}; }
    std::unique_ptr<Plan> make_plan(std::span<const WeightsView> w, int threads) const override {
        const Context& on = current_context();
        if (straight_) return std::make_unique<Plan>(planned_conv(problem_, on, wanted, w[0], threads));
        if (adjoint_) return std::make_unique<Plan>(planned_transposed(problem_, on, wanted, w[0], threads));
        return std::make_unique<Plan>(planned_input_gradient(problem_, on, wanted, w[0], threads));
    }

    WeightsView view_of_weights(const Arrays& arrays, std::size_t at) const {
        WeightsView view = weights_of(arrays, at, at + 1, frame_.rank);
        if (problem_.merged) view.w = with_merged_rows(view.w, 1);
        return view;
    }

    void judge(PlannedShape shape, const OperandNames& names) {
        x = std::move(shape);
        frame_ = frame_of(settings_, x, w_shape_, names);
        form = frame_.form;
        problem_ = make_problem(settings_, dtype, frame_, x, w_shape_, names);
        shape_ = problem_.shape;
        y = result_of(settings_, shape_, frame_, x.free_batch);
        result = of_gradient ? x : y;
        problem_.merged = straight_ && !of_gradient && rows_merge(shape_);
        if (problem_.merged) problem_.shape = with_merged_rows(shape_);
        // The other kinds put results together from parts, with arrays of their own.
        if (straight_ && !of_gradient) {
            effort_ =
                effort_of(shape_.axis, shape_.groups * shape_.in_channels, shape_.groups * shape_.out_channels, 2 * shape_.in_channels);
        }
    }

    // Of merged rows that do not follow each other a copy is viewed.
    AnyView view(py::array& a, const Frame& frame) const {
        AnyView v = view_of(a, frame);
        if (!problem_.merged) return v;
        const Shape sizes = sizes_of(shape_of(a), frame).spatial;
        if (!rows_follow(v, sizes[1], sizes[2])) {
            a = call_python(a.attr("copy"), {py::str("C")});
            v = view_of(a, frame);
        }
        return with_merged_rows(v, sizes[2]);
    }

    const bool straight_, adjoint_;  // or else the gradient
    Settings settings_;
    Frame frame_;
    Shape w_shape_;
    ConvShape shape_;  // as the caller has it; that of the problem may have merged rows
    Problem problem_;
};

py::object conv(int rank, py::handle x, py::handle w, py::handle bias, py::handle stride, py::handle padding, py::handle dilation,
                py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation, py::handle residual,
                py::handle algorithm, py::handle out, py::handle num_threads) {
    Convolution operation(
        Computing::convolution,
        parse_settings({stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads, {}, {}}, rank));
    Arrays arrays({{"x", x}, {"w", w}, {"bias", bias, Use::optional}, {"residual", residual, Use::residual}}, out);
    return call_once(operation, arrays);
}

py::object conv_transpose(int rank, py::handle x, py::handle w, py::handle bias, py::handle stride, py::handle padding,
                          py::handle output_padding, py::handle output_size, py::handle dilation, py::handle groups, py::handle layout,
                          py::handle activation, py::handle algorithm, py::handle out, py::handle num_threads) {
    Convolution operation(
        Computing::transposed,
        parse_settings({stride, padding, dilation, groups, {}, {}, layout, activation, algorithm, num_threads, output_padding, output_size},
                       rank));
    Arrays arrays({{"x", x}, {"w", w}, {"bias", bias, Use::optional}}, out);
    return call_once(operation, arrays);
}

// The gradient in the input of what is described by the keywords.
py::object grad_input(Computing computing, int rank, py::handle input_shape, py::handle w, py::handle grad_out, const Keywords& keywords,
                      py::handle out) {
    Convolution operation(computing, parse_settings(keywords, rank));
    Shape shape = parse_shape(input_shape, "input_shape");
    Arrays arrays({{"grad_out", grad_out}, {"w", w}}, out);
    return call_once(operation, arrays, {.x = "input_shape", .x_is_shape = true}, std::move(shape));
}

py::object grad_conv_input(int rank, py::handle input_shape, py::handle w, py::handle grad_out, py::handle stride, py::handle padding,
                           py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout,
                           py::handle algorithm, py::handle out, py::handle num_threads) {
    return grad_input(Computing::input_gradient, rank, input_shape, w, grad_out,
                      {stride, padding, dilation, groups, padding_mode, flip, layout, {}, algorithm, num_threads, {}, {}}, out);
}

py::object grad_transposed_input(int rank, py::handle input_shape, py::handle w, py::handle grad_out, py::handle stride, py::handle padding,
                                 py::handle output_padding, py::handle dilation, py::handle groups, py::handle layout, py::handle algorithm,
                                 py::handle out, py::handle num_threads) {
    return grad_input(Computing::convolution, rank, input_shape, w, grad_out,
                      {stride, padding, dilation, groups, {}, {}, layout, {}, algorithm, num_threads, output_padding, {}}, out);
}

PlannedCall plan_of(Computing computing, PlannedShape x, Arrays weights, const Keywords& keywords) {
    const int rank = infer_rank(x, weights);  // must be known before the settings are parsed
    const DType dtype = dtype_of(weights[0], "w");
    return {std::make_unique<Convolution>(computing, parse_settings(keywords, rank)), std::move(x), std::move(weights), dtype};
}

PlannedCall conv_plan(py::handle x_shape, py::handle w, py::handle bias, py::handle stride, py::handle padding, py::handle dilation,
                      py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle activation,
                      py::handle algorithm, py::handle num_threads) {
    return plan_of(Computing::convolution, parse_x_shape(x_shape), Arrays::with_shapes_kept({{"w", w}, {"bias", bias, Use::optional}}),
                   {stride, padding, dilation, groups, padding_mode, flip, layout, activation, algorithm, num_threads, {}, {}});
}

PlannedCall plan_conv_transpose(py::handle x_shape, py::handle w, py::handle bias, py::handle stride, py::handle padding,
                                py::handle output_padding, py::handle output_size, py::handle dilation, py::handle groups,
                                py::handle layout, py::handle activation, py::handle algorithm, py::handle num_threads) {
    return plan_of(Computing::transposed, parse_x_shape(x_shape), Arrays::with_shapes_kept({{"w", w}, {"bias", bias, Use::optional}}),
                   {stride, padding, dilation, groups, {}, {}, layout, activation, algorithm, num_threads, output_padding, output_size});
}

PlannedCall plan_conv_input_grad(py::handle x_shape, py::handle w, py::handle stride, py::handle padding, py::handle dilation,
                                 py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout, py::handle algorithm,
                                 py::handle num_threads) {
    return plan_of(Computing::input_gradient, parse_x_shape(x_shape), Arrays::with_shapes_kept({{"w", w}}),
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

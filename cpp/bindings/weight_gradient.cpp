// SPDX-License-Identifier: BSD-3-Clause
// The gradients of convolutions and of transposed convolutions in their weights and biases, as Python sees them, and the plan of the first.
#include "algorithms/weight_gradient.hpp"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "bindings/context.hpp"
#include "bindings/planned_call.hpp"
#include "bindings/pool_arguments.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/without_gil.hpp"
#include "core/validate.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

// Of a transposed convolution x and the gradient change places: it is the adjoint of a convolution with the same weights.
class WeightGradient final : public Operation {
  public:
    WeightGradient(Settings settings, Shape w_shape) : settings_(std::move(settings)), w_shape_(std::move(w_shape)) {
        maker = "plan_conv_weight_grad";
        kind = "the gradient of a convolution in its weights";
        second = "grad_out";
        use_of_second = Use::needed;
        asked_threads = settings_.threads;
        result = {w_shape_, false, {}};
        result_is_weights = true;
    }

    void ask(PlannedShape shape, const Arrays& /*arrays*/, std::size_t /*weight*/, DType type, const OperandNames& names) override {
        dtype = type;
        x = std::move(shape);
        frame_ = frame_of(settings_, x, w_shape_, names);
        form = frame_.form;
        problem_ = make_problem(settings_, dtype, frame_, x, w_shape_, names);
        y = result_of(settings_, problem_.shape, frame_, x.free_batch);
        execution_ = plan_weight_gradient(problem_, current_context());
    }
    void check_batch(std::int64_t batch) const override { with_batch(problem_.shape, batch, dtype, {.x = "grad_out"}); }

    py::object run(const Call& call, Arrays& arrays, const Result& to) const override {
        Problem problem = problem_;
        problem.free_batch = false;
        problem.shape.batch = call.batch;
        const bool planned = problem.shape == problem_.shape;
        const WeightGradientExecution of_batch = planned ? WeightGradientExecution() : plan_weight_gradient(problem, *execution_.on);
        const Frame frame{frame_.rank, call.form, frame_.layout};
        with_real(dtype, [&](auto zero) {
            using T = decltype(zero);
            const std::size_t input = settings_.transposed ? 1 : 0;
            const WeightGradientOperands<T> io{view_of<T>(arrays[input], frame), view_of<T>(arrays[1 - input], frame), to.data<T>()};
            without_gil([&] { run_weight_gradient(planned ? execution_ : of_batch, io, call.threads); });
        });
        return to.given;
    }

    void pack(const Arrays& /*arrays*/, int /*threads*/) override {}
    std::unique_ptr<Operation> for_shape(PlannedShape shape) const override {
        auto other = std::make_unique<WeightGradient>(settings_, w_shape_);
        other->ask(std::move(shape), Arrays({}), 0, dtype, planned_names);
        return other;
    }
    py::dict keywords() const override {
        py::dict keywords = keywords_of(settings_, {"activation", "algorithm"});
        keywords["w"] = as_python(w_shape_);
        keywords["dtype"] = name_of(dtype);
        return keywords;
    }
    std::string algorithm() const override { return execution_.depthwise ? "depthwise" : "gemm"; }
    std::int64_t flops() const override { return 2 * problem_.shape.macs(); }
    std::int64_t workspace_bytes(int threads) const override {
        std::int64_t most = 0;
        for (const WeightGradientExecution& e : plans_of_most_memory(execution_)) {
            most = std::max(most, weight_gradient_workspace_bytes(e, threads));
        }
        return most;
    }
    std::string explain(int threads) const override {
        return explain_weight_gradient(execution_, {threads, workspace_bytes(threads), packed_bytes()});
    }

  private:
    Settings settings_;
    Shape w_shape_;
    Frame frame_;
    Problem problem_;
    WeightGradientExecution execution_;
};

py::object grad_weight(int rank, py::handle x, py::handle weight_shape, py::handle grad_out, const Keywords& keywords, py::handle out) {
    WeightGradient operation(parse_settings(keywords, rank), parse_shape(weight_shape, "weight_shape"));
    Arrays arrays({{"x", x}, {"grad_out", grad_out}}, out);
    return call_once(operation, arrays, {.w = "weight_shape", .w_is_shape = true});
}

py::object grad_conv_weight(int rank, py::handle x, py::handle weight_shape, py::handle grad_out, py::handle stride, py::handle padding,
                            py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout,
                            py::handle out, py::handle num_threads) {
    return grad_weight(rank, x, weight_shape, grad_out,
                       {stride, padding, dilation, groups, padding_mode, flip, layout, {}, {}, num_threads, {}, {}}, out);
}

py::object grad_transposed_weight(int rank, py::handle x, py::handle weight_shape, py::handle grad_out, py::handle stride,
                                  py::handle padding, py::handle output_padding, py::handle dilation, py::handle groups, py::handle layout,
                                  py::handle out, py::handle num_threads) {
    return grad_weight(rank, x, weight_shape, grad_out,
                       {stride, padding, dilation, groups, {}, {}, layout, {}, {}, num_threads, output_padding, {}}, out);
}

// The sum over batch and pixels: the gradient of a 1x1 convolution whose one input channel is 1 everywhere.
py::object grad_conv_bias(int rank, py::handle grad_out, py::handle layout) {
    const Layout order = parse_layout(layout);
    Arrays arrays({{"grad_out", grad_out}});
    const Tensor grad(arrays, 0, rank, order, Accepted::reals, "a convolution");
    Problem problem;
    problem.dtype = grad.dtype;
    problem.layout = order;
    problem.shape.batch = grad.sizes.batch;
    problem.shape.out_channels = grad.sizes.channels;
    for (std::size_t i = 0; i < grad.sizes.spatial.size(); ++i) {
        Axis& axis = problem.shape.axis[3 - grad.sizes.spatial.size() + i];
        axis.input = axis.output = grad.sizes.spatial[i];
    }
    const Result to = arrays.result(grad.dtype, "grad_out", {grad.sizes.channels}, Form::unbatched);
    arrays.make_readable();
    const int threads = threads_for_call(0);
    with_real(grad.dtype, [&](auto zero) {
        using T = decltype(zero);
        const T one = 1;
        WeightGradientOperands<T> io{{}, view_of<T>(arrays[0], grad.frame), to.data<T>()};
        io.x.data = &one;
        without_gil([&] { run_weight_gradient(plan_weight_gradient(problem, current_context()), io, threads); });
    });
    return to.given;
}

PlannedCall plan_conv_weight_grad(py::handle x_shape, py::handle weight_shape, py::handle dtype, py::handle stride, py::handle padding,
                                  py::handle dilation, py::handle groups, py::handle padding_mode, py::handle flip, py::handle layout,
                                  py::handle num_threads) {
    PlannedShape x = parse_x_shape(x_shape);
    Shape w = parse_shape(weight_shape, "w");
    const int rank = infer_rank(x, w.size(), "w of shape " + tuple_text(w));
    const DType type = parse_dtype(dtype, Accepted::reals);
    Settings settings = parse_settings({stride, padding, dilation, groups, padding_mode, flip, layout, {}, {}, num_threads, {}, {}}, rank);
    return {std::make_unique<WeightGradient>(std::move(settings), std::move(w)), std::move(x), Arrays({}), type};
}

}  // namespace

void register_weight_gradient(py::module_& m) {
    m.def("grad_conv_weight", &grad_conv_weight, "rank, x, weight_shape, grad_out, then the keywords");
    m.def("grad_conv_transpose_weight", &grad_transposed_weight, "rank, x, weight_shape, grad_out, then the keywords");
    m.def("grad_conv_bias", &grad_conv_bias, "rank, grad_out, layout");
    m.def("plan_conv_weight_grad", &plan_conv_weight_grad, "x_shape, weight_shape, dtype, then the keywords");
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The gradients of convolutions and of transposed convolutions in their weights and biases, as Python sees them, and the plan of the first.
#include "algorithms/weight_gradient.hpp"

#include <pybind11/pybind11.h>

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
    }
    void check_batch(std::int64_t batch) const override { with_batch(problem_.shape, batch, dtype, {.x = "grad_out"}); }

    py::object run(const Call& call, Arrays& arrays, const Result& to) const override {
        const Frame frame{frame_.rank, call.form, frame_.layout};
        const std::size_t input = settings_.transposed ? 1 : 0;
        Operands io;
        io.x = view_of(arrays[input], frame);
        io.grad = view_of(arrays[1 - input], frame);
        io.y = to.data<void>();
        if (plan_)
            run_plan(call, io);
        else
            without_gil([&] { weight_gradient_once(problem_, current_context(), io, call.threads); });
        return to.given;
    }

    std::unique_ptr<Operation> for_shape(PlannedShape shape) const override {
        auto other = std::make_unique<WeightGradient>(settings_, w_shape_);
        other->ask(std::move(shape), Arrays({}), 0, dtype, planned_names);
        other->plan_ = plan_->for_shapes({&other->problem_.shape, 1}, other->x.free_batch);
        return other;
    }
    py::dict keywords() const override {
        py::dict keywords = keywords_of(settings_, {"activation", "algorithm"});
        keywords["w"] = as_python(w_shape_);
        keywords["dtype"] = name_of(dtype);
        return keywords;
    }
    std::int64_t flops() const override { return 2 * problem_.shape.macs(); }

  private:
    std::unique_ptr<Plan> make_plan(std::span<const WeightsView> /*weights*/, int /*threads*/) const override {
        return std::make_unique<Plan>(planned_weight_gradient(problem_, current_context()));
    }

    Settings settings_;
    Shape w_shape_;
    Frame frame_;
    Problem problem_;
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
    const float single = 1;
    const double one = 1;
    Operands io;
    io.x.data = grad.dtype == DType::f32 ? static_cast<const void*>(&single) : &one;
    io.grad = view_of(arrays[0], grad.frame);
    io.y = to.data<void>();
    without_gil([&] { weight_gradient_once(problem, current_context(), io, threads); });
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

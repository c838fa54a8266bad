// SPDX-License-Identifier: BSD-3-Clause
// separable_conv2d and its plan, as Python sees them.
#include "algorithms/separable.hpp"

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/context.hpp"
#include "bindings/planned_call.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/without_gil.hpp"

namespace npconv {
namespace {

// Where its weights stand in a list of arrays, from the first of them on.
enum Place : std::size_t { depthwise_w, pointwise_w, pointwise_bias, depthwise_bias };

void check_weights(const Shape& depthwise, const Shape& pointwise, std::int64_t channels, const char* x) {
    if (channels < 1) throw py::value_error(std::string(x) + " must have at least one channel, got none");
    const bool images = depthwise.size() == 4 && depthwise[1] == 1 && depthwise[2] >= 1 && depthwise[3] >= 1;
    if (!images || depthwise[0] < 1 || depthwise[0] % channels != 0) {
        throw py::value_error("depthwise_w must have shape (a multiple of the " + std::to_string(channels) + " channels of " + x +
                              ", 1, kernel height, kernel width); got " + tuple_text(depthwise));
    }
    if (pointwise.size() != 4 || pointwise[1] != depthwise[0] || pointwise[2] != 1 || pointwise[3] != 1) {
        throw py::value_error("pointwise_w must have shape (output channels, " + std::to_string(depthwise[0]) + ", 1, 1); got " +
                              tuple_text(pointwise));
    }
}

class Separable final : public Operation {
  public:
    // settings: of the depthwise half, but for the number of groups.
    Separable(Settings settings, const ActivationSpec& activation) : settings_(std::move(settings)), activation_(activation) {
        maker = "plan_separable_conv2d";
        kind = "a separable convolution";
        second = "residual";
        asked_threads = settings_.threads;
    }

    void ask(PlannedShape shape, const Arrays& arrays, std::size_t weight, DType type, const OperandNames& names) override {
        dtype = type;
        x = std::move(shape);
        const std::size_t axes = x.sizes.size();
        if (axes != 3 && axes != 4) {
            throw py::value_error(std::string(names.x) + " must have 4 axes, or 3 without the batch; got " +
                                  (names.x_is_shape ? "" : "shape ") + x.text());
        }
        frame_ = {2, axes == 4 ? Form::batched : Form::unbatched, settings_.request.layout};
        x.check_free_batch(frame_.form);
        depthwise_shape_ = shape_of(arrays[weight + depthwise_w]);
        pointwise_shape_ = shape_of(arrays[weight + pointwise_w]);
        settings_.request.groups = sizes_of(x.sizes, frame_).channels;
        check_weights(depthwise_shape_, pointwise_shape_, settings_.request.groups, names.x);
        check_activation(settings_.activation, dtype, "depthwise_activation");
        check_activation(activation_, dtype);
        judge(names);
        check_biases(arrays, weight);
    }
    void check_biases(const Arrays& arrays, std::size_t weight) const override {
        check_bias(arrays, weight + depthwise_bias, depthwise_shape_[0], "channel");
        check_bias(arrays, weight + pointwise_bias, pointwise_shape_[0], "channel");
    }
    void check_batch(std::int64_t batch) const override {
        with_batch(problem_.depthwise.shape, batch, dtype, {.w = "depthwise_w"});
        with_batch(problem_.pointwise.shape, batch, dtype, {.w = "pointwise_w"});
    }

    py::object run(const Call& call, Arrays& arrays, const Result& to) const override {
        const Frame frame{2, call.form, frame_.layout};
        Operands io;
        io.x = view_of(arrays[0], frame);
        if (const std::size_t i = arrays.residual(); arrays.has(i)) io.residual = view_of(arrays[i], frame);
        io.y = to.data<void>();
        io.y_batch = to.batch_step;
        if (plan_) {
            run_plan(call, io);
        } else {
            const SeparableWeights both = views(arrays, 1);
            without_gil([&] { separable_once(problem_, current_context(), both, io, call.threads); });
        }
        return to.given;
    }

    std::unique_ptr<Operation> for_shape(PlannedShape shape) const override {
        auto other = std::make_unique<Separable>(settings_, activation_);
        other->dtype = dtype;
        other->x = std::move(shape);
        other->frame_ = frame_;
        other->depthwise_shape_ = depthwise_shape_;
        other->pointwise_shape_ = pointwise_shape_;
        other->judge(planned_names);
        const ConvShape shapes[] = {other->problem_.depthwise.shape, other->problem_.pointwise.shape};
        other->plan_ = plan_->for_shapes(shapes, other->x.free_batch);
        return other;
    }
    py::dict keywords() const override {
        py::dict keywords = keywords_of(settings_, {"groups", "flip", "algorithm"});
        keywords["depthwise_activation"] = keywords["activation"];
        keywords["activation"] = as_python(activation_);
        return keywords;
    }
    std::int64_t flops() const override { return 2 * (problem_.depthwise.shape.macs() + problem_.pointwise.shape.macs()); }

  private:
    std::vector<WeightsView> weights(const Arrays& arrays, std::size_t at) const override {
        const SeparableWeights both = views(arrays, at);
        return {both.begin(), both.end()};
    }
    std::unique_ptr<Plan> make_plan(std::span<const WeightsView> w, int threads) const override {
        return std::make_unique<Plan>(planned_separable(problem_, current_context(), {w[0], w[1]}, threads));
    }

    // Both halves, from the shapes of x and the weights.
    void judge(OperandNames names) {
        form = frame_.form;
        names.w = "depthwise_w";
        Problem depthwise = make_problem(settings_, dtype, frame_, x, depthwise_shape_, names);
        depthwise.layout = frame_.layout;  // of the result, which may have more channels than one
        depthwise.free_batch = false;      // both halves are cut as for one image
        problem_ = separable_problem(depthwise, current_context(), pointwise_shape_[0], activation_);
        names.w = "pointwise_w";
        with_batch(problem_.pointwise.shape, problem_.pointwise.shape.batch, dtype, names);  // its sizes can be multiplied, or this throws
        problem_.depthwise.free_batch = problem_.pointwise.free_batch = x.free_batch;
        result = y = result_of(settings_, problem_.pointwise.shape, frame_, x.free_batch);
    }
    static SeparableWeights views(const Arrays& arrays, std::size_t at) {
        return {weights_of(arrays, at + depthwise_w, at + depthwise_bias, 2), weights_of(arrays, at + pointwise_w, at + pointwise_bias, 2)};
    }

    Settings settings_;
    ActivationSpec activation_;
    Frame frame_;
    Shape depthwise_shape_, pointwise_shape_;
    SeparableProblem problem_;
};

std::unique_ptr<Separable> separable(const Keywords& keywords, py::handle depthwise_activation, py::handle activation) {
    Settings settings = parse_settings(keywords, 2);
    settings.activation = parse_activation(depthwise_activation, "depthwise_activation");
    return std::make_unique<Separable>(std::move(settings), parse_activation(activation));
}

py::object separable_conv2d(py::handle x, py::handle depthwise, py::handle pointwise, py::handle bias, py::handle bias_of_depthwise,
                            py::handle depthwise_activation, py::handle stride, py::handle padding, py::handle dilation,
                            py::handle padding_mode, py::handle layout, py::handle activation, py::handle residual, py::handle out,
                            py::handle num_threads) {
    const auto operation =
        separable({stride, padding, dilation, {}, padding_mode, {}, layout, {}, {}, num_threads, {}, {}}, depthwise_activation, activation);
    Arrays arrays({{"x", x},
                   {"depthwise_w", depthwise},
                   {"pointwise_w", pointwise},
                   {"bias", bias, Use::optional},
                   {"depthwise_bias", bias_of_depthwise, Use::optional},
                   {"residual", residual, Use::residual}},
                  out);
    return call_once(*operation, arrays);
}

PlannedCall plan_separable_conv2d(py::handle x_shape, py::handle depthwise, py::handle pointwise, py::handle bias,
                                  py::handle bias_of_depthwise, py::handle depthwise_activation, py::handle stride, py::handle padding,
                                  py::handle dilation, py::handle padding_mode, py::handle layout, py::handle activation,
                                  py::handle num_threads) {
    auto operation =
        separable({stride, padding, dilation, {}, padding_mode, {}, layout, {}, {}, num_threads, {}, {}}, depthwise_activation, activation);
    PlannedShape x = parse_x_shape(x_shape);
    Arrays weights = Arrays::with_shapes_kept({{"depthwise_w", depthwise},
                                               {"pointwise_w", pointwise},
                                               {"bias", bias, Use::optional},
                                               {"depthwise_bias", bias_of_depthwise, Use::optional}});
    const DType dtype = dtype_of(weights[depthwise_w], "depthwise_w");
    return {std::move(operation), std::move(x), std::move(weights), dtype};
}

}  // namespace

void register_separable(py::module_& m) {
    m.def("separable_conv2d", &separable_conv2d,
          "x, depthwise_w, pointwise_w, bias, then the keywords in the order of the public signature");
    m.def("plan_separable_conv2d", &plan_separable_conv2d, "x_shape, depthwise_w, pointwise_w, bias, then the keywords");
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/operation.hpp"

#include <algorithm>

#include "bindings/register.hpp"

namespace npconv {

py::object Operation::call(Arrays& arrays, const char* of, const char* whose) const {
    Call call;
    const PlannedShape& operand = of_gradient ? y : x;
    call.form = operand.expect(arrays[0], arrays.name(0), whose, form);
    call.batch = batch_of(arrays[0], call.form);
    if (second && use_of_second == Use::needed) {
        const Form other = y.expect(arrays[1], arrays.name(1), whose, form);
        if (other != call.form || batch_of(arrays[1], other) != call.batch) {
            throw py::value_error(std::string(second) + " must have the batch of " + first + ", " +
                                  (call.form == Form::batched ? std::to_string(call.batch) : "which is left out") + "; got " +
                                  shape_text(arrays[1]));
        }
    }
    if (operand.free_batch) check_batch(call.batch);
    call.result = result.of_call(call.form, call.batch);
    const Result to = arrays.result(dtype, of, call.result, result_is_weights ? Form::unbatched : call.form);
    arrays.make_readable();
    call.threads = threads_for_call(asked_threads);
    return run(call, arrays, to);
}

void Operation::pack(const Arrays& arrays, int threads) {
    const std::vector<WeightsView> views = weights(arrays, 0);
    if (plan_)
        plan_->set_parameters(without_gil([&] { return plan_->pack(views, threads); }));
    else
        plan_ = without_gil([&] { return make_plan(views, threads); });
}

void Operation::run_plan(const Call& call, const Operands& operands) const {
    const auto parameters = plan_->parameters();  // with the GIL: see Plan
    const auto run = [&] { plan_->run(call.batch, *parameters, operands, call.threads); };
    plan_->operation().serves(call.batch, call.threads) ? compute(call, run) : without_gil(run);
}

py::dict Operation::work(bool packing) const {
    const std::optional<WorkCounts> counts = plan_ ? plan_->operation().work(packing) : std::nullopt;
    if (!counts) throw py::type_error(std::string("nothing is counted of ") + kind);
    py::dict d;
    for (std::size_t i = 0; i < work_count; ++i) {
        const auto one = static_cast<Work>(i);
        if ((*counts)[one] != 0.0) d[name_of(one)] = (*counts)[one];
    }
    return d;
}

double effort_of(const std::array<Axis, 3>& axis, std::int64_t in, std::int64_t out, std::int64_t operations) {
    // What an image, a plane of x and a plane of results cost beside their elements, in operations of the same time. Measured on a
    // Xeon of 2.5 GHz with AVX-512: 0.5 us for an image, up to 0.2 us for a pooled plane.
    constexpr double of_image = 4000.0, of_input = 300.0, of_output = 1000.0;
    const auto number = [](std::int64_t n) { return static_cast<double>(n); };  // any sizes: products may overflow integers
    double inputs = number(in), outputs = number(out), taps = number(operations);
    for (const Axis& a : axis) {
        const double reach = (number(a.output) - 1) * number(a.stride) + (number(a.kernel) - 1) * number(a.dilation) + 1;
        inputs *= std::max(number(a.input) + number(a.pad_before) + number(a.pad_after), reach);
        outputs *= number(a.output);
        taps *= number(a.kernel);
    }
    return of_image + of_input * number(in) + of_output * number(out) + inputs + outputs + outputs * taps;
}

WeightsView weights_of(const Arrays& arrays, std::size_t i, std::size_t bias, int rank) {
    WeightsView view{weights_view(arrays[i], rank)};
    if (arrays.has(bias)) {
        view.bias = arrays[bias].data();
        view.bias_stride = arrays[bias].shape(0) < 2 ? 0 : arrays[bias].strides(0) / arrays[bias].itemsize();
    }
    return view;
}

py::object call_once(Operation& operation, Arrays& arrays, const OperandNames& names, std::optional<Shape> x) {
    const char* of = arrays.name(0);
    const DType dtype = operation.dtype_from(arrays[0], of);
    arrays.expect_dtype(dtype, of, 1);
    operation.ask({x ? std::move(*x) : shape_of(arrays[0]), false, {}}, arrays, 1, dtype, names);
    return operation.call(arrays, of, of_arguments);
}

}  // namespace npconv

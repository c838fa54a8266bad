// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/plan.hpp"

#include <cmath>
#include <stdexcept>

#include "algorithms/convolution.hpp"

namespace npconv {
namespace {

// A bias that is not given is the one before.
void keep_bias(Parameters& now, const Parameters& before) {
    if (!now.bias) {
        now.bias = before.bias;
        now.bias_of_parts = before.bias_of_parts;
    }
    for (std::size_t i = 0; i < now.parts.size() && i < before.parts.size(); ++i) keep_bias(now.parts[i], before.parts[i]);
}

}  // namespace

std::int64_t Parameters::bytes() const {
    const auto of = [](const std::shared_ptr<const Buffer>& b) { return b ? static_cast<std::int64_t>(b->bytes()) : 0; };
    std::int64_t sum = of(weights) + of(bias) + (bias_of_parts == bias ? 0 : of(bias_of_parts));
    for (const Parameters& p : parts) sum += p.bytes();
    return sum;
}

Parameters pack_parameters(const ConvExecution& execution, const WeightsView& weights, int threads) {
    Parameters parameters;
    parameters.format = format_of(execution);
    PackedWeights packed = pack(execution, weights.w, threads);
    parameters.weights = std::make_shared<const Buffer>(std::move(packed.data));
    parameters.largest_weight = packed.largest;
    const Problem& p = execution.problem();
    if (weights.bias) {
        parameters.bias = std::make_shared<const Buffer>(pack_bias(p.dtype, p.shape.groups * p.shape.out_channels, weights));
    }
    return parameters;
}

Operands with_parameters(Operands io, const Parameters& parameters) {
    io.w = parameters.weights->as<const void>();
    io.finite_weights = std::isfinite(parameters.largest_weight);
    io.largest_weight = parameters.largest_weight;
    io.bias = parameters.bias ? parameters.bias->as<const void>() : nullptr;
    return io;
}

std::unique_ptr<Plan> Plan::for_shapes(std::span<const ConvShape> shapes, bool free_batch) const {
    std::shared_ptr<const PlannedOperation> other = operation_->for_shapes(shapes, free_batch);
    return other ? std::make_unique<Plan>(Planned<PlannedOperation>{std::move(other), *parameters()}) : nullptr;
}

void Plan::run(std::int64_t batch, const Parameters& parameters, const Operands& io, int threads) const {
    if (operation_->serves(batch, threads)) return operation_->run(parameters, io, threads);
    for_call_.get({batch, threads}, [&] { return operation_->for_call(batch, threads); })->run(parameters, io, threads);
}

std::shared_ptr<const Parameters> Plan::parameters() const {
    const std::lock_guard lock(mutex_);
    return parameters_;
}

void Plan::set_parameters(Parameters parameters) {
    std::shared_ptr<const Parameters> before;  // freed when the mutex is
    const std::lock_guard lock(mutex_);
    keep_bias(parameters, *parameters_);
    before = std::exchange(parameters_, std::make_shared<const Parameters>(std::move(parameters)));
}

void refuse_shape() { throw std::invalid_argument("x_shape must let the packed weights be shared, and does not: make another plan"); }

}  // namespace npconv

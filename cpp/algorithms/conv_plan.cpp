// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/conv_plan.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>
#include <vector>

#include "algorithms/convolution.hpp"

namespace npconv {
namespace {

// Dense tensors of the problem's own shape, to time the candidates on.
template <class T>
struct Rehearsal {
    std::vector<T> x, y;
    Operands<T> io;

    explicit Rehearsal(const Problem& p) {
        const ConvShape& s = p.shape;
        const std::int64_t channels = s.groups * s.in_channels, out_channels = s.groups * s.out_channels;
        const std::int64_t inputs = s.axis[0].input * s.axis[1].input * s.axis[2].input;
        x.assign(static_cast<std::size_t>(s.batch * channels * inputs), T(1));
        y.resize(static_cast<std::size_t>(s.batch * out_channels * s.pixels()));
        const bool last = p.layout == Layout::channels_last;
        const std::int64_t pixel = last ? channels : 1;
        const std::int64_t row = pixel * s.axis[2].input;
        io.x = {x.data(), channels * inputs, last ? 1 : inputs, {row * s.axis[1].input, row, pixel}};
        io.y = y.data();
        io.y_batch = out_channels * s.pixels();
    }
};

}  // namespace

template <class T>
Parameters pack_parameters(const ConvExecution& execution, const WeightsView<T>& weights, int threads) {
    Parameters parameters;
    parameters.format = format_of(execution);
    PackedWeights packed = pack_weights(execution, weights.w, threads);
    parameters.weights = std::make_shared<const Buffer>(std::move(packed.data));
    parameters.largest_weight = packed.largest;
    const ConvShape& s = execution.problem().shape;
    if (weights.bias) {
        parameters.bias = std::make_shared<const Buffer>(pack_bias(s.groups * s.out_channels, weights.bias, weights.bias_stride));
    }
    return parameters;
}

template <class T>
ConvPlan::ConvPlan(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView<T>& weights, int threads)
    : decision_(decide(problem, on, algorithm)) {
    if (algorithm == "measure" && !problem.shape.empty()) {
        measure(problem, on, weights, threads);
        return;
    }
    execution_ = std::make_shared<const ConvExecution>(plan_conv(problem, on, decision_.algorithm));
    parameters_ = pack_parameters(*execution_, weights, threads);
}

ConvPlan::ConvPlan(const ConvPlan& other, const ConvShape& shape, bool free_batch) : parameters_(other.parameters()) {
    Problem problem = other.problem();
    problem.shape = shape;
    problem.free_batch = free_batch;
    const Context& on = other.execution_->on();
    decision_ = decide(problem, on, entry_of(other.decision_.algorithm).name);
    decision_.wanted = other.decision_.wanted;
    execution_ = std::make_shared<const ConvExecution>(plan_conv(problem, on, decision_.algorithm));
    if (parameters_.format != format_of(*execution_)) {
        throw std::invalid_argument("x_shape must let the packed weights be shared, and does not: make another plan");
    }
}

// Best of three, of each candidate that serves; those whose estimate is beyond ten times the best are not worth the wait.
template <class T>
void ConvPlan::measure(const Problem& problem, const Context& on, const WeightsView<T>& weights, int threads) {
    using Clock = std::chrono::steady_clock;
    double estimate = 0.0;
    for (const Candidate& c : decision_.candidates) {
        if (c.algorithm == decision_.algorithm) estimate = c.cycles;
    }
    const Rehearsal<T> rehearsal(problem);
    double best = 0.0;
    for (Candidate& c : decision_.candidates) {
        if (!entry_of(c.algorithm).automatic || !c.refusal.empty() || c.cycles > 10 * estimate) continue;
        auto execution = std::make_shared<const ConvExecution>(plan_conv(problem, on, c.algorithm));
        const Parameters packed = pack_parameters(*execution, weights, threads);
        double least = 0.0;
        for (int round = 0; round < 4; ++round) {  // the first one warms up
            const auto start = Clock::now();
            run_convolution(*execution, with_parameters(rehearsal.io, packed), threads);
            const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
            if (round == 1 || (round > 1 && seconds < least)) least = seconds;
        }
        c.measured_seconds = least;
        if (!execution_ || least < best) {
            best = least;
            execution_ = std::move(execution);
            parameters_ = packed;
            decision_.algorithm = c.algorithm;
        }
    }
}

Parameters ConvPlan::parameters() const {
    const std::lock_guard lock(mutex_);
    return parameters_;
}

void ConvPlan::set_parameters(Parameters parameters) {
    const std::lock_guard lock(mutex_);
    if (!parameters.bias) parameters.bias = parameters_.bias;
    parameters_ = std::move(parameters);
}

template <class T>
Parameters ConvPlan::pack(const WeightsView<T>& weights, int threads) const {
    return pack_parameters(*execution_, weights, threads);
}

// Of a free batch, planned again where the batch is not that of the call before.
std::shared_ptr<const ConvExecution> ConvPlan::execution_for(const ConvShape& shape) const {
    if (shape == problem().shape) return execution_;
    return of_batch_.get(shape, [&] {
        Problem p = problem();
        p.shape = shape;
        p.free_batch = false;
        return plan_conv(p, execution_->on(), decision_.algorithm);
    });
}

template <class T>
void ConvPlan::run(const ConvShape& shape, const Parameters& parameters, const Operands<T>& io, int threads) const {
    if (shape.empty()) return;
    const std::shared_ptr<const ConvExecution> execution = execution_for(shape);
    run_convolution(*execution, with_parameters(io, parameters), threads);
}

std::int64_t ConvPlan::workspace_bytes(int threads) const {
    const double largest = parameters().largest_weight;
    std::int64_t most = 0;
    for (const ConvExecution& e : plans_of_most_memory(*execution_))
        most = std::max(most, convolution_workspace_bytes(e, largest, threads));
    return most;
}

template Parameters pack_parameters(const ConvExecution&, const WeightsView<float>&, int);
template Parameters pack_parameters(const ConvExecution&, const WeightsView<double>&, int);
template ConvPlan::ConvPlan(const Problem&, const Context&, const std::string&, const WeightsView<float>&, int);
template ConvPlan::ConvPlan(const Problem&, const Context&, const std::string&, const WeightsView<double>&, int);
template void ConvPlan::run(const ConvShape&, const Parameters&, const Operands<float>&, int) const;
template void ConvPlan::run(const ConvShape&, const Parameters&, const Operands<double>&, int) const;
template Parameters ConvPlan::pack(const WeightsView<float>&, int) const;
template Parameters ConvPlan::pack(const WeightsView<double>&, int) const;

}  // namespace npconv

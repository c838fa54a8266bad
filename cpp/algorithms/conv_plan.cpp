// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/conv_plan.hpp"

#include <algorithm>

#include "algorithms/convolution.hpp"
#include "algorithms/rehearsal.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

// Each candidate that serves; those whose estimate is beyond ten times the best are not worth the wait.
Planned<PlannedConv> measured(const Problem& problem, const Context& on, Decision decision, const WeightsView& weights, int threads) {
    double estimate = 0.0;
    for (const Candidate& c : decision.candidates) {
        if (c.algorithm == decision.algorithm) estimate = c.cycles;
    }
    const Rehearsal rehearsal(problem);
    std::optional<ConvExecution> best;
    Parameters parameters;
    double least = 0.0;
    for (Candidate& c : decision.candidates) {
        if (!entry_of(c.algorithm).automatic || !c.refusal.empty() || c.cycles > 10 * estimate) continue;
        ConvExecution execution = plan_conv(problem, on, c.algorithm);
        Parameters packed = pack_parameters(execution, weights, threads);
        c.measured_seconds = Rehearsal::time([&] { convolve(execution, with_parameters(rehearsal.operands, packed), threads); });
        if (best && c.measured_seconds >= least) continue;
        least = c.measured_seconds;
        best = std::move(execution);
        parameters = std::move(packed);
        decision.algorithm = c.algorithm;
    }
    return {std::make_shared<const PlannedConv>(std::move(decision), *std::move(best)), std::move(parameters)};
}

}  // namespace

Planned<PlannedConv> planned_conv(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView& weights,
                                  int threads) {
    Decision decision = decide(problem, on, algorithm);
    if (algorithm == "measure" && !problem.shape.empty()) return measured(problem, on, std::move(decision), weights, threads);
    ConvExecution execution = plan_conv(problem, on, decision.algorithm);
    Parameters packed = pack_parameters(execution, weights, threads);
    return {std::make_shared<const PlannedConv>(std::move(decision), std::move(execution)), std::move(packed)};
}

Parameters PlannedConv::pack(std::span<const WeightsView> weights, int threads) const {
    return pack_parameters(execution_, weights[0], threads);
}

void PlannedConv::run(const Parameters& parameters, const Operands& io, int threads) const {
    run_packed(with_parameters(io, parameters), threads);
}

void PlannedConv::run_packed(const Operands& io, int threads) const {
    if (!problem().shape.empty()) convolve(execution_, io, threads);
}

std::int64_t PlannedConv::workspace_bytes(const Parameters& parameters, int threads) const {
    std::int64_t most = 0;
    for (const ConvExecution& e : plans_of_most_memory(execution_)) {
        most = std::max(most, npconv::workspace_bytes(e, parameters.largest_weight, threads));
    }
    return most;
}

std::string PlannedConv::explain(const Parameters& parameters, int threads) const {
    return npconv::explain(execution_, decision_, {threads, workspace_bytes(parameters, threads), parameters.bytes()});
}

std::optional<WorkCounts> PlannedConv::work(bool packing) const {
    const Prospect prospect = entry_of(decision_.algorithm).prospect(problem(), execution_.on());
    return packing ? prospect.packing : prospect.work;
}

std::shared_ptr<const PlannedConv> PlannedConv::for_batch(std::int64_t batch) const {
    Problem p = problem();
    p.shape.batch = batch;
    p.free_batch = false;
    return std::make_shared<const PlannedConv>(decision_, plan_conv(p, execution_.on(), decision_.algorithm));
}

std::shared_ptr<const PlannedConv> PlannedConv::for_shape(const ConvShape& shape, bool free_batch) const {
    Problem p = problem();
    p.shape = shape;
    p.free_batch = free_batch;
    const Context& on = execution_.on();
    Decision decision = decide(p, on, entry_of(decision_.algorithm).name);
    decision.wanted = decision_.wanted;
    ConvExecution execution = plan_conv(p, on, decision.algorithm);
    if (format_of(execution_) != format_of(execution)) refuse_shape();
    return std::make_shared<const PlannedConv>(std::move(decision), std::move(execution));
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/transposed.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "algorithms/convolution.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/rehearsal.hpp"
#include "algorithms/transposed_phases.hpp"
#include "algorithms/transposed_weights.hpp"
#include "core/parallel.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

constexpr std::int64_t most_workspace = 6 << 20;  // of a thread

bool empty(const ConvShape& forward) {
    return forward.batch == 0 || forward.groups * forward.in_channels == 0 || forward.axis[0].input == 0 || forward.axis[1].input == 0 ||
           forward.axis[2].input == 0;
}

std::shared_ptr<const PhasesExecution> one_part(const Problem& forward, const Context& on) {
    PhasesExecution e;
    e.phases = phases_of(forward, on, Arrangement::apart);
    return std::make_shared<const PhasesExecution>(std::move(e));
}

// All weights as they are: those of the definition.
bool as_they_are(const Parameters& parameters) { return parameters.weights != nullptr; }

}  // namespace

PlannedTransposed::PlannedTransposed(const Problem& forward, const Context& on, const std::string& algorithm)
    : forward_(forward), on_(&on), wanted_(algorithm), by_definition_(algorithm == entry_of(Algorithm::naive).name) {
    if (one_phase(forward.shape)) {
        execution_ = one_part(forward_, on);
    } else if (by_definition_) {
        execution_ = std::make_shared<const PhasesExecution>();
    } else {
        choose();
    }
}

// Of several phases: how they are computed.
void PlannedTransposed::choose() {
    const bool automatic = wanted_ == "auto" || wanted_ == "measure";
    const Candidate* best = nullptr;
    candidates_.reserve(algorithms().size());  // they stay where they are
    const Context decisive = on_->for_decisions();
    for (const AlgorithmEntry& entry : algorithms()) {
        if (automatic ? !entry.automatic : wanted_ != entry.name) continue;
        PhaseProspect prospect = prospect_of_phases(forward_, *on_, entry.algorithm);
        if (prospect.refusal.empty() && !empty(forward_.shape) &&
            bytes_of_phases(plan_phases(forward_, decisive, prospect.way)) > most_workspace) {
            prospect.refusal = "its workspace would be more than 6 MB a thread";
        }
        Candidate& c = candidates_.emplace_back(Candidate{entry.algorithm, prospect.refusal});
        c.cycles = prospect.way.cycles;
        if (!automatic && !c.refusal.empty()) {
            throw std::invalid_argument("algorithm=\"" + wanted_ + "\" cannot serve here: " + c.refusal);
        }
        if (c.refusal.empty() && (!best || c.cycles < best->cycles)) {
            best = &c;
            way_ = prospect.way;
        }
    }
    if (!best && !automatic) decide(forward_, *on_, wanted_);  // no such name: it says which there are
    by_definition_ = !best;
    execution_ = std::make_shared<const PhasesExecution>();
    if (best) set_phases();
}

void PlannedTransposed::set_phases() {
    execution_ = std::make_shared<const PhasesExecution>(plan_phases(forward_, *on_, way_));
    if (!phases().parts.empty()) forward_.packed_as.lane = phases().parts[0].problem.packed_as.lane;  // for other shapes, too
}

// Each way to compute the phases that serves.
void PlannedTransposed::measure(const WeightsView& weights, int threads) {
    const Rehearsal rehearsal(forward_, true);
    double best = 0.0;
    for (Candidate& c : candidates_) {
        if (!c.refusal.empty()) continue;
        const Planned<PlannedTransposed> plan = planned_transposed(forward_, *on_, entry_of(c.algorithm).name, weights, threads);
        const auto operation = plan.operation->for_batch(forward_.shape.batch);
        c.measured_seconds = Rehearsal::time([&] { operation->run(plan.parameters, rehearsal.operands, threads); });
        if (best != 0.0 && c.measured_seconds >= best) continue;
        best = c.measured_seconds;
        way_ = plan.operation->way_;
    }
    if (best != 0.0) set_phases();
}

Planned<PlannedTransposed> planned_transposed(const Problem& forward, const Context& on, const std::string& algorithm,
                                              const WeightsView& weights, int threads) {
    auto plan = std::make_shared<PlannedTransposed>(forward, on, algorithm);
    if (!one_phase(forward.shape)) {
        if (algorithm == "measure" && !empty(forward.shape)) plan->measure(weights, threads);
        Parameters parameters = plan->pack({&weights, 1}, threads);
        return {std::move(plan), std::move(parameters)};
    }
    Parameters parameters;
    if (!plan->by_definition_) {
        const PhasePart& part = plan->phases().parts[0];
        const Buffer taps = weights_of_part(plan->forward_, plan->phases(), part, weights.w);
        Planned<PlannedConv> one = planned_conv(part.problem, on, algorithm, {view_of_part(part.problem.shape, taps)}, threads);
        plan->one_ = std::move(one.operation);
        parameters.parts.push_back(std::move(one.parameters));
    }
    plan->finish(parameters, weights);
    return {std::move(plan), std::move(parameters)};
}

std::shared_ptr<const PlannedTransposed> PlannedTransposed::for_batch(std::int64_t batch) const {
    auto other = std::make_shared<PlannedTransposed>(*this);
    other->forward_.shape.batch = batch;
    other->forward_.free_batch = false;
    if (one_ && !one_->serves(batch, 1)) other->one_ = one_->for_batch(batch);
    return other;
}

std::shared_ptr<const PlannedTransposed> PlannedTransposed::for_shape(const ConvShape& forward, bool free_batch) const {
    auto other = std::make_shared<PlannedTransposed>(*this);
    other->forward_.shape = forward;
    other->forward_.free_batch = free_batch;
    if (one_phase(forward) != one_phase(forward_.shape)) refuse_shape();
    if (by_definition_) return other;
    if (one_phase(forward)) {
        other->execution_ = one_part(other->forward_, *on_);
    } else {
        if (!phases_serve(other->forward_, way_)) refuse_shape();
        other->set_phases();
    }
    const std::vector<PhasePart>&parts = other->phases().parts, &before = phases().parts;
    if (parts.size() != before.size()) refuse_shape();
    for (std::size_t i = 0; i < parts.size(); ++i) {
        for (std::size_t a = 0; a < 3; ++a) {
            const Phase &now = parts[i].phase[a], &then = before[i].phase[a];
            if ((now.taps != then.taps || now.first_tap != then.first_tap) && before[i].problem.shape.in_channels > 0) refuse_shape();
        }
        if (parts[i].problem.shape.in_channels != before[i].problem.shape.in_channels) refuse_shape();
        if (!one_ && !phases().planes &&
            format_of(plan_conv(parts[i].problem, *on_, way_.algorithm)) != format_of(plan_conv(before[i].problem, *on_, way_.algorithm)))
            refuse_shape();
    }
    if (one_) other->one_ = one_->for_shape(parts[0].problem.shape, free_batch);
    return other;
}

ConvExecution PlannedTransposed::execution_of(const PhasePart& part) const {
    if (one_) return one_->execution();
    return plan_conv(part.problem, *on_, part.problem.shape.in_channels > 0 ? way_.algorithm : Algorithm::gemm);
}

Parameters PlannedTransposed::pack(std::span<const WeightsView> weights, int threads) const {
    Parameters parameters;
    for (std::size_t i = 0; i < phases().parts.size() && !by_definition_; ++i) {
        const PhasePart& part = phases().parts[i];
        Buffer taps = weights_of_part(forward_, phases(), part, weights[0].w);
        parameters.parts.push_back(phases().planes
                                       ? planes_parameters(forward_.dtype, std::move(taps))
                                       : pack_parameters(execution_of(part), {view_of_part(part.problem.shape, taps)}, threads));
    }
    finish(parameters, weights[0]);
    return parameters;
}

// With the bias; and where a weight is not finite, all of them as they are: a product that an algorithm makes up, with a zero beside x,
// would be NaN.
void PlannedTransposed::finish(Parameters& parameters, const WeightsView& weights) const {
    const ConvShape& f = forward_.shape;
    const auto finite = [](const Parameters& part) { return std::isfinite(part.largest_weight); };
    if (by_definition_ || !std::all_of(parameters.parts.begin(), parameters.parts.end(), finite)) {
        parameters.parts.clear();
        parameters.weights = std::make_shared<const Buffer>(copy_of_weights(forward_, weights.w));
    }
    if (weights.bias) {
        parameters.bias = std::make_shared<const Buffer>(pack_bias(forward_.dtype, f.groups * f.in_channels, weights));
        parameters.bias_of_parts = repeated_bias(forward_, phases(), parameters.bias);
    }
}

std::string PlannedTransposed::algorithm() const {
    if (by_definition_) return entry_of(Algorithm::naive).name;
    return entry_of(one_ ? one_->decision().algorithm : way_.algorithm).name;
}

void PlannedTransposed::run(const Parameters& parameters, const Operands& operands, int threads) const {
    if (empty(forward_.shape)) return;
    if (as_they_are(parameters)) {
        count_naive_run();
        return run_naive_transposed(forward_, *on_, with_parameters(operands, parameters), threads);
    }
    if (!one_) return run_phases(*execution_, forward_, parameters, operands, threads);
    Operands io = with_parameters(operands, parameters.parts[0]);
    io.x = input_of_part(phases().parts[0], io.x);
    io.bias = parameters.bias ? parameters.bias->as<const void>() : nullptr;
    one_->run_packed(io, threads);
}

std::int64_t PlannedTransposed::workspace_bytes(const Parameters& parameters, int threads) const {
    if (empty(forward_.shape) || as_they_are(parameters)) return 0;
    if (one_) return one_->workspace_bytes(parameters.parts[0], threads);
    const std::int64_t tasks = forward_.shape.batch * execution_->tiling.tasks;
    const int slots = forward_.free_batch ? threads : slots_of(tasks, worthwhile_threads(forward_, *on_, threads));
    return bytes_of_phases(*execution_) * slots;
}

std::string PlannedTransposed::explain(const Parameters& parameters, int threads) const {
    const Footprint footprint{threads, workspace_bytes(parameters, threads), parameters.bytes()};
    if (by_definition_ || as_they_are(parameters)) {
        const char* reason = !by_definition_      ? "a weight is not finite, and must meet no zero that an algorithm puts beside x"
                             : wanted_ == "naive" ? "asked for by name"
                                                  : "the stride makes too many phases";
        return explain_transposed_definition(forward_, reason, footprint);
    }
    if (one_) return explain_one_phase(forward_, one_->execution(), one_->decision(), footprint);
    return explain_phases({forward_, algorithm(), wanted_, candidates_}, *execution_, footprint);
}

}  // namespace npconv

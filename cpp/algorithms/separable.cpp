// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/separable.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/depthwise.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/section_operands.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "plan/explain.hpp"
#include "plan/sections.hpp"

namespace npconv {
namespace {

using Between = Workspace<1>;

void expect_served(const SeparableProblem& p, const Context& on, const char* arguments) {
    if (const std::string refusal = separable_refusal(p, on, arguments); !refusal.empty()) throw std::invalid_argument(refusal);
}

Between::Sizes between_bytes(const SeparableExecution& e) { return {e.tiling.block_elements * size_of(e.pointwise.problem.dtype)}; }

}  // namespace

template <class T>
SeparablePlan::SeparablePlan(const SeparableProblem& problem, const Context& on, const SeparableWeights<T>& weights, int threads)
    : problem_(problem), on_(&on) {
    expect_served(problem, on, "depthwise_w, stride, padding and dilation");
    parameters_ = pack(weights, threads);
    keep_lanes();
}

// As they were packed for.
void SeparablePlan::keep_lanes() {
    problem_.depthwise.depthwise_lane = parameters_.depthwise.format.lane;
    problem_.pointwise.lane = parameters_.pointwise.format.lane;
}

SeparablePlan::SeparablePlan(const SeparablePlan& other, const SeparableProblem& problem)
    : problem_(problem), on_(other.on_), parameters_(other.parameters()) {
    expect_served(problem, *on_, "x_shape");
    keep_lanes();
    if (parameters_.depthwise.format != format_of(plan_conv(problem_.depthwise, *on_, Algorithm::depthwise)) ||
        parameters_.pointwise.format != format_of(plan_conv(problem_.pointwise, *on_, Algorithm::gemm))) {
        throw std::invalid_argument("x_shape must let the packed weights be shared, and does not: make another plan");
    }
}

template <class T>
SeparableParameters SeparablePlan::pack(const SeparableWeights<T>& weights, int threads) const {
    return {pack_parameters(plan_conv(problem_.depthwise, *on_, Algorithm::depthwise), weights.depthwise, threads),
            pack_parameters(plan_conv(problem_.pointwise, *on_, Algorithm::gemm), weights.pointwise, threads)};
}

SeparableParameters SeparablePlan::parameters() const {
    const std::lock_guard lock(mutex_);
    return parameters_;
}

void SeparablePlan::set_parameters(SeparableParameters parameters) {
    const std::lock_guard lock(mutex_);
    if (!parameters.depthwise.bias) parameters.depthwise.bias = parameters_.depthwise.bias;
    if (!parameters.pointwise.bias) parameters.pointwise.bias = parameters_.pointwise.bias;
    parameters_ = std::move(parameters);
}

template <class T>
void SeparablePlan::run(std::int64_t batch, const SeparableParameters& parameters, const Operands<T>& io, int threads) const {
    ConvShape shape = problem_.pointwise.shape;
    shape.batch = batch;
    if (shape.empty()) return;
    const std::shared_ptr<const SeparableExecution> execution = of_call_.get({batch, threads}, [&] {
        SeparableProblem p = problem_;
        for (Problem* half : {&p.depthwise, &p.pointwise}) {
            half->shape.batch = batch;
            half->free_batch = false;
        }
        return plan_separable(p, *on_, threads);
    });
    const SeparableExecution& e = *execution;
    const SeparableTiling& t = e.tiling;
    const int used = e.threads, slots = slots_of(t.tasks, used);
    Operands<T> first = with_parameters(io, parameters.depthwise);
    const Operands<T> second = with_parameters(io, parameters.pointwise);
    first.residual = {};
    first.y = nullptr;
    count_kernel_run(*on_->kernels);
    const Between between(between_bytes(e), slots);
    const DepthwiseBlocks<T> depthwise(e.depthwise, first, slots);
    const GemmBlocks<T> pointwise(e.pointwise, second, {t.channel_step, t.pixel_step}, slots);
    const auto& axis = e.depthwise.problem.shape.axis;
    parallel_for(t.tasks, used, [&](std::int64_t task, int thread) {
        const std::int64_t image = task / t.depthwise.blocks();
        const Box pixels = t.depthwise.block(task % t.depthwise.blocks());
        T* values = between.template get<T>(thread, 0);
        depthwise.compute(pixels, image, {values, t.row}, thread);
        const std::int64_t begin = (pixels.begin[0] * axis[1].output + pixels.begin[1]) * axis[2].output + pixels.begin[2];
        pointwise.compute(values, begin, pixels.pixels(), image, thread);
    });
}

std::int64_t SeparablePlan::workspace_bytes(int threads) const {
    std::int64_t most = 0;
    for (const SeparableExecution& e : plans_of_most_memory(problem_, *on_, threads)) {
        if (e.pointwise.problem.shape.empty()) continue;
        const int slots = problem_.depthwise.free_batch ? threads : slots_of(e.tiling.tasks, e.threads);
        const std::int64_t of_thread =
            Between::bytes_per_thread(between_bytes(e)) + depthwise_blocks_bytes(e.depthwise) + gemm_blocks_bytes(e.pointwise);
        most = std::max(most, of_thread * slots);
    }
    return most;
}

std::string SeparablePlan::explain(int threads) const {
    return explain_separable(problem_, plan_separable(problem_, *on_, threads), {threads, workspace_bytes(threads), packed_bytes()});
}

template <class T>
void separable_once(const SeparableProblem& problem, const Context& on, const SeparableWeights<T>& weights, const Operands<T>& operands,
                    int threads) {
    expect_served(problem, on, "depthwise_w");
    const ConvShape& s = problem.pointwise.shape;
    const std::int64_t room = room_for_weights(on, threads);
    const auto bytes = [&](const Problem& half, Algorithm algorithm) { return packed_bytes(plan_conv(half, on, algorithm)); };
    constexpr std::int64_t most_growth = 128;  // of few channels in vectors
    const std::int64_t taken = (problem.depthwise.shape.taps() + s.out_channels) * s.in_channels * size_of(problem.pointwise.dtype);
    if (s.batch != 1 || s.empty() || taken <= room / most_growth ||
        bytes(problem.depthwise, Algorithm::depthwise) + bytes(problem.pointwise, Algorithm::gemm) <= room) {
        const SeparablePlan plan(problem, on, weights, threads);
        return plan.run(s.batch, plan.parameters(), operands, threads);
    }
    const std::int64_t depthwise = bytes(problem.depthwise, Algorithm::depthwise);
    SeparableProblem p = problem;
    const ConvExecution pointwise = plan_conv(p.pointwise, on, Algorithm::gemm);
    const Problem whole = pointwise.problem();
    const std::vector<Section> sections = cut_channels(1, s.out_channels, ceil_div(packed_bytes(pointwise), s.out_channels),
                                                       unit_of(pointwise), std::max(room - depthwise, room / 2));
    for (const Section& section : sections) {
        p.pointwise = problem_of(whole, section);
        SeparableWeights<T> of_section = weights;
        of_section.pointwise.w.data += section.channel * weights.pointwise.w.batch;
        if (weights.pointwise.bias) of_section.pointwise.bias += section.channel * weights.pointwise.bias_stride;
        const SeparablePlan plan(p, on, of_section, threads);
        plan.run(1, plan.parameters(), operands_of_section(whole, section, operands), threads);
    }
}

template void separable_once(const SeparableProblem&, const Context&, const SeparableWeights<float>&, const Operands<float>&, int);
template void separable_once(const SeparableProblem&, const Context&, const SeparableWeights<double>&, const Operands<double>&, int);
template SeparablePlan::SeparablePlan(const SeparableProblem&, const Context&, const SeparableWeights<float>&, int);
template SeparablePlan::SeparablePlan(const SeparableProblem&, const Context&, const SeparableWeights<double>&, int);
template SeparableParameters SeparablePlan::pack(const SeparableWeights<float>&, int) const;
template SeparableParameters SeparablePlan::pack(const SeparableWeights<double>&, int) const;
template void SeparablePlan::run(std::int64_t, const SeparableParameters&, const Operands<float>&, int) const;
template void SeparablePlan::run(std::int64_t, const SeparableParameters&, const Operands<double>&, int) const;

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/separable.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/convolution.hpp"
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

ConvExecution depthwise_half(const SeparableExecution& e) { return {Algorithm::depthwise, e.depthwise}; }
ConvExecution pointwise_half(const SeparableExecution& e) { return {Algorithm::gemm, e.pointwise}; }

Between::Sizes between_bytes(const SeparableExecution& e) { return {e.tiling.block_elements * size_of(e.pointwise.problem.dtype)}; }

class PlannedSeparable final : public PlannedOperation {
  public:
    PlannedSeparable(const SeparableProblem& problem, const Context& on, int threads)
        : problem_(problem), on_(&on), threads_(threads), execution_(plan_separable(problem, on, threads)) {}

    Parameters pack(std::span<const WeightsView> weights, int threads) const override {
        Parameters packed;
        packed.parts.push_back(pack_parameters(depthwise_half(execution_), weights[0], threads));
        packed.parts.push_back(pack_parameters(pointwise_half(execution_), weights[1], threads));
        return packed;
    }

    void run(const Parameters& parameters, const Operands& io, int) const override {
        const SeparableExecution& e = execution_;
        const SeparableTiling& t = e.tiling;
        if (e.pointwise.problem.shape.empty()) return;
        const int slots = slots_of(t.tasks, e.threads);
        Operands first = with_parameters(io, parameters.parts[0]);
        const Operands second = with_parameters(io, parameters.parts[1]);
        first.residual = {};
        first.y = nullptr;
        count_kernel_run(*on_->kernels);
        const Between between(between_bytes(e), slots);
        const std::unique_ptr<const DepthwiseBlocks> depthwise = depthwise_blocks(e.depthwise, first, slots);
        const std::unique_ptr<const GemmBlocks> pointwise = gemm_of_made_input(e.pointwise, second, t.channel_step, t.pixel_step, slots);
        const std::int64_t panels = e.pointwise.tiling.panels.parts;
        parallel_for(t.tasks, e.threads, [&](std::int64_t task, int thread) {
            const std::int64_t image = task / t.depthwise.blocks();
            const Box pixels = t.depthwise.block(task % t.depthwise.blocks());
            auto* values = between.get<void>(thread, 0);
            depthwise->compute(pixels, image, {values, t.row}, thread);
            pointwise->compute({pixels, image, 0, 0, panels, values, {}}, thread);
        });
    }

    std::int64_t workspace_bytes(const Parameters&, int threads) const override {
        std::int64_t most = 0;
        for (const SeparableExecution& e : plans_of_most_memory(problem_, *on_, threads)) {
            if (e.pointwise.problem.shape.empty()) continue;
            const int slots = problem_.depthwise.free_batch ? threads : slots_of(e.tiling.tasks, e.threads);
            const std::int64_t of_thread =
                Between::bytes_per_thread(between_bytes(e)) + bytes_of_depthwise_blocks(e.depthwise) + bytes_of_gemm_blocks(e.pointwise);
            most = std::max(most, of_thread * slots);
        }
        return most;
    }

    std::string algorithm() const override { return "separable"; }

    std::string explain(const Parameters& parameters, int threads) const override {
        return explain_separable(problem_, plan_separable(problem_, *on_, threads),
                                 {threads, workspace_bytes(parameters, threads), parameters.bytes()});
    }

    bool serves(std::int64_t batch, int threads) const override {
        return !problem_.depthwise.free_batch && batch == problem_.pointwise.shape.batch && threads == threads_;
    }
    std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int threads) const override {
        SeparableProblem p = problem_;
        for (Problem* half : {&p.depthwise, &p.pointwise}) {
            half->shape.batch = batch;
            half->free_batch = false;
        }
        return std::make_shared<const PlannedSeparable>(p, *on_, threads);
    }
    std::shared_ptr<const PlannedOperation> for_shapes(std::span<const ConvShape> shapes, bool free_batch) const override {
        SeparableProblem p = problem_;
        p.depthwise.shape = shapes[0];
        p.pointwise.shape = shapes[1];
        p.depthwise.free_batch = p.pointwise.free_batch = free_batch;
        expect_served(p, *on_, "x_shape");
        auto other = std::make_shared<const PlannedSeparable>(p, *on_, threads_);
        if (format_of(depthwise_half(other->execution_)) != format_of(depthwise_half(execution_)) ||
            format_of(pointwise_half(other->execution_)) != format_of(pointwise_half(execution_))) {
            refuse_shape();
        }
        return other;
    }

  private:
    const SeparableProblem problem_;
    const Context* const on_;
    const int threads_;
    const SeparableExecution execution_;
};

}  // namespace

Planned<PlannedOperation> planned_separable(const SeparableProblem& problem, const Context& on, const SeparableWeights& weights,
                                            int threads) {
    expect_served(problem, on, "depthwise_w, stride, padding and dilation");
    // As the weights are packed, so is every shape cut.
    SeparableProblem p = problem;
    p.depthwise.packed_as.depthwise_lane = format_of(plan_conv(p.depthwise, on, Algorithm::depthwise)).lane;
    p.pointwise.packed_as.lane = format_of(plan_conv(p.pointwise, on, Algorithm::gemm)).lane;
    auto operation = std::make_shared<const PlannedSeparable>(p, on, threads);
    Parameters packed = operation->pack(weights, threads);
    return {std::move(operation), std::move(packed)};
}

void separable_once(const SeparableProblem& problem, const Context& on, const SeparableWeights& weights, const Operands& operands,
                    int threads) {
    expect_served(problem, on, "depthwise_w");
    const ConvShape& s = problem.pointwise.shape;
    const std::int64_t room = room_for_weights(on, threads);
    const auto bytes = [&](const Problem& half, Algorithm algorithm) { return packed_bytes(plan_conv(half, on, algorithm)); };
    constexpr std::int64_t most_growth = 128;  // of few channels in vectors
    const std::int64_t taken = (problem.depthwise.shape.taps() + s.out_channels) * s.in_channels * size_of(problem.pointwise.dtype);
    if (s.batch != 1 || s.empty() || taken <= room / most_growth ||
        bytes(problem.depthwise, Algorithm::depthwise) + bytes(problem.pointwise, Algorithm::gemm) <= room) {
        const Planned<PlannedOperation> plan = planned_separable(problem, on, weights, threads);
        return plan.operation->run(plan.parameters, operands, threads);
    }
    const std::int64_t depthwise = bytes(problem.depthwise, Algorithm::depthwise);
    SeparableProblem p = problem;
    const ConvExecution pointwise = plan_conv(p.pointwise, on, Algorithm::gemm);
    const Problem whole = pointwise.problem();
    const std::vector<Section> sections = cut_channels(1, s.out_channels, ceil_div(packed_bytes(pointwise), s.out_channels),
                                                       unit_of(pointwise), std::max(room - depthwise, room / 2));
    for (const Section& section : sections) {
        p.pointwise = problem_of(whole, section);
        SeparableWeights of_section = weights;
        WeightsView& w = of_section[1];
        w.w.data = moved(w.w.data, section.channel * w.w.batch, whole.dtype);
        if (w.bias) w.bias = moved(w.bias, section.channel * w.bias_stride, whole.dtype);
        const Planned<PlannedOperation> plan = planned_separable(p, on, of_section, threads);
        plan.operation->run(plan.parameters, operands_of_section(whole, section, operands), threads);
    }
}

}  // namespace npconv

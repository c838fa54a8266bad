// SPDX-License-Identifier: BSD-3-Clause
#include "plan/executions.hpp"

#include <algorithm>

namespace npconv {

GemmExecution plan_gemm(const Problem& p, const Context& on) {
    GemmExecution e{p, &on, tile_gemm(p, on)};
    e.problem.packed_as.lane = e.tiling.lane;
    return e;
}

GemmExecution plan_gemm_pieces(const Problem& p, const Context& on) { return {p, &on, tile_gemm_pieces(p, on, pixels_of_piece)}; }

DepthwiseExecution plan_depthwise(const Problem& p, const Context& on) {
    DepthwiseExecution e{p, &on, tile_depthwise(p, on)};
    e.problem.packed_as.depthwise_lane = e.tiling.lane;
    return e;
}

ConvExecution plan_conv_by_gemm(const Problem& p, const Context& on) { return {Algorithm::gemm, plan_gemm(p, on)}; }

ConvExecution plan_conv_by_depthwise(const Problem& p, const Context& on) { return {Algorithm::depthwise, plan_depthwise(p, on)}; }

ConvExecution plan_conv_by_direct(const Problem& p, const Context& on) {
    return {Algorithm::direct, DirectExecution{p, &on, tile_direct(p, on)}};
}

ConvExecution plan_conv_by_winograd(const Problem& p, const Context& on, Algorithm algorithm) {
    const Problem direct = direct_problem(p);
    WinogradExecution e{{p, &on, tile_winograd(p, on, *winograd_tiles(algorithm))}, plan_gemm_pieces(direct, on), plan_gemm(direct, on)};
    e.problem.packed_as.transformed = e.tiling.prepared ? Transformed::packed : Transformed::made;
    return {algorithm, std::move(e)};
}

ConvExecution plan_conv_by_naive(const Problem& p, const Context& on) { return {Algorithm::naive, NaiveExecution{p, &on, {}}}; }

ConvExecution plan_conv(const Problem& p, const Context& on, Algorithm algorithm) { return entry_of(algorithm).plan(p, on); }

SeparableExecution plan_separable(const SeparableProblem& p, const Context& on, int threads) {
    SeparableExecution e;
    e.threads = worthwhile_threads(p, on, threads);
    e.tiling = tile_separable(p, on, e.threads);
    e.depthwise = {p.depthwise, &on, e.tiling.depthwise};
    e.pointwise = {p.pointwise, &on, tile_gemm_blocks(p.pointwise, on, e.tiling.most_pixels)};
    return e;
}

PhasesExecution plan_phases(const Problem& forward, const Context& on, const PhaseWay& way) {
    PhasesExecution e;
    e.forward = forward;
    e.forward.shape.batch = 1;  // more images are more tasks
    e.forward.free_batch = false;
    e.on = &on;
    e.phases = phases_of(e.forward, on, way.arrangement);
    e.tiling = tile_transposed(e.forward, on, e.phases, way.algorithm);
    for (std::size_t i = 0; i < e.tiling.parts.size(); ++i) e.gemm.push_back({e.phases.parts[i].problem, &on, e.tiling.parts[i]});
    for (std::size_t i = 0; i < e.tiling.depthwise.size(); ++i) {
        e.depthwise.push_back({e.phases.parts[i].problem, &on, e.tiling.depthwise[i]});
    }
    return e;
}

WeightGradientExecution plan_weight_gradient(const Problem& p, const Context& on) {
    WeightGradientExecution e;
    e.problem = p;
    e.on = &on;
    const ConvShape& s = p.shape;
    if (s.groups * s.out_channels * s.k() == 0 || s.batch * s.pixels() == 0) return e;  // nothing is summed
    e.depthwise = depthwise_gradient_refusal(p, on).empty();
    if (e.depthwise) {
        e.by_depthwise = {p, &on, tile_depthwise_gradient(p, on)};
        return e;
    }
    e.turned = weight_gradient_turned(p, on);
    const Problem product = e.turned ? turned_problem(p) : p;
    e.by_product = {product, &on, tile_weight_gradient(product, on)};
    return e;
}

namespace {

Problem with_batch_of(Problem p, std::int64_t batch) {
    p.shape.batch = batch;
    return p;
}

std::vector<std::int64_t> batches_of_most_memory(const GemmExecution& e, Algorithm) { return {e.on->limits.gemm.enough_tasks}; }
std::vector<std::int64_t> batches_of_most_memory(const DirectExecution& e, Algorithm) { return {e.on->limits.direct.enough_tasks}; }
std::vector<std::int64_t> batches_of_most_memory(const DepthwiseExecution& e, Algorithm) {
    return {1, e.on->limits.depthwise.enough_tasks};
}
std::vector<std::int64_t> batches_of_most_memory(const NaiveExecution&, Algorithm) { return {1}; }

// Small batches: threads may share a block, and where memory limits blocks, a block may hold more images than in a large batch. And one
// large batch, in which every block holds the most images that it may.
std::vector<std::int64_t> batches_of_most_memory(const WinogradExecution& e, Algorithm algorithm) {
    const auto images_of_block = [&](std::int64_t batch) {
        return tile_winograd(with_batch_of(e.problem, batch), *e.on, *winograd_tiles(algorithm)).images_of_block;
    };
    const std::int64_t many = std::max(many_winograd_images(*e.on), e.on->limits.gemm.enough_tasks);  // of `whole`, too
    const std::int64_t each = images_of_block(many), few = std::max(each, images_of_block(1)) * e.on->limits.winograd.enough_blocks;
    std::vector<std::int64_t> batches{ceil_div(many, each) * each};
    for (std::int64_t batch = 1; batch <= few; ++batch) batches.push_back(batch);
    return batches;
}

}  // namespace

std::vector<ConvExecution> plans_of_most_memory(const ConvExecution& execution) {
    const Problem& p = execution.problem();
    if (!p.free_batch) return {execution};
    std::vector<ConvExecution> plans;
    const auto batches = std::visit([&](const auto& e) { return batches_of_most_memory(e, execution.algorithm); }, execution.way);
    for (const std::int64_t batch : batches) plans.push_back(plan_conv(with_batch_of(p, batch), execution.on(), execution.algorithm));
    return plans;
}

std::vector<WeightGradientExecution> plans_of_most_memory(const WeightGradientExecution& e) {
    if (!e.problem.free_batch) return {e};
    return {plan_weight_gradient(with_batch_of(e.problem, 1), *e.on),
            plan_weight_gradient(with_batch_of(e.problem, e.on->limits.weight_gradient.enough_tasks), *e.on)};
}

std::vector<SeparableExecution> plans_of_most_memory(const SeparableProblem& p, const Context& on, int threads) {
    if (!p.depthwise.free_batch) return {plan_separable(p, on, threads)};
    std::vector<SeparableExecution> plans;
    for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{2}, on.limits.depthwise.enough_tasks}) {
        plans.push_back(plan_separable({with_batch_of(p.depthwise, batch), with_batch_of(p.pointwise, batch)}, on, threads));
    }
    return plans;
}

}  // namespace npconv

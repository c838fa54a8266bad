// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/conv_plan.hpp"

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "algorithms/depthwise.hpp"
#include "algorithms/direct.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/section_operands.hpp"
#include "algorithms/winograd.hpp"
#include "kernels/registry.hpp"
#include "plan/plain_calls.hpp"
#include "plan/sections.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {
namespace {

// Weights that are not finite would reach too far through a transform, very large ones overflow in it, and very small ones underflow.
Algorithm used(Algorithm algorithm, const Problem& p, double largest_weight) {
    const bool fit = largest_weight <= winograd_most(p.dtype) && (largest_weight == 0 || largest_weight >= winograd_least(p.dtype));
    return winograd_tiles(algorithm) && !fit ? Algorithm::gemm : algorithm;
}

void count_run(const Problem& p, Algorithm algorithm) {
    if (algorithm == Algorithm::naive) return count_naive_run();
    count_kernel_run(*p.kernels);
    if (winograd_tiles(algorithm)) count_winograd_run();
}

template <class T>
void run_algorithm(const Problem& p, Algorithm algorithm, const Operands<T>& io, int threads) {
    const Algorithm one = used(algorithm, p, io.largest_weight);
    count_run(p, one);
    switch (one) {
        case Algorithm::gemm: run_gemm(one == algorithm ? p : direct_problem(p), io, threads); return;
        case Algorithm::direct: run_direct(p, io, threads); return;
        case Algorithm::winograd:
        case Algorithm::winograd_f2:
        case Algorithm::winograd_f6: run_winograd(p, *winograd_tiles(algorithm), io, threads); return;
        case Algorithm::depthwise: run_depthwise(p, io, threads); return;
        case Algorithm::naive: run_naive(p, io, threads); return;
    }
}

bool has_a_choice(const Decision& decision) {
    int serving = 0;
    for (const Candidate& c : decision.candidates) serving += entry_of(c.algorithm).automatic && c.refusal.empty() ? 1 : 0;
    return serving > 1;
}

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
ConvPlan::ConvPlan(const Problem& problem, const std::string& algorithm, const WeightsView<T>& weights, int threads)
    : problem_(problem), decision_(decide(problem, algorithm)) {
    if (algorithm == "measure" && !problem.shape.empty()) {
        measure(weights, threads);
    } else {
        parameters_ = pack_parameters(problem_, decision_.algorithm, weights, threads);
    }
    keep_format();
}

ConvPlan::ConvPlan(const ConvPlan& other, const ConvShape& shape, bool free_batch)
    : problem_(other.problem_), parameters_(other.parameters()) {
    problem_.shape = shape;
    problem_.free_batch = free_batch;
    keep_format();
    decision_ = decide(problem_, entry_of(other.decision_.algorithm).name);
    decision_.wanted = other.decision_.wanted;
    if (parameters_.format != format_of(problem_, decision_.algorithm)) {
        throw std::invalid_argument("x_shape must let the packed weights be shared, and does not: make another plan");
    }
}

// What the weights are packed for is not to be chosen again with each call.
void ConvPlan::keep_format() {
    const PackedFormat& format = parameters_.format;
    if (format.algorithm == Algorithm::gemm) problem_.lane = format.lane;
    if (format.algorithm == Algorithm::depthwise) problem_.depthwise_lane = format.lane;
    if (winograd_tiles(format.algorithm)) problem_.transformed = format.transformed_k.n > 0 ? Transformed::packed : Transformed::made;
}

template <class T>
Parameters pack_parameters(const Problem& p, Algorithm algorithm, const WeightsView<T>& weights, int threads) {
    Parameters parameters;
    parameters.format = format_of(p, algorithm);
    PackedWeights packed = pack_weights(p, algorithm, weights.w, threads);
    parameters.weights = std::make_shared<const Buffer>(std::move(packed.data));
    parameters.largest_weight = packed.largest;
    const std::int64_t channels = p.shape.groups * p.shape.out_channels;
    if (weights.bias) parameters.bias = std::make_shared<const Buffer>(pack_bias(channels, weights.bias, weights.bias_stride));
    return parameters;
}

// Best of three, of each candidate that serves; those whose estimate is beyond ten times the best are not worth the wait.
template <class T>
void ConvPlan::measure(const WeightsView<T>& weights, int threads) {
    using Clock = std::chrono::steady_clock;
    double estimate = 0.0;
    for (const Candidate& c : decision_.candidates) {
        if (c.algorithm == decision_.algorithm) estimate = c.cycles;
    }
    const Rehearsal<T> rehearsal(problem_);
    double best = 0.0;
    for (Candidate& c : decision_.candidates) {
        if (!entry_of(c.algorithm).automatic || !c.refusal.empty() || c.cycles > 10 * estimate) continue;
        const Parameters packed = pack_parameters(problem_, c.algorithm, weights, threads);
        double least = 0.0;
        for (int round = 0; round < 4; ++round) {  // the first one warms up
            const auto start = Clock::now();
            run_algorithm(problem_, c.algorithm, with_parameters(rehearsal.io, packed), threads);
            const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
            if (round == 1 || (round > 1 && seconds < least)) least = seconds;
        }
        c.measured_seconds = least;
        if (!parameters_.weights || least < best) {
            best = least;
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
    return pack_parameters(problem_, decision_.algorithm, weights, threads);
}

template <class T>
void ConvPlan::run(const ConvShape& shape, const Parameters& parameters, Operands<T> io, int threads) const {
    Problem p = problem_;
    p.shape = shape;
    p.free_batch = false;
    if (p.shape.empty()) return;
    const bool other_shape = shape != problem_.shape;
    if (other_shape && parameters.format != format_of(p, decision_.algorithm))
        throw std::logic_error("weights that are packed for another tiling");
    run_algorithm(p, decision_.algorithm, with_parameters(io, parameters), threads);
}

std::int64_t ConvPlan::workspace_bytes(int threads) const {
    const Algorithm algorithm = used(decision_.algorithm, problem_, parameters().largest_weight);
    switch (algorithm) {
        case Algorithm::gemm: return gemm_workspace_bytes(algorithm == decision_.algorithm ? problem_ : direct_problem(problem_), threads);
        case Algorithm::direct: return direct_workspace_bytes(problem_, threads);
        case Algorithm::winograd:
        case Algorithm::winograd_f2:
        case Algorithm::winograd_f6: return winograd_workspace_bytes(problem_, *winograd_tiles(algorithm), threads);
        case Algorithm::depthwise: return depthwise_workspace_bytes(problem_, threads);
        case Algorithm::naive: return 0;
    }
    throw std::logic_error("no workspace known for this algorithm");
}

template <class T>
void pack_and_run(const Problem& problem, Algorithm wanted, const TensorView<const T>& w, const Operands<T>& all, int threads,
                  std::optional<double> largest) {
    const std::vector<Section> sections = sections_of(problem, wanted, threads);
    if (sections.size() == 1) {
        const PackedWeights packed = pack_weights(problem, wanted, w, threads);
        Operands<T> io = all;
        io.w = packed.data.template as<const T>();
        io.finite_weights = std::isfinite(packed.largest);
        io.largest_weight = largest.value_or(packed.largest);
        return run_algorithm(problem, wanted, io, threads);
    }
    // What Winograd's convolution can compute depends on the largest of all weights.
    if (winograd_tiles(wanted) && !largest) largest = largest_weight(problem.shape, w, threads);
    const Algorithm algorithm = largest ? used(wanted, problem, *largest) : wanted;
    const Problem whole = algorithm == wanted ? problem : direct_problem(problem);
    for (const Section& section : sections) {
        TensorView<const T> of_section = w;
        of_section.data += section.first(whole.shape.out_channels) * w.batch;
        pack_and_run(problem_of(whole, section), algorithm, of_section, operands_of_section(whole, section, all), threads, largest);
    }
}

template <class T>
void convolve_once(const Problem& problem, const std::string& algorithm, const WeightsView<T>& weights, Operands<T> io, int threads) {
    if (algorithm == "measure" && !problem.shape.empty() && has_a_choice(decide(problem, algorithm))) {
        const ConvPlan plan(problem, algorithm, weights, threads);
        return plan.run(problem.shape, plan.parameters(), io, threads);
    }
    const PlainChoice choice = choose_for_call(problem, algorithm);
    if (problem.shape.empty()) return;
    Problem p = problem;
    p.lane = choice.lane;  // chosen once
    p.depthwise_lane = choice.depthwise_lane;
    Buffer bias;
    if (weights.bias) bias = pack_bias(p.shape.groups * p.shape.out_channels, weights.bias, weights.bias_stride);
    io.bias = weights.bias ? bias.as<const T>() : nullptr;
    if (choice.algorithm != Algorithm::gemm || !gemm_packs_panels(p)) return pack_and_run(p, choice.algorithm, weights.w, io, threads);
    // Zeros beside a weight that is not finite count, which is known only when all are packed: the result is computed anew then, for which
    // a residual must not have been overwritten.
    const bool zeros = p.border == Border::zeros && p.shape.padded(), keeps_residual = !(zeros && io.residual.data);
    if (!keeps_residual && packed_bytes(p, Algorithm::gemm) <= room_for_weights(threads)) {
        return pack_and_run(p, Algorithm::gemm, weights.w, io, threads);
    }
    io.raw_weights = &weights.w;
    io.finite_weights = keeps_residual || std::isfinite(largest_weight(p.shape, weights.w, threads));
    count_run(p, Algorithm::gemm);
    if (run_gemm(p, io, threads) || !zeros || !io.finite_weights) return;
    io.finite_weights = false;
    run_gemm(p, io, threads);
}

template Parameters pack_parameters(const Problem&, Algorithm, const WeightsView<float>&, int);
template Parameters pack_parameters(const Problem&, Algorithm, const WeightsView<double>&, int);
template ConvPlan::ConvPlan(const Problem&, const std::string&, const WeightsView<float>&, int);
template ConvPlan::ConvPlan(const Problem&, const std::string&, const WeightsView<double>&, int);
template void pack_and_run(const Problem&, Algorithm, const TensorView<const float>&, const Operands<float>&, int, std::optional<double>);
template void pack_and_run(const Problem&, Algorithm, const TensorView<const double>&, const Operands<double>&, int, std::optional<double>);
template void convolve_once(const Problem&, const std::string&, const WeightsView<float>&, Operands<float>, int);
template void convolve_once(const Problem&, const std::string&, const WeightsView<double>&, Operands<double>, int);
template void ConvPlan::run(const ConvShape&, const Parameters&, Operands<float>, int) const;
template void ConvPlan::run(const ConvShape&, const Parameters&, Operands<double>, int) const;
template Parameters ConvPlan::pack(const WeightsView<float>&, int) const;
template Parameters ConvPlan::pack(const WeightsView<double>&, int) const;

}  // namespace npconv

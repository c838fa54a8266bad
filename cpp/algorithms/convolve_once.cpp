// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/convolve_once.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "algorithms/convolution.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/plain_calls.hpp"
#include "algorithms/section_operands.hpp"
#include "algorithms/winograd.hpp"
#include "plan/sections.hpp"

namespace npconv {
namespace {

bool has_a_choice(const Decision& decision) {
    int serving = 0;
    for (const Candidate& c : decision.candidates) serving += entry_of(c.algorithm).automatic && c.refusal.empty() ? 1 : 0;
    return serving > 1;
}

}  // namespace

void pack_and_run(const ConvExecution& execution, const AnyView& w, const Operands& all, int threads, std::optional<double> largest) {
    const std::vector<Section> sections = sections_of(execution, threads);
    if (sections.size() == 1) {
        const PackedWeights packed = pack(execution, w, threads);
        Operands io = all;
        io.w = packed.data.as<const void>();
        io.finite_weights = std::isfinite(packed.largest);
        io.largest_weight = largest.value_or(packed.largest);
        return convolve(execution, io, threads);
    }
    const Problem& whole = execution.problem();
    if (const auto* winograd = std::get_if<WinogradExecution>(&execution.way)) {
        // What it can compute depends on the largest of all weights.
        if (!largest) largest = largest_weight(whole, w, threads);
        if (!transforms_weights(*winograd, *largest)) {
            return pack_and_run({Algorithm::gemm, winograd->whole}, w, all, threads, largest);
        }
    }
    for (const Section& section : sections) {
        AnyView of_section = w;
        of_section.data = moved(w.data, section.first(whole.shape.out_channels) * w.batch, whole.dtype);
        pack_and_run(execution_of(execution, section), of_section, operands_of_section(whole, section, all), threads, largest);
    }
}

void convolve_once(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView& weights,
                   const Operands& given, int threads) {
    if (algorithm == "measure" && !problem.shape.empty() && has_a_choice(decide(problem, on, algorithm))) {
        const Planned<PlannedConv> plan = planned_conv(problem, on, algorithm, weights, threads);
        return plan.operation->run(plan.parameters, given, threads);
    }
    const std::shared_ptr<const ConvExecution> execution = execution_for_call(problem, on, algorithm);
    const ConvShape& s = problem.shape;
    if (s.empty()) return;
    Operands io = given;
    Buffer bias;
    if (weights.bias) bias = pack_bias(problem.dtype, s.groups * s.out_channels, weights);
    io.bias = weights.bias ? bias.as<const void>() : nullptr;
    const auto* gemm = std::get_if<GemmExecution>(&execution->way);
    if (!gemm || !gemm->tiling.packs_panels) return pack_and_run(*execution, weights.w, io, threads);
    // Zeros beside a weight that is not finite count, which is known only when all are packed: the result is computed anew then, for which
    // a residual must not have been overwritten.
    const bool zeros = problem.border == Border::zeros && s.padded(), keeps_residual = !(zeros && io.residual.data);
    if (!keeps_residual && packed_bytes(*execution) <= room_for_weights(on, threads)) {
        return pack_and_run(*execution, weights.w, io, threads);
    }
    io.raw_weights = &weights.w;
    io.finite_weights = keeps_residual || std::isfinite(largest_weight(problem, weights.w, threads));
    count_kernel_run(*on.kernels);
    if (run_gemm(*gemm, io, threads) || !zeros || !io.finite_weights) return;
    io.finite_weights = false;
    run_gemm(*gemm, io, threads);
}

}  // namespace npconv

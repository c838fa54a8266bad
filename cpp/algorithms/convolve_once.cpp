// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/convolve_once.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include "algorithms/convolution.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/plain_calls.hpp"
#include "algorithms/section_operands.hpp"
#include "plan/sections.hpp"

namespace npconv {
namespace {

bool has_a_choice(const Decision& decision) {
    int serving = 0;
    for (const Candidate& c : decision.candidates) serving += entry_of(c.algorithm).automatic && c.refusal.empty() ? 1 : 0;
    return serving > 1;
}

}  // namespace

template <class T>
void pack_and_run(const ConvExecution& execution, const TensorView<const T>& w, const Operands<T>& all, int threads,
                  std::optional<double> largest) {
    const std::vector<Section> sections = sections_of(execution, threads);
    if (sections.size() == 1) {
        const PackedWeights packed = pack_weights(execution, w, threads);
        Operands<T> io = all;
        io.w = packed.data.template as<const T>();
        io.finite_weights = std::isfinite(packed.largest);
        io.largest_weight = largest.value_or(packed.largest);
        return run_convolution(execution, io, threads);
    }
    const Problem& whole = execution.problem();
    if (const auto* winograd = std::get_if<WinogradExecution>(&execution.way)) {
        // What it can compute depends on the largest of all weights.
        if (!largest) largest = largest_weight(whole.shape, w, threads);
        if (!transforms_weights(execution, *largest)) {
            return pack_and_run({Algorithm::gemm, winograd->whole}, w, all, threads, largest);
        }
    }
    for (const Section& section : sections) {
        TensorView<const T> of_section = w;
        of_section.data += section.first(whole.shape.out_channels) * w.batch;
        pack_and_run(execution_of(execution, section), of_section, operands_of_section(whole, section, all), threads, largest);
    }
}

template <class T>
void convolve_once(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView<T>& weights, Operands<T> io,
                   int threads) {
    if (algorithm == "measure" && !problem.shape.empty() && has_a_choice(decide(problem, on, algorithm))) {
        const ConvPlan plan(problem, on, algorithm, weights, threads);
        return plan.run(problem.shape, plan.parameters(), io, threads);
    }
    const std::shared_ptr<const ConvExecution> execution = execution_for_call(problem, on, algorithm);
    const ConvShape& s = problem.shape;
    if (s.empty()) return;
    Buffer bias;
    if (weights.bias) bias = pack_bias(s.groups * s.out_channels, weights.bias, weights.bias_stride);
    io.bias = weights.bias ? bias.as<const T>() : nullptr;
    const auto* gemm = std::get_if<GemmExecution>(&execution->way);
    if (!gemm || !gemm->tiling.packs_panels) return pack_and_run(*execution, weights.w, io, threads);
    // Zeros beside a weight that is not finite count, which is known only when all are packed: the result is computed anew then, for which
    // a residual must not have been overwritten.
    const bool zeros = problem.border == Border::zeros && s.padded(), keeps_residual = !(zeros && io.residual.data);
    if (!keeps_residual && packed_bytes(*execution) <= room_for_weights(on, threads)) {
        return pack_and_run(*execution, weights.w, io, threads);
    }
    io.raw_weights = &weights.w;
    io.finite_weights = keeps_residual || std::isfinite(largest_weight(s, weights.w, threads));
    count_kernel_run(*on.kernels);
    if (run_gemm(*gemm, io, threads) || !zeros || !io.finite_weights) return;
    io.finite_weights = false;
    run_gemm(*gemm, io, threads);
}

template void pack_and_run(const ConvExecution&, const TensorView<const float>&, const Operands<float>&, int, std::optional<double>);
template void pack_and_run(const ConvExecution&, const TensorView<const double>&, const Operands<double>&, int, std::optional<double>);
template void convolve_once(const Problem&, const Context&, const std::string&, const WeightsView<float>&, Operands<float>, int);
template void convolve_once(const Problem&, const Context&, const std::string&, const WeightsView<double>&, Operands<double>, int);

}  // namespace npconv

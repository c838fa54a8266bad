// SPDX-License-Identifier: BSD-3-Clause
#include "plan/planner.hpp"

#include <stdexcept>
#include <utility>

#include "plan/depthwise_costs.hpp"
#include "plan/direct_tiling.hpp"
#include "plan/executions.hpp"
#include "plan/gemm_costs.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_costs.hpp"

namespace npconv {
namespace {

Prospect prospect_of_gemm(const Problem& p, const Context& on) {
    const GemmTiling t = tile_gemm(p, on);
    Prospect prospect;
    prospect.work = gemm_work(p, on, t);
    prospect.packing = packing_work(as_double(p.shape.groups) * as_double(t.packed_elements_of_group()), 0.0, p, on);
    return prospect;
}

Prospect prospect_of_direct(const Problem& p, const Context& on) {
    DirectTiling t;
    Prospect prospect;
    prospect.refusal = direct_refusal(p, on, &t);
    if (!prospect.refusal.empty()) return prospect;
    prospect.work = direct_work(p, on, t);
    prospect.packing = packing_work(as_double(p.shape.groups * p.shape.out_channels) * as_double(p.shape.k()), 0.0, p, on);
    return prospect;
}

Prospect prospect_of_naive(const Problem& p, const Context& on) {
    const ConvShape& s = p.shape;
    Prospect prospect;
    const double weights = as_double(s.groups) * as_double(s.out_channels) * as_double(s.k());
    prospect.work[Work::naive_product] = weights * as_double(s.batch) * as_double(s.pixels());
    prospect.packing = packing_work(weights, 0.0, p, on);
    return prospect;
}

template <WinogradTiles Tiles>
Prospect prospect_of_winograd(const Problem& p, const Context& on) {
    WinogradTiling t;
    Prospect prospect;
    prospect.refusal = winograd_refusal(p, on, Tiles, &t);
    if (!prospect.refusal.empty()) return prospect;
    prospect.error = winograd_expected_error(p, t);
    prospect.work = winograd_work(p, on, t);
    prospect.packing = winograd_packing_work(p, on, t);
    return prospect;
}

Prospect prospect_of_depthwise(const Problem& p, const Context& on) {
    Prospect prospect;
    prospect.refusal = depthwise_refusal(p, on);
    if (!prospect.refusal.empty()) return prospect;
    const DepthwiseTiling t = tile_depthwise(p, on);
    prospect.work = depthwise_work(p, on, t);
    prospect.packing = depthwise_packing_work(p, on, t);
    return prospect;
}

template <Algorithm Of>
ConvExecution plan_by_winograd(const Problem& p, const Context& on) {
    return plan_conv_by_winograd(p, on, Of);
}

[[noreturn]] void refuse_name(const std::string& wanted) {
    std::string names;
    for (const AlgorithmEntry& e : algorithms()) names += std::string(", \"") + e.name + "\"";
    throw std::invalid_argument("algorithm must be one of \"auto\", \"measure\"" + names + "; got \"" + wanted + "\"");
}

}  // namespace

const std::vector<AlgorithmEntry>& algorithms() {
    static const auto& entries = *new const std::vector<AlgorithmEntry>{
        // never destroyed: a daemon thread may plan while the process ends
        {Algorithm::gemm, "gemm", "a register-tiled matrix product, taps and pixels as offsets into the input", true, prospect_of_gemm,
         plan_conv_by_gemm},
        {Algorithm::depthwise, "depthwise",
         "one channel a group, or a few: rows of taps in registers, for vectors of channels or of pixels", true, prospect_of_depthwise,
         plan_conv_by_depthwise},
        {Algorithm::direct, "direct", "pixels side by side in vectors, for few output channels of a group: no product is wasted", true,
         prospect_of_direct, plan_conv_by_direct},
        {Algorithm::winograd, "winograd", "transformed tiles, as large as the error allows: of 3x3 F(4x4, 3x3), a quarter of the products",
         true, prospect_of_winograd<WinogradTiles::accurate>, plan_by_winograd<Algorithm::winograd>, least_winograd_work,
         WinogradTiles::accurate},
        {Algorithm::winograd_f2, "winograd_f2", "F(2x2, 3x3): 16 multiplications instead of 36, a third of the error", false,
         prospect_of_winograd<WinogradTiles::two>, plan_by_winograd<Algorithm::winograd_f2>, nullptr, WinogradTiles::two},
        {Algorithm::winograd_f6, "winograd_f6", "F(6x6, 3x3): 64 multiplications instead of 324, four times the error", false,
         prospect_of_winograd<WinogradTiles::six>, plan_by_winograd<Algorithm::winograd_f6>, nullptr, WinogradTiles::six},
        {Algorithm::naive, "naive", "the definition in double precision, for self-checks", false, prospect_of_naive, plan_conv_by_naive},
    };
    return entries;
}

const AlgorithmEntry& entry_of(Algorithm algorithm) {
    for (const AlgorithmEntry& e : algorithms()) {
        if (e.algorithm == algorithm) return e;
    }
    throw std::logic_error("an algorithm without a row in the registry");
}

void expect_algorithm(const std::string& wanted) {
    if (wanted == "auto" || wanted == "measure") return;
    for (const AlgorithmEntry& e : algorithms()) {
        if (wanted == e.name) return;
    }
    refuse_name(wanted);
}

Candidate consider(const Problem& problem, const Context& on, Algorithm algorithm) {
    Prospect prospect = entry_of(algorithm).prospect(problem, on.for_decisions());
    Candidate c{algorithm, std::move(prospect.refusal)};
    if (!c.refusal.empty()) return c;
    if (problem.packing == Packing::every_call) prospect.work += prospect.packing;
    c.error = prospect.error;
    c.cycles = cycles_of(prospect.work, on.machine.core, on.vector_bytes());
    return c;
}

Decision decide(const Problem& problem, const Context& on, const std::string& wanted) {
    Decision decision;
    decision.wanted = wanted;
    const bool automatic = wanted == "auto" || wanted == "measure";
    const bool at_once = wanted == "auto" && problem.packing == Packing::every_call;  // a small call takes no longer than a full decision
    // In units of u: 1.9e-6 of float32, because 2e-6 is promised. Measured errors are below what is expected of maps that are mostly
    // border.
    constexpr double most_error = 32.0;
    const Candidate* best = nullptr;
    decision.candidates.reserve(algorithms().size());
    for (const AlgorithmEntry& e : algorithms()) {
        if (automatic ? !e.automatic : wanted != e.name) continue;
        if (at_once && best && e.least && best->cycles <= cycles_of(e.least(problem, on), on.machine.core, on.vector_bytes())) continue;
        Candidate& c = decision.candidates.emplace_back(consider(problem, on, e.algorithm));
        if (automatic && c.error > most_error) c.refusal = "its error would be too large where a border of zeros is most of the map";
        if (!automatic && !c.refusal.empty()) throw std::invalid_argument("algorithm=\"" + wanted + "\" cannot serve here: " + c.refusal);
        if (c.refusal.empty() && (!best || c.cycles < best->cycles)) best = &c;
    }
    if (!best) refuse_name(wanted);
    decision.algorithm = best->algorithm;
    return decision;
}

}  // namespace npconv

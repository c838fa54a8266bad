// SPDX-License-Identifier: BSD-3-Clause
#include "plan/planner.hpp"

#include <stdexcept>

#include "plan/gemm_costs.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {
namespace {

std::string serves_everything(const Problem&) { return {}; }

double as_double(std::int64_t n) { return static_cast<double>(n); }

double all_gemm_cycles(const Problem& p) { return as_double(p.shape.batch) * gemm_cycles(p, tile_gemm(p)); }

double gemm_packing_cycles(const Problem& p) {
    return 1.5 * as_double(p.shape.groups) * as_double(tile_gemm(p).packed_elements_of_group());
}

// A scalar multiply-add with its index arithmetic.
double naive_cycles(const Problem& p) { return 6.0 * as_double(p.shape.macs()); }

double naive_packing_cycles(const Problem& p) {
    return as_double(p.shape.groups) * as_double(p.shape.out_channels) * as_double(p.shape.k());
}

template <int Whole>
AlgorithmEntry winograd_entry(Algorithm algorithm, const char* name, const char* summary, bool automatic) {
    return {algorithm,
            name,
            summary,
            automatic,
            [](const Problem& p) { return winograd_refusal(p, Whole); },
            [](const Problem& p) { return winograd_cycles(p, Whole); },
            [](const Problem& p) { return winograd_packing_cycles(p, Whole); }};
}

}  // namespace

const std::vector<AlgorithmEntry>& algorithms() {
    static const std::vector<AlgorithmEntry> entries = {
        {Algorithm::gemm, "gemm", "a register-tiled matrix product, taps and pixels as offsets into the input", true, serves_everything,
         all_gemm_cycles, gemm_packing_cycles},
        winograd_entry<4>(Algorithm::winograd, "winograd", "F(4x4, 3x3): tiles of 4x4 outputs, 36 multiplications instead of 144", true),
        winograd_entry<2>(Algorithm::winograd_f2, "winograd_f2", "F(2x2, 3x3): 16 multiplications instead of 36, a third of the error",
                          false),
        winograd_entry<6>(Algorithm::winograd_f6, "winograd_f6", "F(6x6, 3x3): 64 multiplications instead of 324, four times the error",
                          false),
        {Algorithm::naive, "naive", "the definition in double precision, for self-checks", false, serves_everything, naive_cycles,
         naive_packing_cycles},
    };
    return entries;
}

const AlgorithmEntry& entry_of(Algorithm algorithm) {
    for (const AlgorithmEntry& e : algorithms()) {
        if (e.algorithm == algorithm) return e;
    }
    throw std::logic_error("an algorithm without a row in the registry");
}

Decision decide(const Problem& problem, const std::string& wanted) {
    Decision decision;
    decision.wanted = wanted;
    const bool automatic = wanted == "auto" || wanted == "measure";
    bool found = false;
    double least = 0.0;
    std::string names;
    for (const AlgorithmEntry& e : algorithms()) {
        names += std::string(", \"") + e.name + "\"";
        Candidate c{e.algorithm, e.refusal(problem), 0.0};
        if (c.refusal.empty()) {
            c.cycles = e.cycles(problem) + (problem.packing == Packing::every_call ? e.packing_cycles(problem) : 0.0);
        }
        decision.candidates.push_back(c);
        if (!automatic && wanted == e.name) {
            if (!c.refusal.empty()) throw std::invalid_argument("algorithm=\"" + wanted + "\" cannot serve here: " + c.refusal);
            decision.algorithm = e.algorithm;
            found = true;
        }
        if (automatic && e.automatic && c.refusal.empty() && (!found || c.cycles < least)) {
            decision.algorithm = e.algorithm;
            least = c.cycles;
            found = true;
        }
    }
    if (!found) throw std::invalid_argument("algorithm must be one of \"auto\", \"measure\"" + names + "; got \"" + wanted + "\"");
    return decision;
}

}  // namespace npconv

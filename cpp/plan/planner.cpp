// SPDX-License-Identifier: BSD-3-Clause
#include "plan/planner.hpp"

#include <stdexcept>

#include "plan/gemm_costs.hpp"
#include "plan/gemm_tiling.hpp"

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

}  // namespace

const std::vector<AlgorithmEntry>& algorithms() {
    static const std::vector<AlgorithmEntry> entries = {
        {Algorithm::gemm, "gemm", "a register-tiled matrix product, taps and pixels as offsets into the input", true, serves_everything,
         all_gemm_cycles, gemm_packing_cycles},
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
        const Candidate c{e.algorithm, e.refusal(problem),
                          e.cycles(problem) + (problem.packing == Packing::every_call ? e.packing_cycles(problem) : 0.0)};
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

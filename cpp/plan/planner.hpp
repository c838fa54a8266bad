// SPDX-License-Identifier: BSD-3-Clause
// Which algorithm serves a problem. Nothing here touches a tensor.
#pragma once
#include <string>
#include <vector>

#include "plan/problem.hpp"

namespace npconv {

enum class Algorithm { gemm, winograd, winograd_f2, winograd_f6, naive };

// Outputs of a whole tile along an axis; 0: not Winograd's.
constexpr int winograd_whole(Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::winograd: return 4;
        case Algorithm::winograd_f2: return 2;
        case Algorithm::winograd_f6: return 6;
        case Algorithm::gemm:
        case Algorithm::naive: break;
    }
    return 0;
}

// To add an algorithm: a value above, a row in planner.cpp, its words in explain.cpp, its code in algorithms/, called in conv_plan.cpp
// (run, workspace) and packed_weights.cpp (format, packing).
struct AlgorithmEntry {
    Algorithm algorithm;
    const char* name;
    const char* summary;
    bool automatic;                          // may "auto" and "measure" choose it?
    std::string (*refusal)(const Problem&);  // why it cannot serve; empty if it can
    double (*cycles)(const Problem&);        // estimate for one thread, packing not counted
    double (*packing_cycles)(const Problem&);
};

const std::vector<AlgorithmEntry>& algorithms();
const AlgorithmEntry& entry_of(Algorithm algorithm);

struct Candidate {
    Algorithm algorithm;
    std::string refusal;
    double cycles;
    double measured_seconds = 0.0;  // by "measure"; 0: not measured
};

struct Decision {
    Algorithm algorithm = Algorithm::gemm;
    std::string wanted;  // "auto", "measure" or the name that was asked for
    std::vector<Candidate> candidates;
};

// wanted: "auto", "measure" (decided here as auto; the caller times the candidates) or a name.
// std::invalid_argument where the name is unknown or the algorithm cannot serve, with the reason.
Decision decide(const Problem& problem, const std::string& wanted);

}  // namespace npconv

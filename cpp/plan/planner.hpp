// SPDX-License-Identifier: BSD-3-Clause
// Which algorithm serves a problem. Nothing here touches a tensor.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plan/context.hpp"
#include "plan/problem.hpp"
#include "plan/winograd_axes.hpp"
#include "plan/work.hpp"

namespace npconv {

enum class Algorithm { gemm, depthwise, direct, winograd, winograd_f2, winograd_f6, naive };

// To add an algorithm: docs/developing.md.
struct Prospect {
    std::string refusal;  // why it cannot serve; empty if it can
    WorkCounts work;      // else what there is to do,
    WorkCounts packing;   //   and before
    double error = 0.0;   // relative, expected beyond that of a sum, in units of u
};

struct ConvExecution;

struct AlgorithmEntry {
    Algorithm algorithm;
    const char* name;
    const char* summary;
    bool automatic;  // may "auto" and "measure" choose it?
    Prospect (*prospect)(const Problem&, const Context&);
    ConvExecution (*plan)(const Problem&, const Context&);          // of a problem that it serves
    WorkCounts (*least)(const Problem&, const Context&) = nullptr;  // of a plain call, at least: known at once. Null: unknown
    std::optional<WinogradTiles> winograd = {};                     // of Winograd's: which tiles
};

const std::vector<AlgorithmEntry>& algorithms();
const AlgorithmEntry& entry_of(Algorithm algorithm);
inline std::optional<WinogradTiles> winograd_tiles(Algorithm algorithm) { return entry_of(algorithm).winograd; }

// std::invalid_argument where it is neither "auto" nor "measure" nor the name of an algorithm.
void expect_algorithm(const std::string& wanted);

struct Candidate {
    Algorithm algorithm;
    std::string refusal;
    double cycles = 0.0;            // estimated, on one thread
    double error = 0.0;             // as of a prospect
    double measured_seconds = 0.0;  // by "measure"; 0: not measured
};

// An algorithm looked at: what it costs, or why it cannot serve.
Candidate consider(const Problem& problem, const Context& on, Algorithm algorithm);

struct Decision {
    Algorithm algorithm = Algorithm::gemm;
    std::string wanted;                 // "auto", "measure" or the name that was asked for
    std::vector<Candidate> candidates;  // all that "auto" may choose, or the one that was asked for
};

// wanted: "auto", "measure" (decided here as auto; the caller times the candidates) or a name.
// std::invalid_argument where the name is unknown or the algorithm cannot serve, with the reason.
Decision decide(const Problem& problem, const Context& on, const std::string& wanted);

}  // namespace npconv

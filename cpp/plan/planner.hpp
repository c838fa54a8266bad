// SPDX-License-Identifier: BSD-3-Clause
// The choice of an algorithm for a problem. Nothing here touches a tensor.
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
    std::string refusal;  // why the algorithm cannot serve the problem; empty if it can
    WorkCounts work;      // work of a call,
    WorkCounts packing;   //   and of packing
    double error = 0.0;   // expected relative error beyond that of a plain sum, in units of u
};

struct ConvExecution;

struct AlgorithmEntry {
    Algorithm algorithm;
    const char* name;
    const char* summary;
    bool automatic;  // may "auto" and "measure" choose it?
    Prospect (*prospect)(const Problem&, const Context&);
    ConvExecution (*plan)(const Problem&, const Context&);          // the algorithm must serve the problem
    WorkCounts (*least)(const Problem&, const Context&) = nullptr;  // a lower bound for a plain call, quick to compute; null: unknown
    std::optional<WinogradTiles> winograd = {};                     // Winograd's algorithms: which tiles
};

const std::vector<AlgorithmEntry>& algorithms();
const AlgorithmEntry& entry_of(Algorithm algorithm);
inline std::optional<WinogradTiles> winograd_tiles(Algorithm algorithm) { return entry_of(algorithm).winograd; }

// Throws std::invalid_argument unless `wanted` is "auto", "measure" or the name of an algorithm.
void expect_algorithm(const std::string& wanted);

struct Candidate {
    Algorithm algorithm;
    std::string refusal;
    double cycles = 0.0;            // estimated, on one thread
    double error = 0.0;             // as Prospect::error
    double measured_seconds = 0.0;  // by "measure"; 0: not measured
};

// The estimated cost of an algorithm, or why it cannot serve the problem.
Candidate consider(const Problem& problem, const Context& on, Algorithm algorithm);

struct Decision {
    Algorithm algorithm = Algorithm::gemm;
    std::string wanted;                 // "auto", "measure" or a name, as requested
    std::vector<Candidate> candidates;  // all that "auto" may choose, or the requested one
};

// wanted: "auto", "measure" (decided here as "auto"; the caller times the candidates) or a name.
// Throws std::invalid_argument with the reason if the name is unknown or the algorithm cannot serve the problem.
Decision decide(const Problem& problem, const Context& on, const std::string& wanted);

}  // namespace npconv

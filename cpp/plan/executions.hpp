// SPDX-License-Identifier: BSD-3-Clause
// Answers: a problem, what it was planned on, and how one algorithm cuts it. Made once; packing, running and explaining read them, and
// neither decide nor tile.
#pragma once
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "plan/context.hpp"
#include "plan/depthwise_gradient_tiling.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/direct_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/planner.hpp"
#include "plan/problem.hpp"
#include "plan/separable_tiling.hpp"
#include "plan/transposed_tiling.hpp"
#include "plan/weight_gradient_tiling.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

// `on` outlives it.
template <class Tiling>
struct Execution {
    Problem problem;
    const Context* on = nullptr;
    Tiling tiling;

    const KernelTable& kernels() const { return *on->kernels; }
    // All threads of a call or one.
    int threads(int of_call) const { return worthwhile_threads(problem, *on, of_call); }
};

using GemmExecution = Execution<GemmTiling>;
using DepthwiseExecution = Execution<DepthwiseTiling>;
using DirectExecution = Execution<DirectTiling>;
struct NoTiling {};
using NaiveExecution = Execution<NoTiling>;

// Tiles that are left to the GEMM path are computed in `pieces`; where weights cannot be transformed, `whole` computes all.
struct WinogradExecution : Execution<WinogradTiling> {
    GemmExecution pieces, whole;
};

// A convolution by one algorithm. What packed weights depend on is pinned in the problem: another shape, planned with it, can share them.
struct ConvExecution {
    Algorithm algorithm = Algorithm::gemm;
    std::variant<GemmExecution, DepthwiseExecution, DirectExecution, WinogradExecution, NaiveExecution> way;

    const Problem& problem() const {
        return std::visit([](const auto& e) -> const Problem& { return e.problem; }, way);
    }
    const Context& on() const {
        return std::visit([](const auto& e) -> const Context& { return *e.on; }, way);
    }
};

// The blocks of one half, and the pixels of such a block through the other.
struct SeparableExecution {
    int threads = 1;
    SeparableTiling tiling;
    DepthwiseExecution depthwise;
    GemmExecution pointwise;
};

// Of one image. The parts of a problem with several phases: of the GEMM path or of depthwise kernels, those without products left empty.
struct PhasesExecution {
    Problem forward;
    const Context* on = nullptr;
    Phases phases;
    TransposedTiling tiling;
    std::vector<GemmExecution> gemm;
    std::vector<DepthwiseExecution> depthwise;
};

// Depthwise kernels, or the matrix product, of which x and the gradient may have changed places.
struct WeightGradientExecution {
    Problem problem;
    const Context* on = nullptr;
    bool depthwise = false, turned = false;
    Execution<DepthwiseGradientTiling> by_depthwise;
    Execution<WeightGradientTiling> by_product;
};

// By an algorithm that serves the problem.
ConvExecution plan_conv(const Problem& problem, const Context& on, Algorithm algorithm);

// What the rows of planner.cpp name.
ConvExecution plan_conv_by_gemm(const Problem& problem, const Context& on);
ConvExecution plan_conv_by_depthwise(const Problem& problem, const Context& on);
ConvExecution plan_conv_by_direct(const Problem& problem, const Context& on);
ConvExecution plan_conv_by_winograd(const Problem& problem, const Context& on, Algorithm algorithm);
ConvExecution plan_conv_by_naive(const Problem& problem, const Context& on);

GemmExecution plan_gemm(const Problem& problem, const Context& on);
// Pieces of at most pixels_of_piece pixels of a row, and one panel at a time.
GemmExecution plan_gemm_pieces(const Problem& problem, const Context& on);
DepthwiseExecution plan_depthwise(const Problem& problem, const Context& on);
SeparableExecution plan_separable(const SeparableProblem& problem, const Context& on, int threads);
PhasesExecution plan_phases(const Problem& forward, const Context& on, const PhaseWay& way);
WeightGradientExecution plan_weight_gradient(const Problem& problem, const Context& on);

// Of a problem with a free batch: executions among which one needs the most memory. Else the problem's own.
std::vector<ConvExecution> plans_of_most_memory(const ConvExecution& execution);
std::vector<WeightGradientExecution> plans_of_most_memory(const WeightGradientExecution& execution);
std::vector<SeparableExecution> plans_of_most_memory(const SeparableProblem& problem, const Context& on, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Executions: a problem, the context of its plan, and the tiling of one algorithm. They are made once. Packing, running and explaining
// only read them.
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
    // All threads of the call, or one.
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

// A convolution by one algorithm. The problem fixes how weights are packed, so that a plan for another shape can share them.
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

// The depthwise half runs block by block; the pointwise half takes the pixels of each block.
struct SeparableExecution {
    int threads = 1;
    SeparableTiling tiling;
    DepthwiseExecution depthwise;
    GemmExecution pointwise;
};

// A problem with several phases, for one image. Each phase has an execution of the GEMM path or of depthwise kernels; it is empty for a
// phase without products.
struct PhasesExecution {
    Problem forward;
    const Context* on = nullptr;
    Phases phases;
    TransposedTiling tiling;
    std::vector<GemmExecution> gemm;
    std::vector<DepthwiseExecution> depthwise;
};

// Depthwise kernels, or the matrix product. turned: x and the gradient have changed places in the product.
struct WeightGradientExecution {
    Problem problem;
    const Context* on = nullptr;
    bool depthwise = false, turned = false;
    Execution<DepthwiseGradientTiling> by_depthwise;
    Execution<WeightGradientTiling> by_product;
};

// The algorithm must serve the problem.
ConvExecution plan_conv(const Problem& problem, const Context& on, Algorithm algorithm);

// Entries of the table in planner.cpp.
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

// Executions of which one needs the most memory that a call can take. With a fixed batch: the execution itself.
std::vector<ConvExecution> plans_of_most_memory(const ConvExecution& execution);
std::vector<WeightGradientExecution> plans_of_most_memory(const WeightGradientExecution& execution);
std::vector<SeparableExecution> plans_of_most_memory(const SeparableProblem& problem, const Context& on, int threads);

}  // namespace npconv

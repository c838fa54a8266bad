// SPDX-License-Identifier: BSD-3-Clause
// A run with all that it refers to, for algorithms that compute block by block as part of another one.
#pragma once
#include "algorithms/operands.hpp"
#include "plan/problem.hpp"

namespace npconv {

template <class Run, class T, class Tiling, class Arrays>
struct HeldRun {
    Problem problem;
    Operands<T> operands;
    Tiling tiling;
    Arrays workspace;
    Run run;

    HeldRun(const Problem& p, const Operands<T>& io, const Tiling& t, const typename Arrays::Sizes& bytes, int threads)
        : problem(p), operands(io), tiling(t), workspace(bytes, threads), run(problem, tiling, operands, workspace) {}
};

}  // namespace npconv

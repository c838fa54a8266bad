// SPDX-License-Identifier: BSD-3-Clause
// A run with its operands and arrays, for algorithms that compute block by block as part of another one.
#pragma once
#include "algorithms/operands.hpp"

namespace npconv {

template <class Run, class T, class Execution, class Arrays>
struct HeldRun {
    const Execution& execution;  // outlives this
    Operands<T> operands;
    Arrays workspace;
    Run run;

    HeldRun(const Execution& e, const Operands<T>& io, const typename Arrays::Sizes& bytes, int threads)
        : execution(e), operands(io), workspace(bytes, threads), run(e, operands, workspace) {}
};

}  // namespace npconv

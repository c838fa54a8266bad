// SPDX-License-Identifier: BSD-3-Clause
// What an answer depends on beside the problem: the machine, the kernels for it, and what the cutting aims at. Passed in, never asked for
// in the middle, so that a test plans for a machine that it does not have.
#pragma once
#include "core/machine.hpp"
#include "kernels/table.hpp"
#include "plan/limits.hpp"

namespace npconv {

struct Context {
    Machine machine;
    const KernelTable* kernels = nullptr;
    Limits limits;

    int vector_bytes() const { return kernels->vector_bytes; }
    // Of whole vectors.
    int products_per_cycle() const { return machine.core.products_per_cycle(kernels->vector_bytes); }
    bool operator==(const Context&) const = default;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What a plan depends on beside the problem: the machine, its kernels, and the limits of block sizes. It is always an argument, never a
// global, so that a test can plan for a machine that it does not run on.
#pragma once
#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "core/machine.hpp"
#include "kernels/table.hpp"
#include "plan/limits.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct Context {
    Machine machine;
    const KernelEntries* entries = nullptr;  // the planner chooses from these
    const KernelTable* kernels = nullptr;    // the kernels that run; null: not in this build, which can plan but not run
    Limits limits;

    Context() = default;
    Context(const Machine& of, const KernelTable& table, const Limits& aims = {}) : machine(of), limits(aims) { use(table); }
    Context(const Machine& of, const KernelEntries& of_set, const Limits& aims = {}) : machine(of), entries(&of_set), limits(aims) {}
    void use(const KernelTable& table) {
        kernels = &table;
        entries = table.entries;
    }

    // The same context with fixed cache sizes. Choices that may change a result, such as the algorithm, use it, so that they are the same
    // on every machine. Block sizes use the real caches.
    Context for_decisions() const {
        Context usual = *this;
        usual.machine.l1d_bytes = 48 << 10;
        usual.machine.l2_bytes = 2 << 20;
        return usual;
    }

    int vector_bytes() const { return entries->vector_bytes; }
    // Products of whole vectors.
    int products_per_cycle() const { return machine.core.products_per_cycle(entries->vector_bytes); }
    bool operator==(const Context&) const = default;
};

// The first kernel for these types that the machine can run, or null.
template <class Entry, std::size_t N>
const Entry* find_entry(const Entry (&entries)[N], const Types& types, const Machine& machine) {
    const auto serves = [&](const Entry& e) { return e.types == types && machine.has_all(e.features); };
    const Entry* found = std::find_if(std::begin(entries), std::end(entries), serves);
    return found == std::end(entries) ? nullptr : found;
}

inline const PoolEntry& pool_entry_for(DType x, const Context& on) {
    const auto serves = [&](const PoolEntry& e) { return e.x == x && on.machine.has_all(e.features); };
    const auto* found = std::find_if(std::begin(on.entries->pool), std::end(on.entries->pool), serves);
    if (found == std::end(on.entries->pool)) throw std::logic_error("no pooling kernel for the type of x on this machine");
    return *found;
}

template <class Entry, std::size_t N>
const Entry& entry_for(const Entry (&entries)[N], const Problem& p, const Context& on) {
    if (const Entry* found = find_entry(entries, all_of(p.dtype), on.machine)) return *found;
    throw std::logic_error("no kernel for the types of the problem on this machine");
}

}  // namespace npconv

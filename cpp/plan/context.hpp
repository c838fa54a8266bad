// SPDX-License-Identifier: BSD-3-Clause
// What an answer depends on beside the problem: the machine, the kernels for it, and what the cutting aims at. Passed in, never asked for
// in the middle, so that a test plans for a machine that it does not have.
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
    const KernelEntries* entries = nullptr;  // what the planner chooses from
    const KernelTable* kernels = nullptr;    // what runs; null: this build has none, and its answers are only looked at
    Limits limits;

    Context() = default;
    Context(const Machine& of, const KernelTable& table, const Limits& aims = {}) : machine(of), limits(aims) { use(table); }
    Context(const Machine& of, const KernelEntries& of_set, const Limits& aims = {}) : machine(of), entries(&of_set), limits(aims) {}
    void use(const KernelTable& table) {
        kernels = &table;
        entries = table.entries;
    }

    // With the same caches on every machine: by this is decided what a result may depend on, as the algorithm. Blocks are cut by the
    // caches that there are.
    Context for_decisions() const {
        Context usual = *this;
        usual.machine.l1d_bytes = 48 << 10;
        usual.machine.l2_bytes = 2 << 20;
        return usual;
    }

    int vector_bytes() const { return entries->vector_bytes; }
    // Of whole vectors.
    int products_per_cycle() const { return machine.core.products_per_cycle(entries->vector_bytes); }
    bool operator==(const Context&) const = default;
};

// The first kernel for the types that the machine can run; null if there is none.
template <class Entry, std::size_t N>
const Entry* find_entry(const Entry (&entries)[N], const Types& types, const Machine& machine) {
    const auto serves = [&](const Entry& e) { return e.types == types && machine.has_all(e.features); };
    const Entry* found = std::find_if(std::begin(entries), std::end(entries), serves);
    return found == std::end(entries) ? nullptr : found;
}

template <class Entry, std::size_t N>
const Entry& entry_for(const Entry (&entries)[N], const Problem& p, const Context& on) {
    if (const Entry* found = find_entry(entries, all_of(p.dtype), on.machine)) return *found;
    throw std::logic_error("no kernel for the types of the problem on this machine");
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What tests plan on: every kernel set and every kind of core, and random small limits, with which small problems are cut as large ones
// are.
#pragma once
#include <deque>
#include <iterator>
#include <string>

#include "compare.hpp"
#include "core/machine.hpp"
#include "core/types.hpp"
#include "plan/context.hpp"

namespace npconv::test {

// This machine, and whatever it lacks that the kernels need: planning is possible without them.
inline Machine machine_for(const KernelTable& kernels) {
    Machine machine = this_machine();
    machine.features |= kernels.entries->features;
    return machine;
}

// With this machine's core.
inline Context context_of(const KernelTable& kernels) { return {machine_for(kernels), kernels}; }

// All that a planner may meet.
constexpr Core all_cores[] = {core_kinds[0].core, core_kinds[1].core, core_kinds[2].core};
static_assert(std::size(core_kinds) == std::size(all_cores));

// With another core.
inline Context context_with(const Core& core, const KernelTable& kernels) {
    Context on = context_of(kernels);
    on.machine.core = core;
    return on;
}

// f(context, dtype) of every kernel set that was built, float32 and float64, on every kind of core.
template <class F>
void for_each_context_and_dtype(const F& f) {
    for (const KernelSet& set : kernel_sets()) {
        for (const DType dtype : {DType::f32, DType::f64}) {
            for (const Core& core : all_cores) {
                SCOPED_TRACE(std::string(set.table->isa) + " " + name_of(dtype) + ", wide products " + std::to_string(core.wide_products) +
                             (core.far_sighted ? ", far-sighted" : ""));
                f(context_with(core, *set.table), dtype);
            }
        }
    }
}

// Plain calls remember the context of an execution by its address: it lives as long as the process.
inline const Context& kept(const Context& on) {
    static auto& all = *new std::deque<Context>;
    return all.emplace_back(on);
}

// Only the order of the sum stays what it is, so that results must stay the same bit by bit.
inline Limits other_tiles(Random& random) {
    Limits limits;
    GemmLimits& gemm = limits.gemm;
    gemm.pixels_of_block = random.integer(1, 40);
    gemm.pixel_lanes_of_block = random.integer(1, 100);
    gemm.larger_block = random.integer(1, 4);
    gemm.widest_tile = random.integer(1, max_nv);
    gemm.channels_of_chunk = random.integer(1, 80);
    gemm.enough_tasks = random.integer(1, 40);
    gemm.products_of_copy = random.integer(0, 200);
    gemm.often_used = gemm.used_from_afar = gemm.used_aliased = random.integer(0, 40);
    gemm.larger_copy = random.integer(1, 8);
    gemm.bytes_of_copy = random.integer(0, 100'000);
    gemm.bytes_of_weights = random.integer(1, 20'000);
    gemm.macs_of_region = 0;
    return limits;
}

inline Limits small_limits(Random& random) {
    Limits limits = other_tiles(random);
    limits.gemm.k_of_block = random.integer(1, 60);
    limits.gemm.taps_of_block = random.integer(1, 30);
    return limits;
}

}  // namespace npconv::test

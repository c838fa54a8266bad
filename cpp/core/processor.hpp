// SPDX-License-Identifier: BSD-3-Clause
// What a processor core does with its vectors beyond what its instruction set tells. The best tiles depend on it, results never do.
#pragma once
#include <string>

namespace npconv {

struct Core {
    // Multiplications of 64-byte vectors that begin in a cycle: one on Zen 4, whose units are half as wide, and two on Zen 5 and on the
    // servers of Intel. Of narrower vectors two begin everywhere.
    int wide_products = 1;
    // Does it look so far ahead that weights and pixels arrive from the second-level cache before they are wanted? Of the cores with two
    // wide products a cycle Zen 5 does, Granite Rapids does not.
    bool far_sighted = false;

    bool operator==(const Core&) const = default;
    int products_per_cycle(int vector_bytes) const { return vector_bytes >= 64 ? wide_products : 2; }
};

// The kinds that are known. "narrow": Zen 4 and older, and whatever is unknown; "wide": Intel's servers; "far-sighted": Zen 5.
struct CoreKind {
    const char* name;
    Core core;
};
constexpr CoreKind core_kinds[] = {{"narrow", {1, false}}, {"wide", {2, false}}, {"far-sighted", {2, true}}};

// The core that this process runs on.
const Core& this_core();
const char* name_of(const Core& core);
// std::invalid_argument, listing the kinds, where there is none of the name.
Core core_of_kind(const std::string& kind);

}  // namespace npconv

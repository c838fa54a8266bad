// SPDX-License-Identifier: BSD-3-Clause
// The properties of a machine that plans depend on: features, registers, units and caches. Results never depend on the caches.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/features.hpp"

namespace npconv {

// Properties of a core that its instruction set does not tell.
struct Core {
    // Multiplications of 64-byte vectors that begin in a cycle: one on Zen 4, whose units are half as wide; two on Zen 5 and on Intel's
    // servers. With narrower vectors, two begin on every core.
    int wide_products = 1;
    // Does the core look so far ahead that weights and pixels arrive from the second-level cache before they are needed? Of the cores with
    // two wide products a cycle, Zen 5 does, Granite Rapids does not.
    bool far_sighted = false;

    bool operator==(const Core&) const = default;
    int products_per_cycle(int vector_bytes) const { return vector_bytes >= 64 ? wide_products : 2; }
};

// The known kinds of cores. "narrow": Zen 4 and older, and unknown cores; "wide": Intel's servers; "far-sighted": Zen 5.
struct CoreKind {
    const char* name;
    Core core;
};
constexpr CoreKind core_kinds[] = {{"narrow", {1, false}}, {"wide", {2, false}}, {"far-sighted", {2, true}}};

// Cache sizes are those that one core sees. If the system does not report a value, as on many virtual machines, the default is that of a
// small machine.
struct Machine {
    Core core;
    unsigned features = 0;
    int vector_registers = 16;
    std::int64_t l1d_bytes = 32 << 10;
    std::int64_t l2_bytes = 512 << 10;
    std::int64_t l3_bytes = 8 << 20;  // 0: no third-level cache
    std::int64_t line_bytes = 64;
    std::int64_t page_bytes = 4096;

    bool operator==(const Machine&) const = default;
    bool has(Feature feature) const { return has_all(bit(feature)); }
    bool has_all(unsigned wanted) const { return (features & wanted) == wanted; }
};

// The machine that this process runs on; detected once.
const Machine& this_machine();

// Machines to plan for without having them. Sources: the makers' optimisation guides.
struct MachinePreset {
    const char* name;
    Machine machine;
};
const std::vector<MachinePreset>& machine_presets();

std::vector<std::string> names_of_features(const Machine& machine);
const char* name_of(const Core& core);
// Throws std::invalid_argument, listing the kinds, if `kind` is unknown.
Core core_of_kind(const std::string& kind);

}  // namespace npconv

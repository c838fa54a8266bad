// SPDX-License-Identifier: BSD-3-Clause
#include "core/processor.hpp"

#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>

#include <array>
#include <cstring>
#endif

namespace npconv {
namespace {

#if defined(__x86_64__)
// No register tells how wide the units are; makers and families do. (Intel's small processors with AVX-512 have one unit: they lose little
// by the tiles of two.)
Core find_core() {
    std::array<unsigned, 4> r{};  // eax, ebx, ecx, edx
    if (!__get_cpuid(0, &r[0], &r[1], &r[2], &r[3])) return {};
    std::array<char, 12> maker{};
    std::memcpy(maker.data(), &r[1], 4);
    std::memcpy(maker.data() + 4, &r[3], 4);
    std::memcpy(maker.data() + 8, &r[2], 4);
    const std::string name(maker.data(), maker.size());
    if (!__get_cpuid(1, &r[0], &r[1], &r[2], &r[3])) return {};
    const unsigned family = (r[0] >> 8 & 0xF) + (r[0] >> 20 & 0xFF);
    constexpr unsigned zen5 = 0x1A;
    const bool wide_amd = name == "AuthenticAMD" && family >= zen5;
    return {name == "GenuineIntel" || wide_amd ? 2 : 1, wide_amd};
}
#else
Core find_core() { return {}; }
#endif

}  // namespace

const Core& this_core() {
    static const Core core = find_core();
    return core;
}

const char* name_of(const Core& core) {
    for (const CoreKind& kind : core_kinds) {
        if (kind.core == core) return kind.name;
    }
    throw std::logic_error("a core of no known kind");
}

Core core_of_kind(const std::string& kind) {
    std::string names;
    for (const CoreKind& known : core_kinds) {
        if (kind == known.name) return known.core;
        names += (names.empty() ? "\"" : ", \"") + std::string(known.name) + "\"";
    }
    throw std::invalid_argument("the kind of core must be one of " + names + "; got \"" + kind + "\"");
}

}  // namespace npconv

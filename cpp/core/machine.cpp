// SPDX-License-Identifier: BSD-3-Clause
#include "core/machine.hpp"

#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

namespace npconv {
namespace {

constexpr std::pair<Feature, const char*> feature_names[] = {
    {Feature::avx2, "avx2"},
    {Feature::avx512, "avx512"},
    {Feature::avx512_vnni, "avx512_vnni"},
    {Feature::avx_vnni, "avx_vnni"},
    {Feature::avx512_bf16, "avx512_bf16"},
    {Feature::amx_int8, "amx_int8"},
    {Feature::neon, "neon"},
    {Feature::dotprod, "dotprod"},
    {Feature::i8mm, "i8mm"},
    {Feature::bf16, "bf16"},
    {Feature::sve, "sve"},
};

// A level of the caches as the system tells it, 0 where it does not.
std::int64_t told(int name) {
    const long n = name < 0 ? 0 : sysconf(name);
    return n > 0 ? n : 0;
}

void set_cache(Machine& m, unsigned level, bool of_data, std::int64_t bytes) {
    if (bytes <= 0) return;
    if (level == 1 && of_data) m.l1d_bytes = bytes;
    if (level == 2) m.l2_bytes = bytes;
    if (level == 3) m.l3_bytes = bytes;
}

#if defined(__x86_64__)
using Registers = std::array<unsigned, 4>;  // eax, ebx, ecx, edx

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
    Registers r{};
    if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return {};
    return r;
}

std::string maker() {
    const Registers r = cpuid(0);
    std::array<char, 12> name{};
    std::memcpy(name.data(), &r[1], 4);
    std::memcpy(name.data() + 4, &r[3], 4);
    std::memcpy(name.data() + 8, &r[2], 4);
    return {name.data(), name.size()};
}

// No register tells how wide the units are; makers and families do. (Intel's small processors with AVX-512 have one unit: they lose little
// by the tiles of two.)
Core find_core() {
    const unsigned eax = cpuid(1)[0], family = (eax >> 8 & 0xF) + (eax >> 20 & 0xFF);
    constexpr unsigned zen5 = 0x1A;
    const bool wide_amd = maker() == "AuthenticAMD" && family >= zen5;
    return {maker() == "GenuineIntel" || wide_amd ? 2 : 1, wide_amd};
}

// The leaves that list the caches one by one: Intel's, and AMD's of the same form.
void find_caches(Machine& m) {
    const unsigned leaf = maker() == "AuthenticAMD" ? 0x8000001D : 4;
    for (unsigned i = 0; i < 16; ++i) {
        const Registers r = cpuid(leaf, i);
        const unsigned kind = r[0] & 0x1F, level = r[0] >> 5 & 7;
        constexpr unsigned none = 0, code = 2;
        if (kind == none) break;
        const std::int64_t line = (r[1] & 0xFFF) + 1, partitions = (r[1] >> 12 & 0x3FF) + 1, ways = (r[1] >> 22 & 0x3FF) + 1,
                           sets = static_cast<std::int64_t>(r[2]) + 1;
        set_cache(m, level, kind != code, line * partitions * ways * sets);
        if (level == 1 && kind != code) m.line_bytes = line;
    }
}

unsigned find_features() {
    __builtin_cpu_init();  // cpu_supports also asks whether the operating system saves the registers
    unsigned found = 0;
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    const Registers of_7 = cpuid(7), of_7_1 = of_7[0] >= 1 ? cpuid(7, 1) : Registers{};
    if (avx2) found |= bit(Feature::avx2);
    if (avx2 && (of_7_1[0] >> 4 & 1)) found |= bit(Feature::avx_vnni);
    if (!avx512) return found;
    found |= bit(Feature::avx512);
    if (of_7[2] >> 11 & 1) found |= bit(Feature::avx512_vnni);
    if (of_7_1[0] >> 5 & 1) found |= bit(Feature::avx512_bf16);
    if (of_7[3] >> 25 & 1) found |= bit(Feature::amx_int8);
    return found;
}
#else
Core find_core() { return {}; }

// As Linux lists them; elsewhere the defaults stand.
void find_caches(Machine& m) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index";
    for (int i = 0; i < 8; ++i) {
        const std::string of = folder + std::to_string(i) + "/";
        unsigned level = 0;
        std::string kind, size;
        if (!(std::ifstream(of + "level") >> level) || !(std::ifstream(of + "type") >> kind) || !(std::ifstream(of + "size") >> size))
            break;
        std::int64_t bytes = std::atoll(size.c_str());
        if (!size.empty() && size.back() == 'K') bytes <<= 10;
        if (!size.empty() && size.back() == 'M') bytes <<= 20;
        set_cache(m, level, kind != "Instruction", bytes);
        std::int64_t line = 0;
        if (level == 1 && std::ifstream(of + "coherency_line_size") >> line && line > 0) m.line_bytes = line;
    }
}

unsigned find_features() {
    unsigned found = bit(Feature::neon);
#if defined(__linux__)
    const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    if (first >> 20 & 1) found |= bit(Feature::dotprod);
    if (first >> 22 & 1) found |= bit(Feature::sve);
    if (second >> 13 & 1) found |= bit(Feature::i8mm);
    if (second >> 14 & 1) found |= bit(Feature::bf16);
#endif
    return found;
}
#endif

Machine find_machine() {
    Machine m;
    m.core = find_core();
    m.features = find_features();
    m.vector_registers = m.has(Feature::avx512) || m.has(Feature::neon) ? 32 : 16;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    set_cache(m, 1, true, told(_SC_LEVEL1_DCACHE_SIZE));
    set_cache(m, 2, true, told(_SC_LEVEL2_CACHE_SIZE));
    set_cache(m, 3, true, told(_SC_LEVEL3_CACHE_SIZE));
#endif
    find_caches(m);
    if (const std::int64_t page = told(_SC_PAGESIZE)) m.page_bytes = page;
    return m;
}

}  // namespace

const Machine& this_machine() {
    static const Machine machine = find_machine();
    return machine;
}

const std::vector<MachinePreset>& machine_presets() {
    constexpr std::int64_t kb = 1 << 10, mb = 1 << 20;
    constexpr unsigned avx2 = bit(Feature::avx2), avx512 = avx2 | bit(Feature::avx512), vnni = avx512 | bit(Feature::avx512_vnni);
    constexpr unsigned neon = bit(Feature::neon), arm = neon | bit(Feature::dotprod) | bit(Feature::i8mm) | bit(Feature::bf16);
    static const auto& presets = *new const std::vector<MachinePreset>{
        {"zen3", {{1, false}, avx2, 16, 32 * kb, 512 * kb, 32 * mb, 64, 4096}},
        {"zen4", {{1, false}, vnni | bit(Feature::avx512_bf16), 32, 32 * kb, mb, 32 * mb, 64, 4096}},
        {"zen5", {{2, true}, vnni | bit(Feature::avx512_bf16) | bit(Feature::avx_vnni), 32, 48 * kb, mb, 32 * mb, 64, 4096}},
        {"granite_rapids",
         {{2, false},
          vnni | bit(Feature::avx512_bf16) | bit(Feature::avx_vnni) | bit(Feature::amx_int8),
          32,
          48 * kb,
          2 * mb,
          168 * mb,
          64,
          4096}},
        {"intel_client", {{2, false}, avx2 | bit(Feature::avx_vnni), 16, 48 * kb, 2 * mb, 30 * mb, 64, 4096}},
        {"apple_m2", {{1, false}, arm, 32, 128 * kb, 16 * mb, 0, 128, 16384}},
        {"graviton3", {{1, false}, arm | bit(Feature::sve), 32, 64 * kb, mb, 32 * mb, 64, 4096}},
    };
    return presets;
}

std::vector<std::string> names_of_features(const Machine& machine) {
    std::vector<std::string> names;
    for (const auto& [feature, name] : feature_names) {
        if (machine.has(feature)) names.emplace_back(name);
    }
    return names;
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

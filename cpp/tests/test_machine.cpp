// SPDX-License-Identifier: BSD-3-Clause
// What is taken to be known of the core, against what the operating system tells of its maker and family.
#include "core/machine.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>

#include "kernels/registry.hpp"

namespace npconv::test {
namespace {

// The value of a line "name : value" of /proc/cpuinfo, or nothing.
std::string cpuinfo(const std::string& name) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(name, 0) == 0 && line.find_first_not_of(" \t", name.size()) == line.find(':')) {
            return line.substr(line.find(':') + 2);
        }
    }
    return "";
}

TEST(Processor, NarrowVectorsTwoACycle) {
    for (const int wide : {1, 2}) {
        const Core core{wide};
        EXPECT_EQ(core.products_per_cycle(64), wide);
        EXPECT_EQ(core.products_per_cycle(32), 2);
        EXPECT_EQ(core.products_per_cycle(16), 2);
    }
}

TEST(Processor, EachKindHasAName) {
    for (const CoreKind& kind : core_kinds) {
        EXPECT_EQ(core_of_kind(kind.name), kind.core);
        EXPECT_STREQ(name_of(core_of_kind(kind.name)), kind.name);
    }
    for (const std::string unknown : {"square", "", "Wide"}) {
        try {
            core_of_kind(unknown);
            ADD_FAILURE() << unknown << " was accepted";
        } catch (const std::invalid_argument& e) {
            EXPECT_EQ(e.what(), "the kind of core must be one of \"narrow\", \"wide\", \"far-sighted\"; got \"" + unknown + "\"");
        }
    }
    EXPECT_EQ(core_of_kind(name_of(this_machine().core)), this_machine().core) << "this machine's is of a known kind";
}

// What plans may count on, whatever the machine tells.
void expect_sane(const Machine& m) {
    EXPECT_GE(m.l1d_bytes, 8 << 10);
    EXPECT_LE(m.l1d_bytes, m.l2_bytes);
    EXPECT_GE(m.l3_bytes, 0);
    EXPECT_EQ(m.line_bytes & (m.line_bytes - 1), 0) << m.line_bytes;
    EXPECT_EQ(m.page_bytes & (m.page_bytes - 1), 0) << m.page_bytes;
    EXPECT_TRUE(m.vector_registers == 16 || m.vector_registers == 32) << m.vector_registers;
    EXPECT_FALSE(m.has(Feature::avx512) && !m.has(Feature::avx2));
    EXPECT_FALSE(m.has(Feature::neon) && m.has(Feature::avx2));
}

TEST(Machine, PresetsAreSane) {
    std::set<std::string> names;
    for (const MachinePreset& preset : machine_presets()) {
        SCOPED_TRACE(preset.name);
        expect_sane(preset.machine);
        EXPECT_FALSE(names_of_features(preset.machine).empty());
        names.insert(preset.name);
    }
    EXPECT_EQ(names, (std::set<std::string>{"zen3", "zen4", "zen5", "granite_rapids", "intel_client", "apple_m2", "graviton3"}));
}

TEST(Machine, ThisOneIsSane) {
    expect_sane(this_machine());
    EXPECT_EQ(&this_machine(), &this_machine()) << "asked once";
    for (const KernelSet& set : kernel_sets()) {
        if (std::string(set.table->isa) == "avx2") {
            EXPECT_EQ(set.available, this_machine().has(Feature::avx2));
        }
        if (std::string(set.table->isa) == "avx512") {
            EXPECT_EQ(set.available, this_machine().has(Feature::avx512));
        }
    }
}

TEST(Processor, IsOfThisMachine) {
#if !defined(__x86_64__)
    GTEST_SKIP() << "no x86, though an emulator may show the x86 that it runs on";
#endif
    const int wide = this_machine().core.wide_products;
    EXPECT_TRUE(wide == 1 || wide == 2) << wide;
    const std::string maker = cpuinfo("vendor_id"), family = cpuinfo("cpu family");
    if (std::getenv("NPCONV_EXPECTED_ISAS") || maker.empty() || family.empty()) GTEST_SKIP() << "emulated, or no x86";
    const bool two = maker == "GenuineIntel" || (maker == "AuthenticAMD" && std::stoi(family) >= 26);
    EXPECT_EQ(wide, two ? 2 : 1) << maker << " " << family;
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// What is taken to be known of the core, against what the operating system tells of its maker and family.
#include "core/processor.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "plan/problem.hpp"

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

// What is planned while a kind is pretended is planned for it; a plain call remembers no other's choice.
TEST(Processor, PretendsToBeEachKind) {
    const Core real = this_core();
    for (const CoreKind& kind : core_kinds) {
        pretend_core(kind.name);
        EXPECT_EQ(this_core(), kind.core);
        EXPECT_STREQ(name_of(this_core()), kind.name);
        EXPECT_EQ(Problem().core, kind.core);
    }
    EXPECT_THROW(pretend_core("square"), std::invalid_argument);
    EXPECT_EQ(this_core(), core_kinds[std::size(core_kinds) - 1].core) << "as before the error";
    pretend_core("");
    EXPECT_EQ(this_core(), real);
}

TEST(Processor, IsOfThisMachine) {
#if !defined(__x86_64__)
    GTEST_SKIP() << "no x86, though an emulator may show the x86 that it runs on";
#endif
    const int wide = this_core().wide_products;
    EXPECT_TRUE(wide == 1 || wide == 2) << wide;
    const std::string maker = cpuinfo("vendor_id"), family = cpuinfo("cpu family");
    if (std::getenv("NPCONV_EXPECTED_ISAS") || maker.empty() || family.empty()) GTEST_SKIP() << "emulated, or no x86";
    const bool two = maker == "GenuineIntel" || (maker == "AuthenticAMD" && std::stoi(family) >= 26);
    EXPECT_EQ(wide, two ? 2 : 1) << maker << " " << family;
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// Which kernel sets there are, which this machine has, and the choice among them. The run under an emulated old processor says in
// NPCONV_EXPECTED_ISAS what must be found there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/registry.hpp"

namespace npconv::test {
namespace {

std::string available_names(const char* quote) {
    std::string names;
    for (const KernelSet& set : kernel_sets()) {
        if (set.available) names += (names.empty() ? "" : ", ") + (quote + std::string(set.table->isa) + quote);
    }
    return names;
}

TEST(Registry, FindsWhatTheMachineHas) {
    std::printf("kernel sets: %s\n", available_names("").c_str());
    EXPECT_TRUE(kernel_sets().back().available) << "the last set is the one that always runs";
    for (std::size_t i = 1; i < kernel_sets().size(); ++i) {
        EXPECT_LE(kernel_sets()[i].table->entries->vector_bytes, kernel_sets()[i - 1].table->entries->vector_bytes)
            << "the best comes first";
    }
    const char* expected = std::getenv("NPCONV_EXPECTED_ISAS");
    EXPECT_EQ(available_names(""), expected ? expected : available_names(""));
}

TEST(Registry, FindsTheBestAndEachByName) {
    const KernelTable* best = nullptr;
    for (const KernelSet& set : kernel_sets()) {
        if (set.available && !best) best = set.table;
    }
    EXPECT_EQ(&best_kernels(), best);
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        EXPECT_EQ(&kernels_of_isa(set.table->isa), set.table);
    }
}

TEST(Registry, RefusesWhatIsUnknownOrUnavailable) {
    std::string refused[] = {"", "sse9", "AVX2"};
    for (const std::string& name : refused) {
        try {
            kernels_of_isa(name);
            ADD_FAILURE() << name << " was accepted";
        } catch (const std::invalid_argument& e) {
            EXPECT_EQ(e.what(), "the instruction set (NPCONV_ISA) must be one that this machine has, " + available_names("\"") +
                                    "; got \"" + name + "\"");
        }
    }
    for (const KernelSet& set : kernel_sets()) {
        if (set.available) continue;
        EXPECT_THROW(kernels_of_isa(set.table->isa), std::invalid_argument) << set.table->isa;
    }
}

}  // namespace
}  // namespace npconv::test

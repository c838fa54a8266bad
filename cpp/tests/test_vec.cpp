// SPDX-License-Identifier: BSD-3-Clause
// Runs the tests of Vec (vec_tests.inl) of every instruction set that this machine has.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guarded.hpp"
#include "kernels/registry.hpp"
#include "vec_tests.hpp"

namespace npconv::test {
namespace {

const std::vector<const VecTests*>& all_vec_tests() {
#if defined(__x86_64__)
    static const std::vector<const VecTests*> all = {&vec_tests_avx512, &vec_tests_avx2, &vec_tests_baseline};
#else
    static const std::vector<const VecTests*> all = {&vec_tests_neon};
#endif
    return all;
}

TEST(Vec, EveryInstructionSetOfThisMachine) {
    constexpr std::int64_t page = 4096;
    const GuardScope off(GuardPages::off);
    set_guard_pages(GuardPages::before);
    const Buffer low(page);
    set_guard_pages(GuardPages::after);
    const Buffer high(page);
    int failures = 0;
    const auto fail = [](void* sink, const char* what, int lane, double got, double expected) {
        if (++*static_cast<int*>(sink) <= 20) ADD_FAILURE() << what << ", lane " << lane << ": " << got << ", expected " << expected;
    };
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        int run = 0;
        for (const VecTests* tests : all_vec_tests()) {
            if (std::string(tests->isa) != set.table->isa) continue;
            for (int i = 0; i < tests->count; ++i, ++run) {
                SCOPED_TRACE(std::string(tests->isa) + " " + tests->test[i].name);
                tests->test[i].run({&failures, fail, low.as<char>(), high.as<char>() + page});
            }
        }
        EXPECT_GE(run, 13) << "no tests of Vec for " << set.table->isa;
    }
    EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <stdexcept>

#include "limits.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/plain_calls.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

// What is remembered is what would be decided anew, whatever changes between two calls.
TEST(PlainCalls, RememberWhatWasDecided) {
    Random random(5);
    for_each_table_and_dtype([&](const KernelTable& table, DType dtype) {
        for (int round = 0; round < 100; ++round) {
            ConvRequest r = anything_small(random, 40);
            r.dtype = dtype;
            SCOPED_TRACE(text_of(r));
            Problem p = problem_of(r, table);
            p.packing = Packing::every_call;
            const auto check = [&](const char* wanted) {
                const PlainChoice choice = choose_for_call(p, wanted);
                if (!p.shape.empty()) {
                    EXPECT_EQ(choice.lane, tile_gemm(p).lane);
                }
                Problem with_lane = p;
                with_lane.lane = choice.lane;
                EXPECT_EQ(choice.algorithm, decide(with_lane, wanted).algorithm);
            };
            check("auto");
            const std::int64_t before = choices_found_again();
            check("auto");
            EXPECT_EQ(choices_found_again(), before + 1);
            check("naive");
            TilingLimits limits = tiling_limits();
            limits.lane = Lane::channel;
            {
                const LimitsScope scope(limits);
                check("auto");
            }
            check("auto");
            p.layout = p.layout == Layout::channels_first ? Layout::channels_last : Layout::channels_first;
            check("auto");
        }
    });
    EXPECT_THROW(choose_for_call(problem_of(image(14, 14, 24, 96, 1), *kernel_sets().back().table), "winograd"), std::invalid_argument);
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

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

// More problems than are remembered, from several threads at once.
TEST(PlainCalls, AreRightFromManyThreads) {
    std::vector<Problem> problems;
    std::vector<Algorithm> expected;
    for (std::int64_t channels = 1; channels <= 150; ++channels) {
        problems.push_back(problem_of(image(20, 20, channels, 2 * channels, 3), *kernel_sets().back().table));
        problems.back().packing = Packing::every_call;
        Problem with_lane = problems.back();
        with_lane.lane = tile_gemm(with_lane).lane;
        expected.push_back(decide(with_lane, "auto").algorithm);
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (std::size_t first = 0; first < 4; ++first) {
        threads.emplace_back([&, first] {
            for (std::size_t n = 0; n < 20 * problems.size(); ++n) {
                const std::size_t i = (first * 37 + n) % problems.size();
                wrong += choose_for_call(problems[i], "auto").algorithm != expected[i];
            }
        });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
}

// An algorithm that is not looked at, because it needs longer at least than the best so far, does need so long.
TEST(PlainCalls, WhatIsNotLookedAtIsSlower) {
    Random random(8);
    int compared = 0;
    for_each_table_and_dtype([&](const KernelTable& table, DType dtype) {
        for (int round = 0; round < 300; ++round) {
            ConvRequest r = anything_small(random, 60);
            r.dtype = dtype;
            Problem p = problem_of(r, table);
            p.packing = Packing::every_call;
            for (const AlgorithmEntry& e : algorithms()) {
                if (!e.least) continue;
                const Candidate c = consider(p, e.algorithm);
                if (!c.refusal.empty() || p.shape.empty()) continue;
                EXPECT_LE(cycles_of(e.least(p), p.core, table.vector_bytes), c.cycles) << text_of(r);
                ++compared;
            }
        }
    });
    EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "algorithms/plain_calls.hpp"
#include "contexts.hpp"
#include "plan/gemm_tiling.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

// What is remembered is what would be decided anew, whatever changes between two calls.
TEST(PlainCalls, RememberWhatWasDecided) {
    Random random(5);
    for_each_context_and_dtype([&](const Context& context, DType dtype) {
        const Context& on = kept(context);
        Context by_channel = on;
        by_channel.limits.gemm.lane = Lane::channel;
        const Context& other = kept(by_channel);
        Context elsewhere = on;
        elsewhere.machine.core = on.machine.core == all_cores[0] ? all_cores[1] : all_cores[0];
        const Context& other_core = kept(elsewhere);
        for (int round = 0; round < 100; ++round) {
            ConvRequest r = anything_small(random, 40);
            r.dtype = dtype;
            SCOPED_TRACE(text_of(r));
            Problem p = problem_of(r);
            p.packing = Packing::every_call;
            const auto check = [&](const Context& asked, const char* wanted) {
                const std::shared_ptr<const ConvExecution> execution = execution_for_call(p, asked, wanted);
                EXPECT_EQ(&execution->on(), &asked);
                Problem with_lane = p;
                if (!p.shape.empty()) {
                    with_lane.packed_as.lane = tile_gemm(p, asked).lane;
                    EXPECT_EQ(execution->problem().packed_as.lane, with_lane.packed_as.lane);
                }
                EXPECT_EQ(execution->algorithm, decide(with_lane, asked, wanted).algorithm);
            };
            check(on, "auto");
            const std::int64_t before = executions_found_again();
            check(on, "auto");
            EXPECT_EQ(executions_found_again(), before + 1);
            check(on, "naive");
            check(other, "auto");
            check(other_core, "auto");
            check(on, "auto");
            p.layout = p.layout == Layout::channels_first ? Layout::channels_last : Layout::channels_first;
            check(on, "auto");
        }
    });
    const Context& on = kept(context_of(*kernel_sets().back().table));
    EXPECT_THROW(execution_for_call(problem_of(image(14, 14, 24, 96, 1)), on, "winograd"), std::invalid_argument);
}

// More problems than are remembered, from several threads at once.
TEST(PlainCalls, AreRightFromManyThreads) {
    const Context& on = kept(context_of(*kernel_sets().back().table));
    std::vector<Problem> problems;
    std::vector<Algorithm> expected;
    for (std::int64_t channels = 1; channels <= 150; ++channels) {
        problems.push_back(problem_of(image(20, 20, channels, 2 * channels, 3)));
        problems.back().packing = Packing::every_call;
        Problem with_lane = problems.back();
        with_lane.packed_as.lane = tile_gemm(with_lane, on).lane;
        expected.push_back(decide(with_lane, on, "auto").algorithm);
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (std::size_t first = 0; first < 4; ++first) {
        threads.emplace_back([&, first] {
            for (std::size_t n = 0; n < 20 * problems.size(); ++n) {
                const std::size_t i = (first * 37 + n) % problems.size();
                const auto execution = execution_for_call(problems[i], on, "auto");
                wrong += execution->algorithm != expected[i] || execution->problem().shape != problems[i].shape;
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
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (int round = 0; round < 300; ++round) {
            ConvRequest r = anything_small(random, 60);
            r.dtype = dtype;
            Problem p = problem_of(r);
            p.packing = Packing::every_call;
            for (const AlgorithmEntry& e : algorithms()) {
                if (!e.least) continue;
                const Candidate c = consider(p, on, e.algorithm);
                if (!c.refusal.empty() || p.shape.empty()) continue;
                EXPECT_LE(cycles_of(e.least(p, on), on.machine.core, on.vector_bytes()), c.cycles) << text_of(r);
                ++compared;
            }
        }
    });
    EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// How the direct convolution cuts problems up: blocks cover the map once, nothing is larger than told, and it refuses what it cannot serve.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "algorithms/convolution.hpp"
#include "contexts.hpp"
#include "plan/direct_tiling.hpp"
#include "plan/executions.hpp"

namespace npconv::test {
namespace {

Axis axis(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t dilation, std::int64_t pad) {
    Axis a{input, 1, kernel, stride, dilation, pad, pad};
    const std::int64_t left = input + 2 * pad - (kernel - 1) * dilation - 1;
    a.output = left < 0 ? 0 : left / stride + 1;
    return a;
}

Problem random_problem(Random& random) {
    const auto pick = [&](std::vector<std::int64_t> of) {
        return of[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(of.size()) - 1))];
    };
    Problem p;
    p.dtype = random.integer(0, 1) ? DType::f32 : DType::f64;
    p.layout = random.integer(0, 1) ? Layout::channels_last : Layout::channels_first;
    p.border = random.integer(0, 1) ? Border::zeros : Border::reflect;
    p.shape.batch = random.integer(1, 4);
    p.shape.groups = pick({1, 1, 2, 32});
    p.shape.in_channels = pick({1, 1, 3, 8, 64, 700});
    p.shape.out_channels = random.integer(1, max_direct_channels);
    for (std::size_t a = random.integer(0, 3) ? 1 : 0; a < 3; ++a) {
        p.shape.axis[a] = axis(pick({1, 2, 7, 28, 57, 256, 2050}), pick({1, 1, 3, 5, 31}), pick({1, 1, 2, 5}), pick({1, 1, 2, 12, 100}),
                               pick({0, 1, 3, 40}));
    }
    if (random.integer(0, 4) == 0) p.shape.axis[2] = axis(480'000, pick({1, 33, 129, 1024, 5000}), 1, 1, pick({0, 64}));
    return p;
}

Context context_of_round(int i) { return context_of(*kernel_sets()[static_cast<std::size_t>(i) % kernel_sets().size()].table); }

TEST(DirectTiling, BlocksCoverTheMapOnceAndAreNoLargerThanTold) {
    Random random(1);
    int served = 0;
    for (int i = 0; i < 3000; ++i) {
        const Problem p = random_problem(random);
        Context on = context_of_round(i);
        if (i % 3 == 0) {
            DirectLimits& small = on.limits.direct;
            small.macs_of_block = small.columns_of_block = small.enough_tasks = small.channels_of_chunk = small.vectors_in_place = 1;
            small.bytes_of_copy = small.bytes_of_sums = 2048;
        }
        DirectTiling t;
        const std::string refusal = direct_refusal(p, on, &t);
        if (!refusal.empty() || p.shape.empty()) continue;
        if (t.blocks_of_map() > 5000) continue;  // to look at them all takes too long
        ++served;
        EXPECT_EQ(t.tasks, p.shape.batch * p.shape.groups * t.blocks_of_map());
        const auto longest = t.longest_block();
        std::int64_t pixels = 0;
        std::array<std::int64_t, 3> end{};
        for (std::int64_t b = 0; b < t.blocks_of_map(); ++b) {
            const Box box = t.block(b);
            pixels += box.pixels();
            for (std::size_t a = 0; a < 3; ++a) {
                ASSERT_TRUE(box.length(a) > 0 && box.length(a) <= longest[a]);
                end[a] = std::max(end[a], box.end[a]);
            }
            ASSERT_TRUE(b == t.blocks_of_map() - 1 || box.end[2] == t.map[2] || box.end[2] == t.block(b + 1).begin[2]);
        }
        EXPECT_EQ(pixels, p.shape.pixels());
        EXPECT_EQ(end, t.map);
        EXPECT_EQ(t.chunks.n, p.shape.in_channels);
    }
    EXPECT_GT(served, 1000);
}

TEST(DirectTiling, WorkspaceIsSmallAndThatOfAFreeBatchBoundsEveryBatch) {
    Random random(2);
    for (int i = 0; i < 1000; ++i) {
        Problem p = random_problem(random);
        const Context on = context_of_round(i);
        if (!direct_refusal(p, on).empty() || p.shape.empty()) continue;
        p.shape.batch = 1;
        p.free_batch = true;
        const auto bytes = [](const ConvExecution& execution) { return workspace_bytes(execution, 1.0, 3); };
        std::int64_t most = 0;
        for (const ConvExecution& e : plans_of_most_memory(plan_conv_by_direct(p, on))) most = std::max(most, bytes(e));
        EXPECT_LE(most, std::int64_t{3} * (6 << 20));
        p.free_batch = false;
        for (p.shape.batch = 0; p.shape.batch <= 40; p.shape.batch += 1 + p.shape.batch / 3) {
            ASSERT_LE(bytes(plan_conv_by_direct(p, on)), most);
        }
    }
}

TEST(DirectTiling, CostsAreFiniteAndGrow) {
    for (const KernelSet& set : kernel_sets()) {
        double before = 0.0;
        for (const std::int64_t size : {20, 50, 200, 1000}) {
            Problem p;
            p.shape.in_channels = 4;
            p.shape.out_channels = 3;
            p.shape.axis[1] = p.shape.axis[2] = axis(size, 5, 1, 1, 2);
            const Candidate c = consider(p, context_of(*set.table), Algorithm::direct);
            EXPECT_TRUE(c.refusal.empty() && std::isfinite(c.cycles));
            EXPECT_GT(c.cycles, before);
            before = c.cycles;
        }
    }
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// Executions: the tilings that they hold are those of the problem, what weights are packed for is pinned in them, and memory that is told
// for a free batch is enough for every batch.
#include "plan/executions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/convolution.hpp"
#include "algorithms/weight_gradient.hpp"
#include "contexts.hpp"
#include "plan/sections.hpp"
#include "shapes.hpp"
#include "strided.hpp"

namespace npconv::test {
namespace {

// Of every algorithm, so that a few pixels make several blocks.
Limits small_limits_of_all(Random& random) {
    Limits limits = small_limits(random);
    limits.winograd.tiles_of_block = limits.winograd.tiles_of_far_block = random.integer(1, 30);
    limits.winograd.rows_of_k_block = random.integer(1, 100);
    limits.winograd.channels_of_chunk = random.integer(1, 64);
    limits.winograd.most_prepared = random.integer(0, 1) * 1'000'000;
    limits.winograd.enough_blocks = random.integer(1, 8);
    limits.depthwise = {random.integer(500, 20'000), random.integer(500, 40'000), random.integer(1, 16),
                        random.integer(500, 20'000), random.integer(1, 20),       Lane::automatic};
    limits.direct.macs_of_block = random.integer(1, 10'000);
    limits.direct.columns_of_block = random.integer(1, 100);
    limits.direct.bytes_of_copy = limits.direct.bytes_of_sums = random.integer(500, 20'000);
    limits.direct.enough_tasks = random.integer(1, 20);
    limits.weight_gradient.pixels_of_block = random.integer(1, 60);
    limits.weight_gradient.bytes_of_sums = random.integer(500, 50'000);
    limits.weight_gradient.rows_of_task = random.integer(1, 60);
    limits.weight_gradient.enough_tasks = random.integer(1, 20);
    return limits;
}

// Anything small: dense, of one channel a group, or of few output channels.
ConvRequest some_request(Random& random) {
    ConvRequest r = anything_small(random, 20);
    const std::int64_t kind = random.integer(0, 3);
    if (kind == 0) {
        r.groups = random.integer(1, 40);
        r.w_in = 1;
        r.w_out = r.groups * random.integer(1, 2);
    }
    if (kind == 1) r.w_out = r.groups * random.integer(1, max_direct_channels);
    r.channels = r.groups * r.w_in;
    if (kind > 1) std::fill(r.dilation.begin(), r.dilation.end(), 1);
    return r;
}

// f(execution) of every algorithm that serves.
template <class F>
void for_each_execution(const Problem& p, const Context& on, const F& f) {
    for (const AlgorithmEntry& e : algorithms()) {
        if (p.shape.empty() || !consider(p, on, e.algorithm).refusal.empty()) continue;
        SCOPED_TRACE(e.name);
        f(plan_conv(p, on, e.algorithm));
    }
}

// f(context, dtype, random) of a few dozen problems each, on every kernel set and core, float32 and float64.
template <class F>
void for_each_problem(int rounds, const F& f) {
    Random random(1);
    for_each_context_and_dtype([&](Context on, DType dtype) {
        for (int round = 0; round < rounds; ++round) {
            on.limits = round % 4 ? small_limits_of_all(random) : Limits();
            ConvRequest r = some_request(random);
            r.dtype = dtype;
            const Layout layout = random.integer(0, 1) ? Layout::channels_last : Layout::channels_first;
            SCOPED_TRACE(text_of(r) + (layout == Layout::channels_last ? ", channels last" : ", channels first"));
            f(problem_of(r, layout), on, random);
            if (::testing::Test::HasFailure()) return;
        }
    });
}

bool is_winograd(const ConvExecution& e) { return winograd_tiles(e.algorithm).has_value(); }

// The tilings, and what is pinned.
void expect_tiled(const ConvExecution& execution, const Problem& p, const Context& on) {
    EXPECT_EQ(&execution.on(), &on);
    EXPECT_EQ(execution.problem().shape, p.shape);
    Problem pinned = p;
    if (const auto* gemm = std::get_if<GemmExecution>(&execution.way)) {
        EXPECT_EQ(execution.algorithm, Algorithm::gemm);
        EXPECT_TRUE(gemm->tiling == tile_gemm(p, on));
        pinned.packed_as.lane = gemm->tiling.lane;
    } else if (const auto* depthwise = std::get_if<DepthwiseExecution>(&execution.way)) {
        EXPECT_EQ(execution.algorithm, Algorithm::depthwise);
        EXPECT_TRUE(depthwise->tiling == tile_depthwise(p, on));
        pinned.packed_as.depthwise_lane = depthwise->tiling.lane;
    } else if (const auto* direct = std::get_if<DirectExecution>(&execution.way)) {
        EXPECT_EQ(execution.algorithm, Algorithm::direct);
        EXPECT_TRUE(direct->tiling == tile_direct(p, on));
    } else if (const auto* winograd = std::get_if<WinogradExecution>(&execution.way)) {
        ASSERT_TRUE(is_winograd(execution));
        const Problem by_gemm = direct_problem(p);
        EXPECT_TRUE(winograd->tiling == tile_winograd(p, on, *winograd_tiles(execution.algorithm)));
        EXPECT_TRUE(winograd->whole.tiling == tile_gemm(by_gemm, on));
        EXPECT_TRUE(winograd->pieces.tiling == tile_gemm_pieces(by_gemm, on, pixels_of_piece));
        EXPECT_EQ(winograd->whole.tiling.lane, Lane::channel);
        EXPECT_TRUE(winograd->pieces.tiling.panels == winograd->tiling.panels && winograd->pieces.tiling.k == winograd->tiling.order)
            << "all read the same packed taps";
        pinned.packed_as.transformed = winograd->tiling.prepared ? Transformed::packed : Transformed::made;
    } else {
        EXPECT_EQ(execution.algorithm, Algorithm::naive);
    }
    EXPECT_EQ(execution.problem(), pinned);
}

TEST(Executions, HoldTheTilingsOfTheProblem) {
    std::map<std::string, int> seen;
    for_each_problem(40, [&](const Problem& p, const Context& on, Random&) {
        for_each_execution(p, on, [&](const ConvExecution& execution) {
            ++seen[entry_of(execution.algorithm).name];
            expect_tiled(execution, p, on);
            // What is pinned changes nothing when it is planned again.
            expect_tiled(plan_conv(execution.problem(), on, execution.algorithm), execution.problem(), on);
        });
    });
    for (const AlgorithmEntry& e : algorithms()) EXPECT_GT(seen[e.name], 10) << e.name;
}

TEST(Executions, TellTheBytesOfPackedWeights) {
    Random weights(2);
    const auto check = [&](auto zero, const ConvExecution& execution) {
        using T = decltype(zero);
        const ConvShape& s = execution.problem().shape;
        std::vector<T> w(static_cast<std::size_t>(s.groups * s.out_channels * s.k()));
        for (T& value : w) value = weights.real<T>();
        const auto view = dense<T>(w.data(), s.in_channels, {s.axis[0].kernel, s.axis[1].kernel, s.axis[2].kernel}, Layout::channels_first);
        EXPECT_EQ(packed_bytes(execution), static_cast<std::int64_t>(pack(execution, untyped(view), 1).data.bytes()));
    };
    for_each_problem(40, [&](const Problem& p, const Context& on, Random&) {
        for (const KernelSet& set : kernel_sets()) {
            if (set.table == on.kernels && !set.available) return;
        }
        for_each_execution(p, on, [&](const ConvExecution& e) { p.dtype == DType::f32 ? check(0.0F, e) : check(0.0, e); });
    });
}

// The same channels and kernel on another map, if that is one.
std::optional<ConvShape> on_another_map(const ConvShape& s, Random& random) {
    ConvShape other = s;
    other.batch = random.integer(1, 5);
    for (Axis& a : other.axis) {
        if (a.input == 1 && a.kernel == 1) continue;
        a.input = random.integer(1, 40);
        a.pad_before = random.integer(0, 3);
        a.pad_after = random.integer(0, 3);
        const std::int64_t left = a.input + a.pad_before + a.pad_after - (a.kernel - 1) * a.dilation - 1;
        if (left < 0) return {};
        a.output = left / a.stride + 1;
    }
    return other;
}

bool dilated(const ConvShape& s) {
    return std::any_of(s.axis.begin(), s.axis.end(), [](const Axis& a) { return a.kernel > 1 && a.dilation > 1; });
}

// Planned as the first map pins it, another map takes the weights that the first one has packed. (Not where Winograd's convolution is
// dilated: the transforms that suit a phase depend on its outputs.)
TEST(Executions, PinWhatPackedWeightsDependOn) {
    std::map<std::string, int> seen;
    for_each_problem(60, [&](const Problem& p, const Context& on, Random& random) {
        const std::optional<ConvShape> other = on_another_map(p.shape, random);
        if (!other) return;
        for_each_execution(p, on, [&](const ConvExecution& execution) {
            if (is_winograd(execution) && dilated(p.shape)) return;
            Problem q = execution.problem();
            q.shape = *other;
            if (!consider(q, on, execution.algorithm).refusal.empty()) return;
            const ConvExecution of_other = plan_conv(q, on, execution.algorithm);
            EXPECT_EQ(format_of(of_other), format_of(execution));
            EXPECT_EQ(packed_bytes(of_other), packed_bytes(execution));
            ++seen[entry_of(execution.algorithm).name];
        });
    });
    for (const AlgorithmEntry& e : algorithms()) EXPECT_GT(seen[e.name], 10) << e.name;
}

// Channels last the lane is the channel on every core.
TEST(Executions, PackTheSameForEveryCoreWhereChannelsAreLast) {
    std::map<std::string, int> seen;
    for_each_problem(40, [&](Problem p, const Context& on, Random&) {
        p.layout = Layout::channels_last;
        Context elsewhere = on;
        for (const Core& core : all_cores) {
            elsewhere.machine.core = core;
            for_each_execution(p, on, [&](const ConvExecution& execution) {
                EXPECT_EQ(format_of(plan_conv(p, elsewhere, execution.algorithm)), format_of(execution));
                ++seen[entry_of(execution.algorithm).name];
            });
        }
    });
    for (const AlgorithmEntry& e : algorithms()) EXPECT_GT(seen[e.name], 50) << e.name;
}

// For weights that Winograd's convolution transforms and for those that it cannot.
void expect_most_memory(const ConvExecution& of_free_batch, const std::vector<std::int64_t>& batches, int threads) {
    const std::vector<ConvExecution> plans = plans_of_most_memory(of_free_batch);
    const double magnitudes[] = {1.0, std::numeric_limits<double>::infinity()};
    std::int64_t most[] = {0, 0};
    for (std::size_t i = 0; i < 2; ++i) {
        for (const ConvExecution& e : plans) most[i] = std::max(most[i], workspace_bytes(e, magnitudes[i], threads));
    }
    Problem p = of_free_batch.problem();
    p.free_batch = false;
    for (const std::int64_t batch : batches) {
        p.shape.batch = batch;
        const ConvExecution execution = plan_conv(p, of_free_batch.on(), of_free_batch.algorithm);
        ASSERT_EQ(plans_of_most_memory(execution).size(), 1U) << "its batch is given";
        for (std::size_t i = 0; i < 2; ++i) {
            ASSERT_LE(workspace_bytes(execution, magnitudes[i], threads), most[i])
                << batch << " image(s), " << threads << " thread(s), weights up to " << magnitudes[i];
        }
    }
}

TEST(Executions, OfAFreeBatchNeedTheMostMemory) {
    std::map<std::string, int> seen;
    for_each_problem(24, [&](Problem p, const Context& on, Random& random) {
        const int threads = static_cast<int>(random.integer(0, 3) ? random.integer(1, 4) : random.integer(5, 200));
        std::vector<std::int64_t> batches(41);
        std::iota(batches.begin(), batches.end(), 0);
        for (int i = 0; i < 6; ++i) batches.push_back(random.integer(41, 20'000));
        p.shape.batch = 1;
        p.free_batch = true;
        for_each_execution(p, on, [&](const ConvExecution& execution) {
            ++seen[entry_of(execution.algorithm).name];
            expect_most_memory(execution, batches, threads);
        });
    });
    for (const AlgorithmEntry& e : algorithms()) EXPECT_GT(seen[e.name], 10) << e.name;
}

// Deep layers of small maps: blocks of several images, which are fewer where memory binds, and more blocks than many threads take.
TEST(Executions, OfAFreeBatchNeedTheMostMemoryWhereItBinds) {
    std::vector<std::int64_t> batches(400);
    std::iota(batches.begin(), batches.end(), 1);
    for (const std::int64_t batch : {3136, 5000, 30'000}) batches.push_back(batch);
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (ConvRequest r : {image(6, 9, 128, 2048, 3), image(4, 4, 1024, 1024, 3), line(3, 3, 1, 1, 1, 1)}) {
            r.dtype = dtype;
            SCOPED_TRACE(text_of(r));
            Problem p = problem_of(r);
            p.free_batch = true;
            for_each_execution(p, on, [&](const ConvExecution& execution) {
                for (const int threads : {4, 100}) expect_most_memory(execution, batches, threads);
            });
        }
    });
}

TEST(Executions, OfGradientsWithAFreeBatchNeedTheMostMemory) {
    int by_depthwise = 0, by_product = 0;
    for_each_problem(24, [&](Problem p, const Context& on, Random& random) {
        const int threads = static_cast<int>(random.integer(1, 4));
        p.shape.batch = 1;
        p.free_batch = true;
        const WeightGradientExecution execution = plan_weight_gradient(p, on);
        ++(execution.depthwise ? by_depthwise : by_product);
        std::int64_t most = 0;
        for (const WeightGradientExecution& e : plans_of_most_memory(execution)) {
            most = std::max(most, workspace_bytes(e, threads));
        }
        p.free_batch = false;
        for (p.shape.batch = 0; p.shape.batch <= 40; ++p.shape.batch) {
            const WeightGradientExecution of_batch = plan_weight_gradient(p, on);
            ASSERT_LE(workspace_bytes(of_batch, threads), most) << p.shape.batch << " image(s), " << threads << " thread(s)";
        }
    });
    EXPECT_GT(by_depthwise, 10);
    EXPECT_GT(by_product, 50);
}

}  // namespace
}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// Planning for machines that this one is not: what a tiling means to keep in a cache fits in it, and caches decide nothing that a result
// may depend on.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>

#include "contexts.hpp"
#include "plan/executions.hpp"
#include "plan/pool_execution.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

Context context_of(const Machine& machine) { return {machine, best_entries(machine.features)}; }

template <std::size_t N>
std::int64_t one_of(Random& random, const std::array<std::int64_t, N>& values) {
    return values[static_cast<std::size_t>(random.integer(0, N - 1))];
}

// Layers of networks and whatever lies between them, some of 1-D and 3-D. Nothing is allocated.
ConvRequest some_layer(Random& random) {
    constexpr std::array<std::int64_t, 16> channels{1, 2, 3, 4, 8, 16, 24, 32, 48, 64, 100, 128, 256, 512, 1024, 2048};
    constexpr std::array<std::int64_t, 14> sizes{1, 4, 7, 8, 13, 14, 16, 28, 32, 56, 64, 112, 224, 256};
    constexpr std::array<std::int64_t, 8> kernels{1, 1, 3, 3, 3, 5, 7, 11};
    ConvRequest r;
    r.rank = static_cast<int>(one_of(random, std::array<std::int64_t, 5>{1, 2, 2, 2, 3}));
    r.batch = one_of(random, std::array<std::int64_t, 4>{1, 1, 2, 8});
    r.groups = one_of(random, std::array<std::int64_t, 4>{1, 1, 2, 32});
    r.w_in = one_of(random, channels);
    r.w_out = r.groups * one_of(random, channels);
    if (random.integer(0, 4) == 0) {  // depthwise
        r.groups = one_of(random, channels);
        r.w_in = 1;
        r.w_out = r.groups * random.integer(1, 2);
    }
    r.channels = r.groups * r.w_in;
    const std::int64_t kernel = one_of(random, kernels), stride = one_of(random, std::array<std::int64_t, 5>{1, 1, 2, 3, kernel});
    const std::int64_t dilation = one_of(random, std::array<std::int64_t, 4>{1, 1, 1, 2});
    for (int a = 0; a < r.rank; ++a) {
        r.input.push_back(std::max(one_of(random, sizes) * (r.rank == 1 ? 64 : 1) / (r.rank == 3 ? 4 : 1), dilation * (kernel - 1) + 1));
        r.kernel.push_back(kernel);
        r.stride.push_back(stride);
        r.dilation.push_back(dilation);
        r.padding.before.push_back(random.integer(0, 1) * (kernel / 2));
        r.padding.after.push_back(r.padding.before.back());
    }
    r.border = random.integer(0, 3) ? Border::zeros : Border::reflect;
    return r;
}

Problem some_problem(Random& random) {
    ConvRequest r = some_layer(random);
    r.dtype = random.integer(0, 2) ? DType::f32 : DType::f64;
    Problem p = problem_of(r, random.integer(0, 1) ? Layout::channels_first : Layout::channels_last);
    p.packing = random.integer(0, 1) ? Packing::once : Packing::every_call;
    return p;
}

std::optional<CacheUse> use_of(const ConvExecution& execution) {
    if (const auto* e = std::get_if<GemmExecution>(&execution.way)) return e->tiling.cache_use(e->problem);
    if (const auto* e = std::get_if<DepthwiseExecution>(&execution.way)) return cache_use(e->problem, *e->on, e->tiling);
    if (const auto* e = std::get_if<DirectExecution>(&execution.way)) return cache_use(e->problem, e->tiling);
    return {};  // Winograd's blocks have memory of a thread as their limit
}

TEST(Presets, TilingsFitTheCachesOfEachMachine) {
    Random random(1);
    int near = 0, far = 0;  // tilings that count on the first-level cache, or on the second
    for (int i = 0; i < 500; ++i) {
        const Problem p = some_problem(random);
        for (const MachinePreset& preset : machine_presets()) {
            const Context on = context_of(preset.machine);
            for (const AlgorithmEntry& algorithm : algorithms()) {
                if (!consider(p, on, algorithm.algorithm).refusal.empty()) continue;
                const ConvExecution execution = plan_conv(p, on, algorithm.algorithm);
                const std::optional<CacheUse> use = use_of(execution);
                if (!use) continue;
                SCOPED_TRACE(::testing::Message() << "problem " << i << " on " << preset.name << ", " << algorithm.name);
                ASSERT_LE(use->l1, preset.machine.l1d_bytes);
                ASSERT_LE(use->l2, preset.machine.l2_bytes);
                near += use->l1 > 0;
                far += use->l2 > 0;
            }
        }
    }
    EXPECT_GT(near, 100);
    EXPECT_GT(far, 1000);
}

TEST(Presets, HaveKernelsOfTheirOwn) {
    for (const MachinePreset& preset : machine_presets()) {
        const std::string isa = context_of(preset.machine).entries->isa, name = preset.name;
        const bool avx2 = name == "zen3" || name == "intel_client", arm = name == "apple_m2" || name == "graviton3";
        EXPECT_EQ(isa, avx2 ? "avx2" : arm ? "neon" : "avx512") << name;
    }
}

// What a result may depend on: the algorithm, and what a lane holds.
std::string decided(const Problem& p, const Context& on) {
    const Decision decision = decide(p, on, "auto");
    const ConvExecution execution = plan_conv(p, on, decision.algorithm);
    std::string text = entry_of(decision.algorithm).name;
    if (const auto* e = std::get_if<GemmExecution>(&execution.way)) text += e->tiling.lane == Lane::pixel ? " pixel" : " channel";
    if (const auto* e = std::get_if<DepthwiseExecution>(&execution.way)) text += e->tiling.lane == Lane::pixel ? " pixel" : " channel";
    return text;
}

TEST(Presets, CachesDecideNothingThatAResultDependsOn) {
    Random random(2);
    for (int i = 0; i < 200; ++i) {
        const Problem p = some_problem(random);
        for (const MachinePreset& preset : machine_presets()) {
            Machine other = preset.machine;
            other.l1d_bytes = (std::int64_t{16} << 10) << random.integer(0, 4);
            other.l2_bytes = (std::int64_t{256} << 10) << random.integer(0, 6);
            other.l3_bytes = 0;
            ASSERT_EQ(decided(p, context_of(other)), decided(p, context_of(preset.machine))) << "problem " << i << " on " << preset.name;
        }
    }
}

PoolProblem some_pooling(Random& random) {
    constexpr std::array<std::int64_t, 6> channels{1, 3, 32, 64, 257, 2048}, sizes{1, 7, 14, 56, 113, 224};
    constexpr std::array<std::int64_t, 7> kernels{1, 2, 2, 3, 3, 5, 31};
    PoolRequest r;
    r.batch = random.integer(1, 3);
    r.channels = one_of(random, channels);
    const std::int64_t rank = random.integer(1, 3);
    for (std::int64_t a = 0; a < rank; ++a) {
        r.kernel.push_back(one_of(random, kernels));
        r.input.push_back(std::max(one_of(random, sizes) / (rank == 3 ? 4 : 1), r.kernel.back()));
        r.stride.push_back(random.integer(1, r.kernel.back() + 1));
        r.dilation.push_back(1);
        r.padding.before.push_back(random.integer(0, r.kernel.back() / 2));
        r.padding.after.push_back(r.padding.before.back());
    }
    PoolProblem p;
    p.shape = validate_pool(r);
    p.rule.kind = static_cast<PoolKind>(random.integer(0, 3));
    p.rule.power = 3.0;
    const bool extreme = p.rule.kind == PoolKind::maximum || p.rule.kind == PoolKind::minimum;
    p.rule.places = extreme && random.integer(0, 1);
    p.dtype = pool_types[random.integer(0, extreme ? pool_type_count - 1 : real_types - 1)];
    p.layout = random.integer(0, 1) ? Layout::channels_first : Layout::channels_last;
    p.gradient = p.rule.kind == PoolKind::average && random.integer(0, 1);
    return p;
}

TEST(Presets, PoolingsArePlannedWithoutTheKernels) {
    constexpr std::int64_t most_bytes = 6'500'000;  // of a thread
    Random random(3);
    for (int i = 0; i < 500; ++i) {
        const PoolProblem p = some_pooling(random);
        for (const MachinePreset& preset : machine_presets()) {
            SCOPED_TRACE(::testing::Message() << "pooling " << i << " on " << preset.name);
            const Context on = context_of(preset.machine);
            ASSERT_EQ(on.kernels, nullptr);
            const PoolExecution e = plan_pool(p, on);
            ASSERT_LE(e.workspace_bytes(1), most_bytes);
            if (e.way == PoolWay::kernels) {
                ASSERT_GE(e.tiling.tasks(), 1);
                ASSERT_EQ(e.tiling.line % (on.vector_bytes() / e.tiling.element_bytes), 0) << "a line is made of whole vectors";
            }
        }
    }
}

TEST(Entries, AreFoundByTypesAndFeatures) {
    constexpr Types bytes{DType::u8, DType::i8, DType::i32, DType::i32};
    const GemmEntry entries[] = {{bytes, bit(Feature::avx512) | bit(Feature::avx512_vnni), 16, 4, 1, {8}, 0, 0},
                                 {bytes, bit(Feature::avx512), 16, 2, 1, {8}, 0, 0},
                                 {all_of(DType::f32), bit(Feature::avx512), 16, 1, 1, {8}, 0, 0}};
    Machine machine;
    EXPECT_EQ(find_entry(entries, bytes, machine), nullptr);
    machine.features = bit(Feature::avx512);
    EXPECT_EQ(find_entry(entries, bytes, machine), &entries[1]);
    EXPECT_EQ(find_entry(entries, all_of(DType::f32), machine), &entries[2]);
    EXPECT_EQ(find_entry(entries, all_of(DType::f64), machine), nullptr);
    machine.features |= bit(Feature::avx512_vnni);
    EXPECT_EQ(find_entry(entries, bytes, machine), &entries[0]) << "the first that the machine can run";
}

}  // namespace
}  // namespace npconv::test

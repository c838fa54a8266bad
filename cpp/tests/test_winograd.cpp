// SPDX-License-Identifier: BSD-3-Clause
// Winograd's convolution where Python cannot look: the matrices, the cutting, and that neither where weights are transformed nor how the
// tiles are cut changes a bit. The Python tests compare results with the definition.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "algorithms/winograd.hpp"
#include "contexts.hpp"
#include "plan/winograd_error.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

constexpr std::int64_t workspace_of_a_thread = 6'000'000;
constexpr Algorithm all_winograds[] = {Algorithm::winograd, Algorithm::winograd_f2, Algorithm::winograd_f6};

TEST(CookToom, GivesTheConvolution) {
    Random random(1);
    for (const WinogradAxis axis : winograd_axes) {
        for (int m = 1; m <= axis.outputs(); ++m) {
            const CookToom t = winograd_matrices(axis, m);
            ASSERT_EQ(t.outputs, m);
            ASSERT_EQ(t.points, m + axis.taps - 1);
            std::vector<long double> w(static_cast<std::size_t>(axis.taps)), x(static_cast<std::size_t>(t.points));
            for (auto& v : w) v = random.real<double>();
            for (auto& v : x) v = random.real<double>();
            for (int k = 0; k < m; ++k) {
                long double y = 0, expected = 0;
                for (int i = 0; i < t.points; ++i) {
                    long double u = 0, v = 0;
                    for (int a = 0; a < axis.taps; ++a) u += t.g[i][a] * w[static_cast<std::size_t>(a)];
                    for (int a = 0; a < t.points; ++a) v += t.bt[i][a] * x[static_cast<std::size_t>(a)];
                    y += t.at[k][i] * u * v;
                }
                for (int a = 0; a < axis.taps; ++a) expected += w[static_cast<std::size_t>(a)] * x[static_cast<std::size_t>(k + a)];
                EXPECT_NEAR(static_cast<double>(y), static_cast<double>(expected), 1e-14) << axis.points << " " << axis.taps << " " << m;
            }
        }
    }
}

// A smaller tile's G is part of the whole tile's, so that both use the same transformed weights.
TEST(CookToom, SmallerTilesShareG) {
    for (std::size_t kind = 0; kind < std::size(winograd_axes); ++kind) {
        const WinogradAxis axis = winograd_axes[kind];
        AxisTiles tiles;
        tiles.kind = static_cast<int>(kind);
        tiles.whole = axis.outputs();
        const CookToom all = winograd_matrices(axis, axis.outputs());
        for (int m = 1; m <= axis.outputs(); ++m) {
            const CookToom t = winograd_matrices(axis, m);
            for (int i = 0; i < t.points; ++i) {
                const int number = tiles.point(m, i);
                EXPECT_TRUE(tiles.uses(m, number));
                for (int a = 0; a < axis.taps; ++a) EXPECT_EQ(t.g[i][a], all.g[number][a]) << axis.points << " " << m << " " << i;
            }
        }
    }
}

TEST(CookToom, UnknownTilesAreRefused) {
    EXPECT_THROW(winograd_matrices({5, 3}, 1), std::invalid_argument);
    EXPECT_THROW(winograd_matrices({6, 3}, 5), std::invalid_argument);
    EXPECT_THROW(winograd_matrices({6, 3}, 0), std::invalid_argument);
}

// Every tile is in one block, blocks are no larger than told, and the workspace keeps its bound.
void expect_cut_once(const ConvRequest& r, const WinogradExecution& execution) {
    const Problem& p = execution.problem;
    const WinogradTiling& t = execution.tiling;
    std::map<std::vector<std::int64_t>, int> seen;
    for (std::int64_t i = 0; i < t.blocks; ++i) {
        const TileBlock b = t.block(i, p.shape.groups);
        ASSERT_LE(b.tiles(), t.most_tiles());
        ASSERT_GT(b.tiles(), 0);
        for (std::int64_t n = 0; n < b.images; ++n) {
            for (std::int64_t z = b.begin[0]; z < b.end[0]; ++z) {
                for (std::int64_t y = b.begin[1]; y < b.end[1]; ++y) {
                    for (std::int64_t x = b.begin[2]; x < b.end[2]; ++x) ++seen[{b.group, b.image + n, z, y, x}];
                }
            }
        }
    }
    const std::int64_t images = p.shape.batch * t.axis[0].phases * t.axis[1].phases;
    ASSERT_EQ(static_cast<std::int64_t>(seen.size()), p.shape.groups * images * t.axis[0].count() * t.axis[1].count() * t.axis[2].count())
        << text_of(r);
    for (const auto& [tile, times] : seen) ASSERT_EQ(times, 1) << text_of(r);
    for (const int threads : {1, 2, 7}) EXPECT_LE(workspace_bytes(execution, 1.0, threads), workspace_of_a_thread * threads) << text_of(r);
}

void expect_cut_once(ConvRequest r) {
    for (const KernelSet& set : kernel_sets()) {
        for (const DType dtype : {DType::f32, DType::f64}) {
            r.dtype = dtype;
            const Context on = context_of(*set.table);
            Problem p = problem_of(r);
            for (const Packing packing : {Packing::once, Packing::every_call}) {
                p.packing = packing;
                for (const Algorithm algorithm : all_winograds) {
                    if (!winograd_refusal(p, on, *winograd_tiles(algorithm)).empty() || p.shape.empty()) continue;
                    expect_cut_once(r, std::get<WinogradExecution>(plan_conv(p, on, algorithm).way));
                }
            }
        }
    }
}

TEST(WinogradTiling, CutsEveryMapOnce) {
    struct Size {
        std::int64_t batch, groups, height, width, in, out;
    };
    const Size sizes[] = {{1, 1, 56, 56, 64, 64},  {1, 1, 7, 7, 512, 512},  {8, 1, 7, 7, 512, 512},     {1, 1, 224, 224, 64, 64},
                          {1, 1, 1, 1, 1, 1},      {3, 2, 13, 14, 37, 53},  {1, 1, 28, 28, 512, 512},   {1, 1, 14, 14, 2048, 2048},
                          {40, 1, 3, 200, 16, 16}, {1, 1, 500, 300, 8, 16}, {2, 1, 5, 800, 100, 240},   {1, 1, 31, 31, 20000, 64},
                          {1, 8, 20, 20, 4, 4},    {17, 3, 9, 10, 300, 30}, {1, 1, 4096, 1, 128, 1024}, {1, 1, 17, 35, 700, 2}};
    for (const Size& z : sizes) {
        ConvRequest r = image(z.height, z.width, z.in, z.out, 3);
        r.batch = z.batch;
        r.groups = z.groups;
        r.channels = z.groups * z.in;
        r.w_out = z.groups * z.out;
        expect_cut_once(r);
    }
}

TEST(WinogradTiling, CutsStridesDilationsAndLongKernelsOnce) {
    for (const std::int64_t kernel : {2, 4, 5, 6, 7, 9, 11, 13}) {
        for (const std::int64_t step : {1, 2, 3, 12}) {
            ConvRequest r = image(61, 35, 40, 70, kernel);
            r.dilation = {step, step};
            expect_cut_once(r);
            r = image(61, 35, 40, 70, kernel);
            r.stride = {step, 1};
            expect_cut_once(r);
            r = image(120, 120, 3, 64, kernel);
            r.stride = {step, step};
            expect_cut_once(r);
            r = line(4000, kernel, step, 1, kernel / 2, kernel / 2);
            r.channels = r.w_in = r.w_out = 200;
            expect_cut_once(r);
            r.stride = {1};
            r.dilation = {step};
            expect_cut_once(r);
        }
    }
}

// The input tiles of an axis have room for whatever its tiles read, and only real outputs are counted.
TEST(WinogradAxis, ReachesWhatItsTapsMeet) {
    for (std::int64_t kernel = 1; kernel <= 16; ++kernel) {
        for (std::int64_t stride = 1; stride <= 4; ++stride) {
            for (const std::int64_t dilation : {1, 2, 5}) {
                for (const std::int64_t outputs : {1, 3, 4, 17, 30}) {
                    ConvShape s;
                    s.axis[2] = {1, outputs, kernel, stride, dilation, 0, 0};
                    if (!winograd_axes_refusal(s, WinogradTiles::accurate).empty()) continue;
                    const AxisTiles a = choose_winograd_axes(s, WinogradTiles::accurate)[2];
                    ASSERT_GE(a.runs * a.taps() * a.input_phases(), kernel);
                    if (a.runs > 1) {
                        ASSERT_EQ(a.whole, a.taps());
                    }
                    std::int64_t real = 0;
                    for (std::int64_t phase = 0; phase < a.phases; ++phase) {
                        for (std::int64_t tile = 0; tile < a.count(); ++tile) real += a.real(tile, phase);
                    }
                    EXPECT_EQ(real, outputs);
                    EXPECT_LE(a.input_steps(0, a.count()), a.most_input_steps(a.count()));
                    // Every output of a tile has a central input in its window.
                    for (int size = 1; size <= a.whole; ++size) {
                        for (int o = 0; o < size; ++o) {
                            bool held = false;
                            for (int i = 0; i < a.centrals(size); ++i) {
                                const std::int64_t at = a.central(size, i) - o * stride;
                                held = held || (at >= 0 && at < kernel);
                            }
                            EXPECT_TRUE(held) << kernel << " " << stride << " " << size << " " << o;
                        }
                        EXPECT_LE(a.centrals(size), a.centrals(a.whole));
                    }
                }
            }
        }
    }
}

TEST(WinogradTiling, RefusesWhatItCannotServe) {
    const Context on = context_of(*kernel_sets().back().table);
    const auto refusal = [&](const ConvRequest& r, WinogradTiles tiles = WinogradTiles::accurate) {
        return winograd_refusal(problem_of(r), on, tiles);
    };
    EXPECT_EQ(refusal(image(9, 9, 4, 4, 3)), "");
    EXPECT_EQ(refusal(image(9, 9, 4, 4, 5)), "");
    EXPECT_EQ(refusal(line(9, 3, 2, 1, 1, 1)), "");
    EXPECT_NE(refusal(image(9, 9, 4, 4, 1)), "");
    EXPECT_NE(refusal(image(9, 9, 4, 4, 5), WinogradTiles::two), "");
    EXPECT_EQ(refusal(line(9, 3, 1, 1, 1, 1), WinogradTiles::six), "");
    ConvRequest r = image(9, 9, 4, 4, 3);
    r.stride = {1, 2};
    EXPECT_EQ(refusal(r), "");
    r.dilation = {1, 2};
    EXPECT_NE(refusal(r), "");
    EXPECT_NE(refusal(line(9, 3, 1, 100, 100, 100)), "");
    EXPECT_NE(refusal(image(9, 9, 100'000, 4, 3)), "");
    EXPECT_NE(refusal(line(1000, 999, 1, 1, 0, 0)), "");
}

template <class T>
std::vector<T> result(const Problem& p, const Context& on, const std::vector<T>& x, const std::vector<T>& w, const char* algorithm,
                      int threads) {
    const ConvShape& s = p.shape;
    const std::int64_t height = s.axis[1].input, width = s.axis[2].input;
    WeightsView weights;
    weights.w = {w.data(), s.in_channels * 9, 9, {9, 3, 1}};
    const Planned<PlannedConv> plan = planned_conv(p, on, algorithm, weights, threads);
    std::vector<T> y(static_cast<std::size_t>(s.batch * s.out_channels * s.pixels()));
    Operands io;
    io.x = {x.data(), s.in_channels * height * width, height * width, {height * width, width, 1}};
    io.y = y.data();
    io.y_batch = s.out_channels * s.pixels();
    plan.operation->run(plan.parameters, io, threads);
    return y;
}

template <class T>
class Winograd : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Winograd, Types);

// Weights prepared, made where they are used, or transformed in registers; small blocks and large ones.
TYPED_TEST(Winograd, IsTheSameHoweverItIsCut) {
    using T = TypeParam;
    Random random(2);
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        for (const std::int64_t side : {3, 5, 7, 8, 13}) {
            ConvRequest r = image(side, side + 1, 150, 70, 3);
            r.batch = 2;
            r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
            const Problem p = problem_of(r);
            const Context on = context_of(*set.table);
            std::vector<T> x(static_cast<std::size_t>(2 * 150 * side * (side + 1))), w(70 * 150 * 9);
            for (T& v : x) v = random.real<T>();
            for (T& v : w) v = random.real<T>();
            const std::vector<T> expected = result(p, on, x, w, "winograd", 1);
            Context small = on;
            WinogradLimits& limits = small.limits.winograd;
            for (const std::int64_t prepared : {std::int64_t{0}, on.limits.winograd.most_prepared}) {
                for (const std::int64_t tiles : {1, 4, 100}) {
                    for (const std::int64_t slow : {std::int64_t{0}, on.limits.winograd.slow_weights}) {
                        limits.most_prepared = prepared;
                        limits.tiles_of_block = limits.tiles_of_far_block = tiles;
                        limits.slow_weights = slow;
                        ASSERT_EQ(result(p, small, x, w, "winograd", 2), expected)
                            << side << " " << prepared << " " << tiles << " " << slow;
                    }
                }
            }
            const std::vector<T> direct = result(p, on, x, w, "naive", 1);
            double error = 0, size = 0;
            for (std::size_t i = 0; i < direct.size(); ++i) {
                error += std::pow(static_cast<double>(expected[i]) - static_cast<double>(direct[i]), 2);
                size += std::pow(static_cast<double>(direct[i]), 2);
            }
            EXPECT_LE(std::sqrt(error / size), sizeof(T) == 4 ? 2e-6 : 1e-14);
        }
    }
}

// Few channels, whose vectors hold tiles: rows of tiles that fill vectors or do not, and several images to a block.
TYPED_TEST(Winograd, ByTilesIsTheSameHoweverItIsCut) {
    using T = TypeParam;
    Random random(3);
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        for (const std::int64_t side : {5, 16, 41, 150}) {
            ConvRequest r = image(side, side + 1, 3, 20, 3);
            r.batch = 2;
            r.stride = {2, 2};
            r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
            const Problem p = problem_of(r);
            const Context on = context_of(*set.table);
            ASSERT_TRUE(tile_winograd(p, on, WinogradTiles::accurate).by_tiles);
            std::vector<T> x(static_cast<std::size_t>(2 * 3 * side * (side + 1))), w(20 * 3 * 9);
            for (T& v : x) v = random.real<T>();
            for (T& v : w) v = random.real<T>();
            const std::vector<T> expected = result(p, on, x, w, "winograd", 1), direct = result(p, on, x, w, "naive", 1);
            Context small = on;
            WinogradLimits& limits = small.limits.winograd;
            for (const std::int64_t tiles : {1, 5, 100}) {
                limits.tiles_of_block = tiles;
                ASSERT_EQ(result(p, small, x, w, "winograd", 2), expected) << side << " " << tiles;
            }
            for (std::size_t i = 0; i < direct.size(); ++i)
                ASSERT_NEAR(static_cast<double>(expected[i]), static_cast<double>(direct[i]), sizeof(T) == 4 ? 1e-4 : 1e-12);
        }
    }
}

}  // namespace
}  // namespace npconv::test

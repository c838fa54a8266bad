// SPDX-License-Identifier: BSD-3-Clause
// Winograd's convolution where Python cannot look: the matrices, the cutting, and that neither where weights are transformed nor how the
// tiles are cut changes a bit. The Python tests compare results with the definition.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "algorithms/winograd.hpp"
#include "plan/winograd_error.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

constexpr std::int64_t workspace_of_a_thread = 6'000'000;

class LimitsScope {
  public:
    explicit LimitsScope(const WinogradLimits& limits) { set_winograd_limits(limits); }
    ~LimitsScope() { set_winograd_limits({}); }
    LimitsScope(const LimitsScope&) = delete;
    LimitsScope& operator=(const LimitsScope&) = delete;
};

TEST(CookToom, GivesTheConvolution) {
    Random random(1);
    for (const int whole : {2, 4, 6}) {
        for (int m = 1; m <= whole; ++m) {
            const CookToom t = winograd_matrices(whole, m);
            ASSERT_EQ(t.outputs, m);
            ASSERT_EQ(t.points, m + 2);
            std::vector<long double> w(3), x(static_cast<std::size_t>(t.points));
            for (auto& v : w) v = random.real<double>();
            for (auto& v : x) v = random.real<double>();
            for (int k = 0; k < m; ++k) {
                long double y = 0;
                for (int i = 0; i < t.points; ++i) {
                    long double u = 0, v = 0;
                    for (int a = 0; a < 3; ++a) u += t.g[i][a] * w[static_cast<std::size_t>(a)];
                    for (int a = 0; a < t.points; ++a) v += t.bt[i][a] * x[static_cast<std::size_t>(a)];
                    y += t.at[k][i] * u * v;
                }
                const auto at = static_cast<std::size_t>(k);
                EXPECT_NEAR(static_cast<double>(y), static_cast<double>(w[0] * x[at] + w[1] * x[at + 1] + w[2] * x[at + 2]), 1e-14);
            }
        }
    }
}

// A smaller tile's G is part of the whole tile's, so that both use the same transformed weights.
TEST(CookToom, SmallerTilesShareG) {
    for (const int whole : {2, 4, 6}) {
        const CookToom all = winograd_matrices(whole, whole);
        for (int m = 1; m <= whole; ++m) {
            const CookToom t = winograd_matrices(whole, m);
            for (int i = 0; i < t.points; ++i) {
                const int number = AxisTiles{whole, whole}.point(m, i);
                for (int a = 0; a < 3; ++a) EXPECT_EQ(t.g[i][a], all.g[number][a]) << whole << " " << m << " " << i;
            }
        }
    }
}

TEST(CookToom, UnknownTilesAreRefused) {
    EXPECT_THROW(winograd_matrices(3, 1), std::invalid_argument);
    EXPECT_THROW(winograd_matrices(4, 5), std::invalid_argument);
    EXPECT_THROW(winograd_matrices(4, 0), std::invalid_argument);
}

// Every tile is in one block, blocks are no larger than told, and the workspace keeps its bound.
TEST(WinogradTiling, CutsEveryMapOnce) {
    struct Size {
        std::int64_t batch, groups, height, width, in, out;
    };
    const Size sizes[] = {{1, 1, 56, 56, 64, 64},  {1, 1, 7, 7, 512, 512},  {8, 1, 7, 7, 512, 512},     {1, 1, 224, 224, 64, 64},
                          {1, 1, 1, 1, 1, 1},      {3, 2, 13, 14, 37, 53},  {1, 1, 28, 28, 512, 512},   {1, 1, 14, 14, 2048, 2048},
                          {40, 1, 3, 200, 16, 16}, {1, 1, 500, 300, 8, 16}, {2, 1, 5, 800, 100, 240},   {1, 1, 31, 31, 20000, 64},
                          {1, 8, 20, 20, 4, 4},    {17, 3, 9, 10, 300, 30}, {1, 1, 4096, 1, 128, 1024}, {1, 1, 17, 35, 700, 2}};
    for (const KernelSet& set : kernel_sets()) {
        for (const DType dtype : {DType::f32, DType::f64}) {
            for (const Size& z : sizes) {
                ConvRequest r = image(z.height, z.width, z.in, z.out, 3);
                r.batch = z.batch;
                r.groups = z.groups;
                r.channels = z.groups * z.in;
                r.w_out = z.groups * z.out;
                r.dtype = dtype;
                Problem p = problem_of(r, *set.table);
                for (const Packing packing : {Packing::once, Packing::every_call})
                    for (const int whole : {2, 4, 6}) {
                        p.packing = packing;
                        if (!winograd_refusal(p, whole).empty()) continue;
                        const WinogradTiling t = tile_winograd(p, whole);
                        std::map<std::vector<std::int64_t>, int> seen;
                        for (std::int64_t i = 0; i < t.blocks; ++i) {
                            const TileBlock b = t.block(i, z.groups);
                            ASSERT_LE(b.tiles(), t.most_tiles());
                            ASSERT_GT(b.tiles(), 0);
                            for (std::int64_t n = 0; n < b.images; ++n) {
                                for (std::int64_t y = b.row; y < b.end_row; ++y) {
                                    for (std::int64_t x = b.column; x < b.end_column; ++x) ++seen[{b.group, b.image + n, y, x}];
                                }
                            }
                        }
                        ASSERT_EQ(static_cast<std::int64_t>(seen.size()), z.groups * z.batch * t.rows.count() * t.columns.count())
                            << text_of(r);
                        for (const auto& [tile, times] : seen) ASSERT_EQ(times, 1) << text_of(r);
                        for (const int threads : {1, 2, 7}) {
                            EXPECT_LE(winograd_workspace_bytes(p, whole, threads), workspace_of_a_thread * threads)
                                << text_of(r) << " " << whole;
                        }
                    }
            }
        }
    }
}

TEST(WinogradTiling, RefusesWhatItCannotServe) {
    const KernelTable& table = *kernel_sets().back().table;
    EXPECT_EQ(winograd_refusal(problem_of(image(9, 9, 4, 4, 3), table), 4), "");
    EXPECT_NE(winograd_refusal(problem_of(image(9, 9, 4, 4, 5), table), 4), "");
    EXPECT_NE(winograd_refusal(problem_of(line(9, 3, 1, 1, 1, 1), table), 4), "");
    ConvRequest r = image(9, 9, 4, 4, 3);
    r.stride = {1, 2};
    EXPECT_NE(winograd_refusal(problem_of(r, table), 4), "");
    r = image(9, 9, 4, 4, 3);
    r.dilation = {2, 1};
    EXPECT_NE(winograd_refusal(problem_of(r, table), 4), "");
    EXPECT_NE(winograd_refusal(problem_of(image(9, 9, 100'000, 4, 3), table), 4), "");
}

template <class T>
std::vector<T> result(const Problem& p, const std::vector<T>& x, const std::vector<T>& w, const char* algorithm, int threads) {
    const ConvShape& s = p.shape;
    const std::int64_t height = s.axis[1].input, width = s.axis[2].input;
    WeightsView<T> weights;
    weights.w = {w.data(), s.in_channels * 9, 9, {9, 3, 1}};
    const ConvPlan plan(p, algorithm, weights, threads);
    std::vector<T> y(static_cast<std::size_t>(s.batch * s.out_channels * s.pixels()));
    Operands<T> io;
    io.x = {x.data(), s.in_channels * height * width, height * width, {height * width, width, 1}};
    io.y = y.data();
    io.y_batch = s.out_channels * s.pixels();
    plan.run(s, plan.parameters(), io, threads);
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
            const Problem p = problem_of(r, *set.table);
            std::vector<T> x(static_cast<std::size_t>(2 * 150 * side * (side + 1))), w(70 * 150 * 9);
            for (T& v : x) v = random.real<T>();
            for (T& v : w) v = random.real<T>();
            const std::vector<T> expected = result(p, x, w, "winograd", 1);
            WinogradLimits limits;
            for (const std::int64_t prepared : {std::int64_t{0}, limits.most_prepared}) {
                for (const std::int64_t tiles : {1, 4, 100}) {
                    for (const std::int64_t slow : {std::int64_t{0}, limits.slow_weights}) {
                        limits.most_prepared = prepared;
                        limits.tiles_of_block = limits.tiles_of_far_block = tiles;
                        limits.slow_weights = slow;
                        const LimitsScope scope(limits);
                        ASSERT_EQ(result(p, x, w, "winograd", 2), expected) << side << " " << prepared << " " << tiles << " " << slow;
                    }
                }
            }
            const std::vector<T> direct = result(p, x, w, "naive", 1);
            double error = 0, size = 0;
            for (std::size_t i = 0; i < direct.size(); ++i) {
                error += std::pow(static_cast<double>(expected[i]) - static_cast<double>(direct[i]), 2);
                size += std::pow(static_cast<double>(direct[i]), 2);
            }
            EXPECT_LE(std::sqrt(error / size), sizeof(T) == 4 ? 2e-6 : 1e-14);
        }
    }
}

}  // namespace
}  // namespace npconv::test

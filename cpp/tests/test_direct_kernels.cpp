// SPDX-License-Identifier: BSD-3-Clause
// The kernels of the direct convolution, every one of every kernel set of this machine: sums bit by bit as a scalar loop in their order has
// them, which is what makes results independent of the tiles; on small integers exactly what a convolution is; at the edge of the input
// nothing read beyond it; and sums that leave for the output in both layouts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "compare.hpp"
#include "guarded.hpp"

namespace npconv::test {
namespace {

template <class T>
class DirectTiles : public ::testing::Test {};
TYPED_TEST_SUITE(DirectTiles, Elements);

enum class Kind { tile, single, edge_tile, edge_single };

// A call of one kernel: passes of several tap rows and of one, in any order in the input and among the weights.
template <class T>
struct DirectCall {
    int channels, rows, most_rows, vectors, lanes;
    std::vector<std::int64_t> column{2, 0, 7, 3, 5};
    std::vector<DirectPass> passes;
    DirectTile<T> tile{};
    Guarded<T> x, w, sums;

    DirectCall(int m, int used_rows, int r, int v, int l, std::int64_t last_columns, GuardPages side)
        : channels(m),
          rows(used_rows),
          most_rows(r),
          vectors(v),
          lanes(l),
          passes{{40, 20 * m, 3}, {0, 5 * m, 1}, {11, 40 * m, 9}},
          x(40 + (used_rows + 10) * row_step() + v * vector_step() + 8 + l, side),
          w(90 * m, side),
          sums(m * r * v * l, side) {
        tile.x = x.data();
        tile.w = w.data();
        tile.pass = passes.data();
        tile.passes = static_cast<std::int64_t>(passes.size());
        tile.row_step = row_step();
        tile.vector_step = vector_step();
        tile.column = column.data();
        tile.columns = static_cast<std::int64_t>(column.size());
        tile.last_columns = last_columns;
        tile.rows = rows;
        tile.sums = sums.data();
    }

    std::int64_t row_step() const { return 3 * lanes + 1; }
    std::int64_t vector_step() const { return lanes + 5; }

    template <class F>
    void fill(const F& value) {
        for (T& a : x) a = value();
        for (T& a : w) a = value();
    }

    // As the kernels are told to sum; outside of the row there are zeros.
    T expected(int m, int r, int v, int lane, bool fused, bool edge, T start = T(0)) const {
        T total = start;
        for (const DirectPass& p : passes) {
            for (std::int64_t t = 0; t < p.tap_rows; ++t) {
                const std::int64_t n = t == p.tap_rows - 1 ? tile.last_columns : tile.columns;
                for (std::int64_t c = 0; c < n; ++c) {
                    const std::int64_t at = column[static_cast<std::size_t>(c)] + lane;
                    const bool outside = edge && (tile.place + at < 0 || tile.place + at >= tile.width);
                    const T a = outside ? T(0) : x[p.offset + (r + t) * row_step() + v * vector_step() + at];
                    const T b = w[p.w + (t * tile.columns + c) * channels + m];
                    total = fused ? std::fma(a, b, total) : total + a * b;
                }
            }
        }
        return total;
    }

    T sum(int m, int r, int v, int lane) const { return sums[((m * most_rows + r) * vectors + v) * lanes + lane]; }

    ::testing::AssertionResult right(bool fused, bool edge = false, T start = T(0)) const {
        for (int m = 0; m < channels; ++m) {
            for (int r = 0; r < rows; ++r) {
                for (int v = 0; v < vectors; ++v) {
                    for (int lane = 0; lane < lanes; ++lane) {
                        const T want = expected(m, r, v, lane, fused, edge, start);
                        if (!same(sum(m, r, v, lane), want)) {
                            return ::testing::AssertionFailure() << "channel " << m << ", row " << r << ", vector " << v << ", lane "
                                                                 << lane << ": " << sum(m, r, v, lane) << ", expected " << want;
                        }
                    }
                }
            }
        }
        if (!x.canaries_intact() || !w.canaries_intact() || !sums.canaries_intact()) return ::testing::AssertionFailure() << "canaries";
        return ::testing::AssertionSuccess();
    }
};

// f(table, kernel, channels, rows of the kernel, vectors, is it of an edge?, side)
template <class T, class F>
void for_each_direct(const F& f) {
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        const DirectKernels<T>& k = direct_kernels_of<T>(table);
        const DirectEntry& entry = entry_of<T>(table.entries->direct);
        for (int m = 1; m <= max_direct_channels; ++m) {
            const auto i = static_cast<std::size_t>(m - 1);
            for (const Kind kind : {Kind::tile, Kind::single, Kind::edge_tile, Kind::edge_single}) {
                const bool edge = kind == Kind::edge_tile || kind == Kind::edge_single;
                const bool several = kind == Kind::tile || kind == Kind::edge_tile;
                for (int v = 1; v <= (edge ? 1 : several ? entry.tile[i].vectors : entry.tile[i].single_vectors); ++v) {
                    const auto j = static_cast<std::size_t>(v - 1);
                    const auto kernel = edge ? (several ? k.edge_tile[i] : k.edge_single[i]) : several ? k.tile[i][j] : k.single[i][j];
                    if (edge && !entry.edges) continue;
                    ASSERT_NE(kernel, nullptr);
                    for (const GuardPages side : {GuardPages::after, GuardPages::before}) {
                        SCOPED_TRACE(std::to_string(m) + " channels, " + std::to_string(v) + " vectors, kind " +
                                     std::to_string(static_cast<int>(kind)));
                        f(table, kernel, m, several ? entry.tile[i].rows : 1, v, edge, side);
                    }
                }
            }
        }
    });
}

bool fused(const KernelTable& table) { return std::string(table.isa) != "baseline"; }

TYPED_TEST(DirectTiles, TableIsComplete) {
    using T = TypeParam;
    for (const KernelSet& set : kernel_sets()) {
        const DirectKernels<T>& k = direct_kernels_of<T>(*set.table);
        const DirectEntry& entry = entry_of<T>(set.table->entries->direct);
        EXPECT_EQ(entry.lanes, kernels_of<T>(*set.table).lanes);
        for (std::size_t m = 0; m < max_direct_channels; ++m) {
            const DirectTileSize& size = entry.tile[m];
            EXPECT_TRUE(size.rows >= 1 && size.rows <= max_direct_rows);
            EXPECT_TRUE(size.vectors >= 1 && size.single_vectors >= 1);
            EXPECT_EQ(k.edge_tile[m] != nullptr, entry.edges);
            EXPECT_EQ(k.edge_single[m] != nullptr, entry.edges);
            for (std::size_t v = 0; v < max_direct_vectors; ++v) {
                EXPECT_EQ(k.tile[m][v] != nullptr, static_cast<int>(v) < size.vectors);
                EXPECT_EQ(k.single[m][v] != nullptr, static_cast<int>(v) < size.single_vectors);
                EXPECT_EQ(k.finish[m][v] != nullptr, static_cast<int>(v) < std::max(size.vectors, size.single_vectors));
            }
        }
    }
}

TYPED_TEST(DirectTiles, SumInOrder) {
    using T = TypeParam;
    Random random(1);
    for_each_direct<T>([&](const KernelTable& table, auto kernel, int m, int r, int v, bool edge, GuardPages side) {
        for (int rows = 1; rows <= r; ++rows) {
            for (const std::int64_t last : {5, 2}) {
                DirectCall<T> c(m, rows, r, v, kernels_of<T>(table).lanes, last, side);
                c.fill([&] { return random.real<T>(); });
                c.tile.place = -3;
                c.tile.width = c.lanes;
                kernel(c.tile);
                ASSERT_TRUE(c.right(fused(table), edge)) << rows << " rows";
                std::fill(c.sums.begin(), c.sums.end(), T(0.75));
                c.tile.accumulate = true;
                c.tile.fetch = 1000;
                kernel(c.tile);
                ASSERT_TRUE(c.right(fused(table), edge, T(0.75))) << rows << " rows, accumulated";
            }
        }
    });
}

TYPED_TEST(DirectTiles, SmallIntegersAreExact) {
    using T = TypeParam;
    Random random(2);
    for_each_direct<T>([&](const KernelTable& table, auto kernel, int m, int r, int v, bool edge, GuardPages side) {
        DirectCall<T> c(m, r, r, v, kernels_of<T>(table).lanes, 4, side);
        c.fill([&] { return random.small_integer<T>(); });
        c.tile.place = -1;
        c.tile.width = 3;
        kernel(c.tile);
        EXPECT_TRUE(c.right(false, edge));
    });
}

// A row of the input alone in memory, of which a vector at either end, beyond both, or beyond it altogether is read.
TYPED_TEST(DirectTiles, NothingIsReadBeyondTheEdge) {
    using T = TypeParam;
    Random random(3);
    for_each_direct<T>([&](const KernelTable& table, auto kernel, int m, int r, int v, bool edge, GuardPages side) {
        if (!edge) return;
        const int lanes = kernels_of<T>(table).lanes;
        for (const std::int64_t width : {1, lanes - 1, lanes + 1, 2 * lanes}) {
            for (const std::int64_t place : {std::int64_t(-2 * lanes), std::int64_t(-5), std::int64_t(0), width - 1, width + 4}) {
                DirectCall<T> c(m, 1, r, v, lanes, 5, side);
                c.fill([&] { return random.small_integer<T>(); });
                c.passes = {{0, 0, 1}};
                c.tile.pass = c.passes.data();
                c.tile.passes = 1;
                Guarded<T> row(width, side);
                for (T& a : row) a = random.small_integer<T>();
                c.tile.x = row.data() + place;
                c.tile.place = place;
                c.tile.width = width;
                kernel(c.tile);
                for (std::int64_t i = 0; i < static_cast<std::int64_t>(lanes) + 8; ++i)
                    c.x[i] = place + i >= 0 && place + i < width ? row[place + i] : T(0);
                ASSERT_TRUE(c.right(false, true)) << "width " << width << ", place " << place;
            }
        }
    });
}

TYPED_TEST(DirectTiles, SumsLeaveForTheOutput) {
    using T = TypeParam;
    Random random(4);
    for_each_direct<T>([&](const KernelTable& table, auto kernel, int m, int r, int v, bool edge, GuardPages side) {
        if (edge) return;
        const std::int64_t lanes = kernels_of<T>(table).lanes, width = v * lanes;
        for (const bool last : {false, true}) {
            for (const std::int64_t pixels : {width, width - lanes + 1}) {
                DirectCall<T> c(m, r, r, v, static_cast<int>(lanes), 5, side);
                c.fill([&] { return random.small_integer<T>(); });
                c.tile.vector_step = lanes;
                const std::int64_t row = width + 2, all = r * row - 2 - (width - pixels), gap = last ? m + 1 : all + 3;
                Guarded<T> y(last ? (all - 1) * gap + m : (m - 1) * gap + all, side), residual(y.size(), side), bias(m, side);
                for (T& a : residual) a = random.small_integer<T>();
                for (T& a : bias) a = random.small_integer<T>();
                Output<T> o{y.data(), gap, bias.data(), residual.data(), gap, m, Activation::clip, T(-9), T(50)};
                c.tile.output = &o;
                c.tile.channels_last = last;
                c.tile.y_row = row;
                c.tile.pixels = pixels;
                kernel(c.tile);
                for (int i = 0; i < m; ++i) {
                    for (int k = 0; k < r; ++k) {
                        for (std::int64_t p = 0; p < row && k * row + p < all; ++p) {
                            const std::int64_t at = k * row + p, place = last ? at * gap + i : i * gap + at;
                            if (p >= pixels) {
                                ASSERT_TRUE(std::isnan(y[place]));
                                continue;
                            }
                            const auto vector = static_cast<int>(p / lanes), lane = static_cast<int>(p % lanes);
                            const T want = c.sum(i, k, vector, lane) + bias[i] + residual[place];
                            ASSERT_EQ(y[place], std::min(T(50), std::max(T(-9), want)));
                        }
                    }
                }
                EXPECT_TRUE(y.canaries_intact());
            }
        }
    });
}

}  // namespace
}  // namespace npconv::test

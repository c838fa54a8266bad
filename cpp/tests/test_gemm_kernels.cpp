// SPDX-License-Identifier: BSD-3-Clause
// The GEMM microkernels, every one of every kernel set of this machine, of both orders of lanes. A.I == A and I.B == B exactly; small
// integers exactly; and real numbers bit by bit as a scalar loop in the order of k has them, which is what makes results independent of the
// tiling. (How sums leave for the output is in test_finish_kernels.cpp.)
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "gemm_call.hpp"

namespace npconv::test {
namespace {

template <class T>
class GemmKernels : public ::testing::Test {};
TYPED_TEST_SUITE(GemmKernels, Elements);

TYPED_TEST(GemmKernels, TableIsComplete) {
    using T = TypeParam;
    for (const KernelSet& set : kernel_sets()) {
        SCOPED_TRACE(set.table->isa);
        const Kernels<T>& kernels = kernels_of<T>(*set.table);
        const GemmEntry& entry = entry_of<T>(set.table->entries->gemm);
        EXPECT_EQ(entry.lanes, kernels.lanes);
        EXPECT_EQ(kernels.lanes * static_cast<int>(sizeof(T)), set.table->entries->vector_bytes);
        EXPECT_TRUE(entry.nv >= 1 && entry.nv <= max_nv && entry.pixel_nv >= 1 && entry.pixel_nv <= max_nv);
        EXPECT_TRUE(entry.pixel_mr >= 1 && entry.pixel_mr <= max_mr);
        for (int v = 0; v < max_nv; ++v) {
            const int mr = v < entry.nv - 1 ? max_mr : entry.mr[v];  // only the widest tile has fewer pixels
            EXPECT_EQ(entry.mr[v], v < entry.nv ? mr : 0);
            for (int m = 0; m < max_mr; ++m) {
                EXPECT_EQ(kernels.channel_tile[v][m] != nullptr, v < entry.nv && m < entry.mr[v]);
                EXPECT_EQ(kernels.pixel_tile[v][m] != nullptr, v < entry.pixel_nv && m < entry.pixel_mr);
            }
        }
        EXPECT_GE(entry.mr[entry.nv - 1], 1);
    }
}

TYPED_TEST(GemmKernels, TimesIdentityIsExact) {
    using T = TypeParam;
    Random random(1);
    for_each_tile<T>([&](const KernelTable&, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, lane == Lane::pixel ? m : v * kernels.lanes, side);
        for (T& a : c.x) a = random.real<T>();
        for (std::int64_t k = 0; k < c.depth; ++k) {
            for (std::int64_t j = 0; j < c.channels; ++j) c.weight(k, j) = k == j ? T(1) : T(0);
        }
        c.run();
        for (std::int64_t p = 0; p < c.pixels; ++p) {
            for (std::int64_t j = 0; j < c.channels; ++j) ASSERT_TRUE(same(c.sum(p, j), c.input(p, j)));
        }
    });
}

TYPED_TEST(GemmKernels, IdentityTimesIsExact) {
    using T = TypeParam;
    Random random(2);
    for_each_tile<T>([&](const KernelTable&, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, lane == Lane::pixel ? v * kernels.lanes : m, side);
        for (T& b : c.w) b = random.real<T>();
        for (std::int64_t p = 0; p < c.pixels; ++p) {
            for (std::int64_t k = 0; k < c.depth; ++k) c.input(p, k) = p == k ? T(1) : T(0);
        }
        c.run();
        for (std::int64_t p = 0; p < c.pixels; ++p) {
            for (std::int64_t j = 0; j < c.channels; ++j) ASSERT_TRUE(same(c.sum(p, j), c.weight(p, j)));
        }
    });
}

// k: nothing, the least, pot-minus-1, a power of two (pot), pot-plus-1. Sums that are not accumulated upon hold NaN before.
constexpr std::int64_t depths[] = {0, 1, 2, 255, 256, 257};

TYPED_TEST(GemmKernels, SmallIntegersAreExact) {
    using T = TypeParam;
    Random random(3);
    for_each_tile<T>([&](const KernelTable&, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        for (const std::int64_t k : depths) {
            Call<T> c(kernels, lane, m, v, k, side);
            c.fill([&] { return random.small_integer<T>(); });
            c.run();
            EXPECT_TRUE(c.right(false)) << "k = " << k;
            std::fill(c.sums.begin(), c.sums.end(), T(1000));
            c.run(true);
            EXPECT_TRUE(c.right(false, T(1000))) << "accumulated, k = " << k;
        }
    });
}

TYPED_TEST(GemmKernels, SumInTheOrderOfK) {
    using T = TypeParam;
    Random random(4);
    for_each_tile<T>([&](const KernelTable& table, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, 257, side);
        c.fill([&] { return random.real<T>(); });
        c.run();
        EXPECT_TRUE(c.right(fuses(table)));
    });
}

// Blocks of a sum begin at zero each, so that its error stays that of the blocks.
TYPED_TEST(GemmKernels, AccumulatingAddsASumOfItsOwn) {
    using T = TypeParam;
    Random random(5);
    for_each_tile<T>([&](const KernelTable&, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, 129, side);
        c.fill([&] { return random.real<T>(); });
        c.run();
        const std::vector<T> first(c.sums.begin(), c.sums.end());
        c.fill([&] { return random.real<T>(); });
        c.run(true);
        const std::vector<T> both(c.sums.begin(), c.sums.end());
        c.run();
        for (std::size_t i = 0; i < both.size(); ++i) ASSERT_EQ(both[i], first[i] + c.sums[static_cast<std::int64_t>(i)]);
    });
}

// The same numbers as one dense segment, but in pieces (some empty, in any order in x and in the panel of weights), with steps of k_stride,
// between NaN.
TYPED_TEST(GemmKernels, SegmentsAreOneLongSum) {
    using T = TypeParam;
    constexpr std::int64_t steps = 68;  // of k_stride, and rows of weights
    constexpr std::int64_t lengths[] = {1, 0, 7, 30, 0, 2};
    constexpr std::int64_t places[] = {30, 2, 0, 38, 31, 33};  // where in a pixel's x each piece begins, in steps,
    constexpr std::int64_t rows[] = {66, 0, 50, 9, steps, 3};  // and where in the weights
    Random random(6);
    for_each_tile<T>([&](const KernelTable& table, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, 40, side);
        c.fill([&] { return random.real<T>(); });
        const std::int64_t k_stride = 3 * c.unit, item = steps * k_stride;
        Guarded<T> x(c.items * item - 2 * c.unit, side), w(steps * c.channels, side);
        c.segments.clear();
        std::int64_t k = 0;
        for (std::size_t s = 0; s < std::size(lengths); ++s) {
            c.segments.push_back({places[s] * k_stride, rows[s], lengths[s]});
            for (std::int64_t l = 0; l < lengths[s]; ++l, ++k) {
                for (std::int64_t p = 0; p < c.pixels; ++p) x[p / c.unit * item + (places[s] + l) * k_stride + p % c.unit] = c.input(p, k);
                for (std::int64_t j = 0; j < c.channels; ++j) w[(rows[s] + l) * c.channels + j] = c.weight(k, j);
            }
        }
        ASSERT_EQ(k, c.depth);
        for (std::int64_t i = 0; i < c.items; ++i) c.at[i] = i * item;
        GemmTile<T> t = c.tile(false);
        t.x = x.data();
        t.w = w.data();
        t.k_stride = k_stride;
        c.run(t);
        EXPECT_TRUE(c.right(fuses(table)));
        EXPECT_TRUE(x.canaries_intact() && w.canaries_intact());
    });
}

// Items in any order, repeated, before and after the base pointer; channels first (k_stride is a row of pixels) and backwards.
TYPED_TEST(GemmKernels, PixelsStandAnywhere) {
    using T = TypeParam;
    constexpr std::int64_t k = 9, row = 71, base = 33;
    Random random(7);
    for_each_tile<T>([&](const KernelTable& table, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        for (const bool backwards : {false, true}) {
            Call<T> c(kernels, lane, m, v, k, side);
            c.fill([&] { return random.real<T>(); });
            Guarded<T> image(k * row, side);
            for (T& value : image) value = random.real<T>();
            for (std::int64_t i = 0; i < c.items; ++i) {
                const std::int64_t ends[] = {0, row - c.unit, 17, 17, 3};  // first, last, twice the same, then any
                const std::int64_t place = i < 5 ? ends[i] : random.integer(0, row - c.unit);
                c.at[i] = place - base;
                for (std::int64_t j = 0; j < k; ++j) {
                    for (std::int64_t l = 0; l < c.unit; ++l)
                        c.input(i * c.unit + l, j) = image[(backwards ? k - 1 - j : j) * row + place + l];
                }
            }
            GemmTile<T> t = c.tile(false);
            t.x = image.data() + base + (backwards ? (k - 1) * row : 0);
            t.k_stride = backwards ? -row : row;
            c.run(t);
            EXPECT_TRUE(c.right(fuses(table)));
            EXPECT_TRUE(image.canaries_intact());
        }
    });
}

// Sums in any order, with others between them that must stay: index (pixels) and slot (vectors of pixels).
TYPED_TEST(GemmKernels, SumsStandAnywhere) {
    using T = TypeParam;
    Random random(8);
    for_each_tile<T>([&](const KernelTable& table, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, 11, side);
        c.fill([&] { return random.real<T>(); });
        const std::int64_t item = c.unit * c.channels, places = 2 * c.items - 1;  // every other one, the last and the first among them
        Guarded<T> sums(places * item, side);
        for (std::int64_t i = 0; i < c.items; ++i) c.place[i] = 2 * ((i + c.items / 2) % c.items);
        GemmTile<T> t = c.tile(false);
        t.sums = sums.data();
        c.run(t);
        EXPECT_TRUE(c.right(sums, fuses(table)));
        for (std::int64_t i = 0; i < places * item; ++i) {
            ASSERT_EQ(std::isnan(sums[i]), i / item % 2 == 1) << "the sums of others";
            if (i / item % 2 == 0) sums[i] = T(3);
        }
        t.accumulate = true;
        c.run(t);
        EXPECT_TRUE(c.right(sums, fuses(table), T(3)));
        EXPECT_TRUE(sums.canaries_intact());
    });
}

// Several register tiles by one call, whose lists follow each other.
TYPED_TEST(GemmKernels, SeveralTilesAreAsManyCalls) {
    using T = TypeParam;
    constexpr std::int64_t tiles = 3;
    Random random(9);
    for_each_tile<T>([&](const KernelTable& table, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        Call<T> c(kernels, lane, m, v, 11, side);
        c.fill([&] { return random.real<T>(); });
        c.run();
        EXPECT_TRUE(c.right(fuses(table)));
        const std::int64_t item = c.unit * c.channels, listed = tiles * c.items;
        Guarded<T> sums(listed * item, side);
        Guarded<std::int64_t> at(listed, side), place(listed, side);
        for (std::int64_t i = 0; i < listed; ++i) {
            at[i] = c.at[i % c.items];
            place[i] = listed - 1 - i;
        }
        GemmTile<T> t = c.tile(false);
        t.tiles = tiles;
        t.at = at.data();
        (c.pixel_lanes ? t.slot : t.index) = place.data();
        t.sums = sums.data();
        c.run(t);
        for (std::int64_t i = 0; i < listed * item; ++i) {
            const std::int64_t listed_as = listed - 1 - i / item;
            ASSERT_EQ(sums[i], c.sums[listed_as % c.items * item + i % item]) << "item " << listed_as;
        }
        EXPECT_TRUE(sums.canaries_intact() && at.canaries_intact() && place.canaries_intact());
    });
}

}  // namespace
}  // namespace npconv::test

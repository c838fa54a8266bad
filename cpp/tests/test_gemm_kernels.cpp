// SPDX-License-Identifier: BSD-3-Clause
// The GEMM microkernels, every one of every kernel set of this machine. A.I == A and I.B == B exactly; small integers exactly; and real
// numbers bit by bit as a scalar loop in the order of k has them, which is what makes results independent of the tiling.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "compare.hpp"
#include "guarded.hpp"

namespace npconv::test {
namespace {

// A call of the kernel of m pixels x v vectors. x is dense, [m][k], until a test arranges it otherwise.
template <class T>
struct Call {
    Call(const Kernels<T>& kernels, int m, int v, std::int64_t k, GuardPages side)
        : kernel(kernels.gemm[m - 1][v - 1]),
          rows(m),
          width(v * kernels.lanes),
          depth(k),
          x(m * k, side),
          w(k * width, side),
          acc(m * width, side),
          pixel(m, side),
          segments{{0, k}} {
        for (int i = 0; i < m; ++i) pixel[i] = i * k;
    }

    template <class F>
    void fill(const F& f) {
        for (T& value : x) value = f();
        for (T& value : w) value = f();
    }

    GemmTile<T> tile(bool accumulate) const {
        GemmTile<T> t{};
        t.x = x.data();
        t.pixel = pixel.data();
        t.segment = segments.data();
        t.segments = static_cast<std::int64_t>(segments.size());
        t.k_stride = 1;
        t.w = w.data();
        t.acc = acc.data();
        t.accumulate = accumulate;
        return t;
    }

    void run(bool accumulate = false) const { run(tile(accumulate)); }
    void run(const GemmTile<T>& t) const {
        kernel(t);
        EXPECT_TRUE(x.canaries_intact() && w.canaries_intact() && acc.canaries_intact() && pixel.canaries_intact());
    }

    // The definition, on a dense x: one scalar at a time, each step rounded as the instruction set rounds it.
    std::vector<T> expected(bool fused, T start = T(0)) const {
        std::vector<T> sums(static_cast<std::size_t>(rows * width), start);
        for (int i = 0; i < rows; ++i) {
            for (int j = 0; j < width; ++j) {
                T& sum = sums[static_cast<std::size_t>(i * width + j)];
                for (std::int64_t k = 0; k < depth; ++k) {
                    const T a = x[i * depth + k], b = w[k * width + j];
                    sum = fused ? std::fma(a, b, sum) : sum + a * b;
                }
            }
        }
        return sums;
    }

    void (*kernel)(const GemmTile<T>&);
    int rows, width;
    std::int64_t depth;
    Guarded<T> x, w, acc;
    Guarded<std::int64_t> pixel;
    std::vector<Segment> segments;
};

bool fuses(const KernelTable& table) { return std::string(table.isa) != "baseline"; }

// Calls f(table, kernels, m, v, side) for every kernel there is, with the guard page on either side.
template <class T, class F>
void for_each_kernel(const F& f) {
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for (int m = 1; m <= kernels.mr; ++m) {
            for (int v = 1; v <= kernels.nv; ++v) {
                SCOPED_TRACE(std::to_string(m) + " pixels x " + std::to_string(v) + " vectors");
                for (const GuardPages side : guard_sides) f(table, kernels, m, v, side);
            }
        }
    });
}

template <class T>
class GemmKernels : public ::testing::Test {};
TYPED_TEST_SUITE(GemmKernels, Elements);

TYPED_TEST(GemmKernels, TableIsComplete) {
    using T = TypeParam;
    for (const KernelSet& set : kernel_sets()) {
        const Kernels<T>& kernels = kernels_of<T>(*set.table);
        EXPECT_EQ(kernels.lanes * static_cast<int>(sizeof(T)), set.table->vector_bytes);
        for (int m = 0; m < max_mr; ++m) {
            for (int v = 0; v < max_nv; ++v) EXPECT_EQ(kernels.gemm[m][v] != nullptr, m < kernels.mr && v < kernels.nv) << set.table->isa;
        }
    }
}

TYPED_TEST(GemmKernels, TimesIdentityIsExact) {
    using T = TypeParam;
    Random random(1);
    for_each_kernel<T>([&](const KernelTable&, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        const int n = v * kernels.lanes;
        Call<T> c(kernels, m, v, n, side);
        for (T& a : c.x) a = random.real<T>();
        for (int k = 0; k < n; ++k) {
            for (int j = 0; j < n; ++j) c.w[k * n + j] = k == j ? T(1) : T(0);
        }
        c.run();
        EXPECT_TRUE(same(c.acc.data(), c.x.data(), m * n));
    });
}

TYPED_TEST(GemmKernels, IdentityTimesIsExact) {
    using T = TypeParam;
    Random random(2);
    for_each_kernel<T>([&](const KernelTable&, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        Call<T> c(kernels, m, v, m, side);
        for (T& b : c.w) b = random.real<T>();
        for (int i = 0; i < m; ++i) {
            for (int k = 0; k < m; ++k) c.x[i * m + k] = i == k ? T(1) : T(0);
        }
        c.run();
        EXPECT_TRUE(same(c.acc.data(), c.w.data(), m * c.width));
    });
}

// k: nothing, the least, pot-minus-1, a power of two (pot), pot-plus-1.
constexpr std::int64_t depths[] = {0, 1, 2, 255, 256, 257};

TYPED_TEST(GemmKernels, SmallIntegersAreExact) {
    using T = TypeParam;
    Random random(3);
    for_each_kernel<T>([&](const KernelTable&, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        for (const std::int64_t k : depths) {
            Call<T> c(kernels, m, v, k, side);
            c.fill([&] { return random.small_integer<T>(); });
            c.run();
            EXPECT_TRUE(same(c.acc.data(), c.expected(false).data(), m * c.width)) << "k = " << k;
            for (T& a : c.acc) a = T(1000);
            c.run(true);
            EXPECT_TRUE(same(c.acc.data(), c.expected(false, T(1000)).data(), m * c.width)) << "accumulated, k = " << k;
        }
    });
}

TYPED_TEST(GemmKernels, SumInTheOrderOfK) {
    using T = TypeParam;
    Random random(4);
    for_each_kernel<T>([&](const KernelTable& table, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        Call<T> c(kernels, m, v, 257, side);
        c.fill([&] { return random.real<T>(); });
        c.run();
        EXPECT_TRUE(same(c.acc.data(), c.expected(fuses(table)).data(), m * c.width));
    });
}

TYPED_TEST(GemmKernels, AccumulatingGoesOnWhereTheSumStopped) {
    using T = TypeParam;
    Random random(5);
    for_each_kernel<T>([&](const KernelTable& table, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        Call<T> c(kernels, m, v, 129, side);
        c.fill([&] { return random.real<T>(); });
        GemmTile<T> t = c.tile(false);
        const Segment head{0, 64}, tail{64, 65};
        t.segments = 1;
        t.segment = &head;
        c.run(t);
        t.segment = &tail;
        t.w += 64 * c.width;
        t.accumulate = true;
        c.run(t);
        EXPECT_TRUE(same(c.acc.data(), c.expected(fuses(table)).data(), m * c.width));
    });
}

// The same numbers as one dense segment, but in pieces (some empty, in any order in memory), k_stride elements apart, between NaN.
TYPED_TEST(GemmKernels, SegmentsAreOneLongSum) {
    using T = TypeParam;
    constexpr std::int64_t k_stride = 3;
    Random random(6);
    for_each_kernel<T>([&](const KernelTable& table, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        Call<T> c(kernels, m, v, 40, side);
        c.fill([&] { return random.real<T>(); });
        const std::int64_t lengths[] = {1, 0, 7, 30, 0, 2};
        const std::int64_t places[] = {30, 2, 0, 38, 31, 33};  // in units of k_stride: where in a pixel's row each piece begins
        const std::int64_t row = 68 * k_stride;
        Guarded<T> scattered(m * row - (k_stride - 1), side);
        for (int i = 0; i < m; ++i) {
            std::int64_t k = 0;
            for (std::size_t s = 0; s < std::size(lengths); ++s) {
                for (std::int64_t l = 0; l < lengths[s]; ++l) scattered[i * row + (places[s] + l) * k_stride] = c.x[i * c.depth + k++];
            }
            ASSERT_EQ(k, c.depth);
            c.pixel[i] = i * row;
        }
        c.segments.clear();
        for (std::size_t s = 0; s < std::size(lengths); ++s) c.segments.push_back({places[s] * k_stride, lengths[s]});
        GemmTile<T> t = c.tile(false);
        t.x = scattered.data();
        t.k_stride = k_stride;
        c.run(t);
        EXPECT_TRUE(same(c.acc.data(), c.expected(fuses(table)).data(), m * c.width));
        EXPECT_TRUE(scattered.canaries_intact());
    });
}

// Pixels in any order, repeated, before and after the base pointer; channels first (k_stride is a row of pixels) and backwards.
TYPED_TEST(GemmKernels, PixelsStandAnywhere) {
    using T = TypeParam;
    constexpr std::int64_t k = 9, pixels = 31;
    Random random(7);
    for_each_kernel<T>([&](const KernelTable& table, const Kernels<T>& kernels, int m, int v, GuardPages side) {
        for (const bool backwards : {false, true}) {
            Call<T> c(kernels, m, v, k, side);
            Guarded<T> image(k * pixels, side);
            c.fill([&] { return random.real<T>(); });
            for (T& value : image) value = random.real<T>();
            const std::int64_t base = 15;
            for (int i = 0; i < m; ++i) {
                const std::int64_t ends[] = {0, pixels - 1, 17, 17, 3};  // first, last, twice the same, then any
                const std::int64_t p = i < 5 ? ends[i] : random.integer(0, pixels - 1);
                c.pixel[i] = p - base;
                for (std::int64_t j = 0; j < k; ++j) c.x[i * k + j] = image[(backwards ? k - 1 - j : j) * pixels + p];
            }
            GemmTile<T> t = c.tile(false);
            t.x = image.data() + base + (backwards ? (k - 1) * pixels : 0);
            t.k_stride = backwards ? -pixels : pixels;
            c.run(t);
            EXPECT_TRUE(same(c.acc.data(), c.expected(fuses(table)).data(), m * c.width));
            EXPECT_TRUE(image.canaries_intact());
        }
    });
}

}  // namespace
}  // namespace npconv::test

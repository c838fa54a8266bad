// SPDX-License-Identifier: BSD-3-Clause
// The kernels of transposed convolution and of the gradient of depthwise weights, of every set, against loops.
#include <gtest/gtest.h>

#include <vector>

#include "compare.hpp"
#include "guarded.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

using Size = std::int64_t;

template <class T>
class AdjointKernels : public ::testing::Test {};
TYPED_TEST_SUITE(AdjointKernels, Elements);

TYPED_TEST(AdjointKernels, RowsAreInterleaved) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for (const GuardPages side : guard_sides) {
            for (const Size rows : {1, 2, 3, 4, 5, 8, 16}) {
                for (Size n = 0; n <= 40; ++n) {
                    SCOPED_TRACE(::testing::Message() << table.isa << ", " << rows << " rows of " << n);
                    const Size step = n + 3;
                    Guarded<T> from((rows - 1) * step + n, side), to(rows * n, side);
                    for (Size i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i);
                    kernels.interleave({from.data(), step, rows, n, to.data()});
                    for (Size r = 0; r < rows; ++r) {
                        for (Size i = 0; i < n; ++i) ASSERT_EQ(to[i * rows + r], static_cast<T>(r * step + i));
                    }
                    ASSERT_TRUE(to.canaries_intact());
                }
            }
        }
    });
}

TYPED_TEST(AdjointKernels, ProductsAreSummedOverTaps) {
    using T = TypeParam;
    Random random(3);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        const Size lanes = kernels.lanes;
        for (const GuardPages side : guard_sides) {
            for (Size group = 1; group <= lanes; group *= 2) {
                for (const Size taps : {1, 2, 3, 5, 9, 10, 25}) {
                    const Size rows = random.integer(1, 3), columns = random.integer(1, 5), channels = random.integer(1, lanes);
                    SCOPED_TRACE(::testing::Message() << table.isa << ", groups of " << group << ", " << taps << " taps");
                    Guarded<T> g(rows * columns * channels, side), x((rows + 4) * (columns + 6) * lanes, side),
                        sums(taps * group * lanes, side);
                    for (T& v : g) v = static_cast<T>(random.integer(-3, 3));
                    for (T& v : x) v = static_cast<T>(random.integer(-3, 3));
                    for (T& v : sums) v = static_cast<T>(random.integer(-3, 3));
                    std::vector<Size> offset;
                    for (Size t = 0; t < taps; ++t) offset.push_back((t / 5 % 4 * (columns + 6) + t % 5) * lanes);
                    std::vector<T> expected(sums.begin(), sums.end());
                    const Size x_row = (columns + 6) * lanes;
                    for (Size t = 0; t < taps; ++t) {
                        for (Size i = 0; i < group; ++i) {
                            for (Size c = 0; c < channels; ++c) {
                                for (Size p = 0; p < rows * columns; ++p) {
                                    const Size at = p / columns * x_row + p % columns * lanes + offset[static_cast<std::size_t>(t)];
                                    expected[static_cast<std::size_t>((t * group + i) * lanes + c)] +=
                                        g[p * channels + c] * x[at + c / group * group + i];
                                }
                            }
                        }
                    }
                    TapProducts<T> p{};
                    p.g = g.data();
                    p.g_pixel = channels;
                    p.g_row = columns * channels;
                    p.x = x.data();
                    p.x_pixel = lanes;
                    p.x_row = x_row;
                    p.rows = rows;
                    p.columns = columns;
                    p.offset = offset.data();
                    p.taps = taps;
                    p.group = group;
                    p.channels = static_cast<int>(channels);
                    p.sums = sums.data();
                    depthwise_kernels_of<T>(table).tap_products(p);
                    for (Size i = 0; i < sums.size(); ++i) {
                        if (i % lanes >= channels) continue;  // what stands there is never looked at
                        ASSERT_EQ(sums[i], expected[static_cast<std::size_t>(i)]) << i;
                    }
                    ASSERT_TRUE(sums.canaries_intact());
                }
            }
        }
    });
}

}  // namespace
}  // namespace npconv::test

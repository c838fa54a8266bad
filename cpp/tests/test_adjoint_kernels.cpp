// SPDX-License-Identifier: BSD-3-Clause
// The kernels of transposed convolution and of the gradient of depthwise weights, of every set, against loops.
#include <gtest/gtest.h>

#include <algorithm>
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
                for (int taps = 1; taps <= tap_products_taps; ++taps) {
                    const Size tap_rows = random.integer(1, 7), rows = random.integer(1, 3), columns = random.integer(1, 5),
                               channels = random.integer(1, lanes), dilation = random.integer(1, 2), stride = random.integer(1, 3),
                               width = (columns - 1) * stride + 1 + 6 * dilation;
                    SCOPED_TRACE(::testing::Message() << table.isa << ", groups of " << group << ", " << tap_rows << " rows of " << taps
                                                      << ", stride " << stride << ", dilation " << dilation);
                    Guarded<T> g(rows * columns * channels, side), x((rows + 3) * width * lanes, side),
                        sums(tap_rows * taps * group * lanes, side);
                    for (Guarded<T>* a : {&g, &x, &sums}) {
                        for (T& v : *a) v = static_cast<T>(random.integer(-3, 3));
                    }
                    std::vector<Size> offset;
                    for (Size r = 0; r < tap_rows; ++r) offset.push_back(r % 4 * width * lanes);
                    std::vector<T> expected(sums.begin(), sums.end());
                    for (Size n = 0; n < tap_rows * taps * group * channels * rows * columns; ++n) {
                        const Size p = n % (rows * columns), c = n / (rows * columns) % channels,
                                   i = n / (rows * columns) / channels % group, t = n / (rows * columns) / channels / group;
                        const Size at = (p / columns * width + p % columns * stride + t % taps * dilation) * lanes +
                                        offset[static_cast<std::size_t>(t / taps)];
                        expected[static_cast<std::size_t>((t * group + i) * lanes + c)] +=
                            g[p * channels + c] * x[at + c / group * group + i];
                    }
                    TapProducts<T> p{};
                    p.g = g.data();
                    p.g_pixel = channels;
                    p.g_row = columns * channels;
                    p.x = x.data();
                    p.x_pixel = stride * lanes;
                    p.x_row = width * lanes;
                    p.rows = rows;
                    p.columns = columns;
                    p.offset = offset.data();
                    p.tap_rows = tap_rows;
                    p.tap = dilation * lanes;
                    p.taps = taps;
                    p.group = group;
                    p.channels = static_cast<int>(channels);
                    p.sums = sums.data();
                    p.sum_step = group * lanes;
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

TYPED_TEST(AdjointKernels, TransposedPlanes) {
    using T = TypeParam;
    Random random(5);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for (int round = 0; round < 400; ++round) {
            const Size k = random.integer(least_transposed_taps, least_transposed_taps + transposed_sizes - 1), lanes = kernels.lanes;
            const Size channels = random.integer(1, 3), rows = random.integer(0, 7), columns = random.integer(0, 3 * lanes + 2);
            const Size y_rows = random.integer(1, 2 * rows + k), gap = random.integer(0, 2);
            TransposedPlanes<T> p{};
            p.top = random.integer(0, k - 1);
            p.left = random.integer(0, k - 1);
            p.columns = random.integer(1, 2 * columns + k);
            p.begin = random.integer(0, y_rows - 1);
            p.end = random.integer(p.begin + 1, y_rows);
            p.input_columns = columns;
            p.input_begin = std::clamp<Size>((p.begin + p.top) / 2 - (k - 1) / 2, 0, rows);
            p.input_end = std::clamp<Size>((p.end - 1 + p.top) / 2 + 1, p.input_begin, rows);
            p.x_row = columns + gap;
            SCOPED_TRACE(::testing::Message() << table.isa << ", " << k << " x " << k << ", x " << rows << " x " << columns << ", rows "
                                              << p.begin << " to " << p.end << " of " << p.columns << ", cut " << p.top << " " << p.left);
            const GuardPages side = guard_sides[round % 2];
            const Size there = p.input_end - p.input_begin, y_plane = (p.end - p.begin) * p.columns;
            p.x_channel = there * p.x_row;
            p.w_channel = k * k;
            const bool any = there * columns > 0;
            Guarded<T> x(any ? (channels * there - 1) * p.x_row + columns : 0, side), w(channels * k * k, side), bias(channels, side),
                y(channels * y_plane, side);
            for (Guarded<T>* a : {&x, &w, &bias}) {
                for (T& v : *a) v = static_cast<T>(random.integer(-3, 3));
            }
            p.x = x.data();
            p.w = w.data();
            p.output = {y.data(), y_plane, round % 3 ? bias.data() : nullptr, nullptr, 0, channels, Activation::none, T(0), T(0)};
            if (round % 4 == 1) p.output.activation = Activation::clip;
            if (round % 4 == 2) p.output.activation = Activation::leaky_relu;
            p.output.a = round % 4 == 1 ? T(-5) : T(0.125);
            p.output.b = T(20);
            depthwise_kernels_of<T>(table).transposed_planes[k - least_transposed_taps](p);
            for (Size n = 0; n < channels * y_plane; ++n) {
                const Size c = n / y_plane, i = p.begin + n % y_plane / p.columns, j = n % p.columns;
                T sum = round % 3 ? bias[c] : T(0);
                for (Size t = 0; t < k * k; ++t) {
                    const Size row = i + p.top - t / k, column = j + p.left - t % k;
                    if (row < 0 || row % 2 != 0 || row / 2 >= rows || column < 0 || column % 2 != 0 || column / 2 >= columns) continue;
                    sum += w[(c + 1) * k * k - 1 - t] * x[c * p.x_channel + (row / 2 - p.input_begin) * p.x_row + column / 2];
                }
                if (round % 4 == 1) sum = std::clamp(sum, T(-5), T(20));
                if (round % 4 == 2 && sum < 0) sum *= T(0.125);
                ASSERT_EQ(y[n], sum) << "channel " << c << ", row " << i << ", column " << j;
            }
            ASSERT_TRUE(y.canaries_intact());
        }
    });
}

TYPED_TEST(AdjointKernels, PlanesAreSummedOverTaps) {
    using T = TypeParam;
    Random random(4);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        if (!depthwise_kernels_of<T>(table).plane_products[0]) return;  // of sets without masks
        for (int round = 0; round < 200; ++round) {
            const Size stride = 1 + round / 2 % 2;
            const Size k = plane_taps, lanes = kernels.lanes;
            PlaneProducts<T> p{};
            p.x_rows = random.integer(1, 9);
            p.x_columns = random.integer(1, 3 * lanes);
            p.g_rows = random.integer(1, 7);
            p.g_columns = random.integer(1, 2 * lanes + 1);
            p.top = random.integer(0, k);
            p.left = random.integer(0, k);
            p.x_row = p.x_columns + 2;
            p.g_row = p.g_columns + 1;
            SCOPED_TRACE(::testing::Message() << table.isa << ", " << k << " x " << k << " / " << stride << ", x " << p.x_rows << " x "
                                              << p.x_columns << ", g " << p.g_rows << " x " << p.g_columns);
            const GuardPages side = guard_sides[round % 2];
            p.planes = random.integer(1, 3);
            p.x_plane = p.x_rows * p.x_row;
            p.g_plane = p.g_rows * p.g_row + 3;
            Guarded<T> x((p.planes - 1) * p.x_plane + (p.x_rows - 1) * p.x_row + p.x_columns, side),
                g((p.planes - 1) * p.g_plane + (p.g_rows - 1) * p.g_row + p.g_columns, side), sums(k * k * lanes, side),
                totals(k * k, side);
            for (Guarded<T>* a : {&x, &g, &sums}) {
                for (T& v : *a) v = static_cast<T>(random.integer(-3, 3));
            }
            std::vector<T> expected(static_cast<std::size_t>(k * k));
            for (Size t = 0; t < k * k; ++t) {
                T& total = expected[static_cast<std::size_t>(t)];
                for (Size i = 0; i < lanes; ++i) total += sums[t * lanes + i];
                for (Size n = 0; n < p.planes * p.g_rows * p.g_columns; ++n) {
                    const Size plane = n / p.g_columns / p.g_rows, r = n / p.g_columns % p.g_rows, j = n % p.g_columns;
                    const Size h = stride * r + t / k - p.top, w = stride * j + t % k - p.left;
                    if (h < 0 || h >= p.x_rows || w < 0 || w >= p.x_columns) continue;
                    total += g[plane * p.g_plane + r * p.g_row + j] * x[plane * p.x_plane + h * p.x_row + w];
                }
            }
            p.x = x.data();
            p.g = g.data();
            p.sums = sums.data();
            depthwise_kernels_of<T>(table).plane_products[stride - 1](p);
            depthwise_kernels_of<T>(table).sum_lanes(sums.data(), k * k, totals.data());
            for (Size t = 0; t < k * k; ++t) ASSERT_EQ(totals[t], expected[static_cast<std::size_t>(t)]) << "tap " << t;
            ASSERT_TRUE(sums.canaries_intact() && totals.canaries_intact());
        }
    });
}

}  // namespace
}  // namespace npconv::test

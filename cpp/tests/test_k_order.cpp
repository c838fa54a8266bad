// SPDX-License-Identifier: BSD-3-Clause
// The order of the sum: blocks hold every (tap, channel) once, in the order that the header draws, within their limits, whatever the map.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "plan/k_order.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

ConvShape shape_of(std::int64_t channels, const std::array<std::int64_t, 3>& kernel) {
    ConvShape s;
    s.in_channels = channels;
    for (std::size_t a = 0; a < 3; ++a) s.axis[a].kernel = kernel[a];
    return s;
}

// Walks the blocks as the loops of the header do, and compares each block and each place in it with the count so far.
void expect_in_order(const ConvShape& s, const KOrder& order) {
    std::vector<int> seen(static_cast<std::size_t>(s.k()));
    std::int64_t block = 0, k = 0;
    const auto each = [](const EvenSplit& split, const auto& f) {
        for (std::int64_t i = 0; i < split.parts; ++i) f(split.begin(i), split.begin(i) + split.length(i));
    };
    std::array<std::int64_t, 3> b{}, e{};
    const auto check = [&](std::int64_t c_begin, std::int64_t c_end) {
        const KBlock got = order.block(block++);
        ASSERT_EQ(got.tap_begin, b);
        ASSERT_EQ(got.tap_end, e);
        ASSERT_EQ(got.channel_begin, c_begin);
        ASSERT_EQ(got.channel_end, c_end);
        ASSERT_EQ(got.begin, k);
        ASSERT_EQ(got.channels(), c_end - c_begin);
        ASSERT_EQ(got.taps(), (e[0] - b[0]) * (e[1] - b[1]) * (e[2] - b[2]));
        ASSERT_EQ(got.k(), got.taps() * got.channels());
        ASSERT_LE(got.taps(), order.most_taps());
        ASSERT_LE(got.k(), order.longest());
        ASSERT_LE(got.channels(), order.channels.longest());
        for (std::int64_t d = b[0]; d < e[0]; ++d) {
            for (std::int64_t h = b[1]; h < e[1]; ++h) {
                for (std::int64_t w = b[2]; w < e[2]; ++w) {
                    ASSERT_EQ(got.begin + got.k_of(d, h, w), k);
                    for (std::int64_t c = c_begin; c < c_end; ++c, ++k) {
                        const std::int64_t tap = (d * s.axis[1].kernel + h) * s.axis[2].kernel + w;
                        ++seen[static_cast<std::size_t>(tap * s.in_channels + c)];
                    }
                }
            }
        }
    };
    each(order.taps[0], [&](std::int64_t d, std::int64_t d_end) {
        each(order.taps[1], [&](std::int64_t h, std::int64_t h_end) {
            each(order.taps[2], [&](std::int64_t w, std::int64_t w_end) {
                b = {d, h, w};
                e = {d_end, h_end, w_end};
                each(order.channels, check);
            });
        });
    });
    EXPECT_EQ(block, order.blocks());
    EXPECT_EQ(k, s.k());
    for (const int times : seen) ASSERT_EQ(times, 1);
}

TEST(KOrder, BlocksHoldEveryTapAndChannelOnceAndInOrder) {
    Random random(1);
    std::int64_t several_taps = 0, several_channels = 0, both = 0;
    for (int round = 0; round < 5000; ++round) {
        const ConvShape s =
            shape_of(random.integer(1, 20), {random.integer(1, 4), random.integer(1, 5), random.integer(1, round % 3 ? 6 : 40)});
        const std::int64_t taps = random.integer(1, 60), k = random.integer(1, 200);
        SCOPED_TRACE(::testing::Message() << "channels " << s.in_channels << ", kernel " << s.axis[0].kernel << " x " << s.axis[1].kernel
                                          << " x " << s.axis[2].kernel << ", taps_of_block " << taps << ", k_of_block " << k);
        const KOrder order = order_k(s, taps, k);
        ASSERT_LE(order.most_taps(), taps);
        ASSERT_LE(order.longest(), std::max(k, order.most_taps())) << "a channel's taps are not cut further";
        if (s.taps() <= taps) {
            ASSERT_EQ(order.most_taps(), s.taps()) << "one box of taps where they fit";
        }
        expect_in_order(s, order);
        if (HasFatalFailure()) return;
        several_taps += order.most_taps() < s.taps();
        several_channels += order.channels.parts > 1;
        both += order.most_taps() < s.taps() && order.channels.parts > 1;
    }
    EXPECT_GT(several_taps, 500);
    EXPECT_GT(several_channels, 500);
    EXPECT_GT(both, 100);
}

// The blocks of the headers' limits: channels alone, up to a thousand taps; a long filter; a large volume of taps.
TEST(KOrder, OfRealKernels) {
    const KOrder dense = order_k(shape_of(2048, {1, 1, 1}), 1024, 640);
    EXPECT_EQ(dense.blocks(), 4);
    EXPECT_EQ(dense.longest(), 512) << "even blocks";
    EXPECT_EQ(order_k(shape_of(64, {1, 3, 3}), 1024, 640).blocks(), 1);
    EXPECT_EQ(order_k(shape_of(3, {1, 31, 31}), 1024, 640).blocks(), 3) << "one box of taps, a channel each";
    const KOrder filter = order_k(shape_of(2, {1, 1, 100'000}), 1024, 640);
    EXPECT_EQ(filter.blocks(), 2 * 98);
    EXPECT_LE(filter.longest(), 1024);
    const KOrder volume = order_k(shape_of(1, {33, 33, 33}), 1024, 640);
    EXPECT_EQ(volume.taps[2].parts, 1) << "the last axis is cut last";
    EXPECT_GT(volume.taps[0].parts, 1);
    expect_in_order(shape_of(1, {33, 33, 33}), volume);
    expect_in_order(shape_of(2, {1, 1, 100'000}), filter);
}

TEST(KOrder, NoChannelsMakeAnEmptySum) {
    const KOrder order = order_k(shape_of(0, {1, 3, 3}), 1024, 640);
    EXPECT_EQ(order.blocks(), 1);
    EXPECT_EQ(order.longest(), 0);
    EXPECT_EQ(order.block(0).k(), 0);
}

TEST(KOrder, DependsOnChannelsAndKernelAlone) {
    Random random(2);
    for (int round = 0; round < 1000; ++round) {
        const ConvShape any = validate(anything_small(random, 30));
        const ConvShape bare = shape_of(any.in_channels, {any.axis[0].kernel, any.axis[1].kernel, any.axis[2].kernel});
        ASSERT_EQ(order_k(any, 20, 50), order_k(bare, 20, 50));
    }
    EXPECT_FALSE(order_k(shape_of(9, {1, 3, 3}), 20, 50) == order_k(shape_of(8, {1, 3, 3}), 20, 50));
}

}  // namespace
}  // namespace npconv::test

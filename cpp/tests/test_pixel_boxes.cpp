// SPDX-License-Identifier: BSD-3-Clause
// Blocks of pixels cut by the taps that they find inside, against the definition, one pixel and tap at a time, on thousands of small
// shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "plan/pixel_boxes.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

using Place = std::array<std::int64_t, 3>;

template <class F>
void for_each(const Place& begin, const Place& end, const F& f) {
    for (std::int64_t d = begin[0]; d < end[0]; ++d) {
        for (std::int64_t h = begin[1]; h < end[1]; ++h) {
            for (std::int64_t w = begin[2]; w < end[2]; ++w) f(Place{d, h, w});
        }
    }
}

bool finds(const ConvShape& s, const Place& pixel, const Place& tap) {
    for (std::size_t a = 0; a < 3; ++a) {
        const std::int64_t at = s.axis[a].at(pixel[a], tap[a]);
        if (at < 0 || at >= s.axis[a].input) return false;
    }
    return true;
}

bool within(const Place& p, const Place& begin, const Place& end) {
    for (std::size_t a = 0; a < 3; ++a) {
        if (p[a] < begin[a] || p[a] >= end[a]) return false;
    }
    return true;
}

std::int64_t products(const PixelBoxes& boxes) {
    std::int64_t sum = 0;
    for (int i = 0; i < boxes.count(); ++i) sum += boxes.box(i).taps() * boxes.box(i).pixels.pixels();
    return sum;
}

constexpr TileRows seven{7, 2};

// The header's own measure.
double cost(const PixelBoxes& boxes, const TileRows& rows) {
    double sum = 0;
    for (int i = 0; i < boxes.count(); ++i) {
        const std::int64_t n = boxes.box(i).pixels.pixels();
        sum += static_cast<double>(boxes.box(i).taps() * std::max(n, rows.least * ceil_div(n, rows.most)));
    }
    return sum;
}

Box whole_map(const ConvShape& s) { return {{0, 0, 0}, {s.axis[0].output, s.axis[1].output, s.axis[2].output}}; }

KBlock all_taps(const ConvShape& s) { return order_k(s, s.taps(), s.k()).block(0); }

struct Seen {
    int cut = 0, outside = 0, nothing_left = 0;
};

void check(const ConvShape& s, const Box& block, const KBlock& k, const std::array<bool, 3>& may_cut, const TileRows& rows, Seen& seen) {
    const PixelBoxes boxes = cut_by_taps(s, block, k, may_cut, rows);
    ASSERT_GE(boxes.count(), 1);
    ASSERT_LE(boxes.count(), PixelBoxes::most);
    if (boxes.count() > 1) {
        ASSERT_LE(boxes.count() * k.taps(), PixelBoxes::most_segments);
    }
    for (std::size_t a = 0; a < 3; ++a) {
        ASSERT_LE(boxes.runs[a].count, AxisRuns::most);
        if (!may_cut[a]) {
            ASSERT_EQ(boxes.runs[a].count, 1) << "axis " << a << " may not be cut";
            ASSERT_EQ(boxes.runs[a].tap_begin[0], k.tap_begin[a]);
            ASSERT_EQ(boxes.runs[a].tap_end[0], k.tap_end[a]);
        }
    }
    std::vector<int> times(static_cast<std::size_t>(s.pixels()));
    bool a_tap_is_outside = false;
    for (int i = 0; i < boxes.count(); ++i) {
        const PixelBox box = boxes.box(i);
        ASSERT_GT(box.pixels.pixels(), 0);
        seen.nothing_left += box.taps() == 0;
        std::int64_t taps = 0;
        for_each(box.pixels.begin, box.pixels.end, [&](const Place& pixel) {
            ++times[static_cast<std::size_t>((pixel[0] * s.axis[1].output + pixel[1]) * s.axis[2].output + pixel[2])];
            taps = 0;
            for_each(k.tap_begin, k.tap_end, [&](const Place& tap) {
                const bool listed = within(tap, box.tap_begin, box.tap_end), inside = finds(s, pixel, tap);
                taps += listed;
                a_tap_is_outside = a_tap_is_outside || (listed && !inside);
                ASSERT_TRUE(listed || !inside) << "a tap is missing at pixel " << ::testing::PrintToString(pixel);
            });
            ASSERT_EQ(taps, box.taps()) << "taps of another block of k";
        });
    }
    for_each({0, 0, 0}, whole_map(s).end, [&](const Place& pixel) {
        const auto number = static_cast<std::size_t>((pixel[0] * s.axis[1].output + pixel[1]) * s.axis[2].output + pixel[2]);
        ASSERT_EQ(times[number], within(pixel, block.begin, block.end) ? 1 : 0) << ::testing::PrintToString(pixel);
    });
    if (!boxes.outside) {
        ASSERT_FALSE(a_tap_is_outside);
    } else if (boxes.count() == 1 && boxes.box(0).taps() > 0) {
        ASSERT_TRUE(a_tap_is_outside) << "a copy is not needed here";
    }
    const PixelBoxes uncut = cut_by_taps(s, block, k, {false, false, false}, rows);
    ASSERT_EQ(uncut.count(), 1);
    ASSERT_EQ(products(uncut), block.pixels() * k.taps());
    ASSERT_LE(products(boxes), products(uncut));
    ASSERT_LE(cost(boxes, rows), cost(uncut, rows) * 1.02);
    seen.cut += boxes.count() > 1;
    seen.outside += boxes.outside;
}

TEST(PixelBoxes, AreTheDefinition) {
    Random random(1);
    Seen seen;
    for (int round = 0; round < 6000; ++round) {
        const ConvRequest r = anything_small(random, 2);
        const ConvShape s = validate(r);
        const KOrder order = order_k(s, random.integer(0, 3) ? 64 : 5, 100);
        const KBlock k = order.block(random.integer(0, order.blocks() - 1));
        Box block;
        for (std::size_t a = 0; a < 3; ++a) {
            block.begin[a] = random.integer(0, s.axis[a].output - 1);
            block.end[a] = random.integer(block.begin[a] + 1, std::min(s.axis[a].output, block.begin[a] + (a == 2 ? 40 : 8)));
        }
        std::array<bool, 3> may_cut{};
        for (bool& may : may_cut) may = random.integer(0, 3) != 0;
        const TileRows rows{random.integer(1, max_mr), random.integer(1, 4)};
        SCOPED_TRACE(text_of(r) + ", pixels " + ::testing::PrintToString(block.begin) + " to " + ::testing::PrintToString(block.end) +
                     ", taps " + ::testing::PrintToString(k.tap_begin) + " to " + ::testing::PrintToString(k.tap_end));
        check(s, block, k, may_cut, rows, seen);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(seen.cut, 500);
    EXPECT_GT(seen.outside, 500);
    EXPECT_GT(seen.nothing_left, 50) << "pixels that see the border alone";
}

// One axis, all there is: inputs shorter than the reach of the kernel, strides beyond it, paddings beyond the input.
TEST(PixelBoxes, EveryShortLine) {
    Seen seen;
    for (std::int64_t input = 1; input <= 9; ++input) {
        for (std::int64_t kernel = 1; kernel <= 4; ++kernel) {
            for (std::int64_t stride = 1; stride <= 4; ++stride) {
                for (std::int64_t dilation = 1; dilation <= 4; ++dilation) {
                    for (const std::int64_t before : {0, 1, 3, 12}) {
                        for (const std::int64_t after : {0, 2, 11}) {
                            const ConvRequest r = line(input, kernel, stride, dilation, before, after);
                            if (dilation * (kernel - 1) + 1 > input + before + after) continue;
                            SCOPED_TRACE(text_of(r));
                            const ConvShape s = validate(r);
                            check(s, whole_map(s), all_taps(s), {true, true, true}, seven, seen);
                            if (HasFatalFailure()) return;
                        }
                    }
                }
            }
        }
    }
    EXPECT_GT(seen.cut, 500);
}

// What the header promises: 3x3 on 7x7 saves 18% of the work, dilation 12 on 33x33 43%, and no copy is made.
TEST(PixelBoxes, SaveWhatTheHeaderSays) {
    const auto saved = [](std::int64_t side, std::int64_t dilation) {
        ConvRequest r = image(side, side, 64, 64, 3);
        r.dilation = {dilation, dilation};
        const ConvShape s = validate(r);
        const PixelBoxes boxes = cut_by_taps(s, whole_map(s), all_taps(s), {true, true, true}, seven);
        EXPECT_FALSE(boxes.outside);
        EXPECT_EQ(boxes.count(), 9);
        return 100 - 100 * static_cast<double>(products(boxes)) / static_cast<double>(s.pixels() * s.taps());
    };
    EXPECT_NEAR(saved(7, 1), 18.1, 0.1);
    EXPECT_NEAR(saved(33, 12), 42.6, 0.1);
}

TEST(PixelBoxes, NothingIsCutWithoutABorder) {
    ConvRequest r = image(20, 20, 3, 5, 3);
    r.padding.kind = PaddingKind::valid;
    const ConvShape s = validate(r);
    const PixelBoxes boxes = cut_by_taps(s, whole_map(s), all_taps(s), {true, true, true}, seven);
    EXPECT_EQ(boxes.count(), 1);
    EXPECT_FALSE(boxes.outside);
}

// A run for nearly every pixel, and more boxes or segments than there is room for: then the block stays in fewer pieces.
TEST(PixelBoxes, AreNeverTooMany) {
    Seen seen;
    for (const std::int64_t kernel : {9, 17, 25, 31}) {
        for (const std::int64_t side : {5, 16, 17, 40}) {
            const ConvRequest r = image(side, side, 1, 1, kernel);
            SCOPED_TRACE(text_of(r));
            const ConvShape s = validate(r);
            check(s, whole_map(s), all_taps(s), {true, true, true}, seven, seen);
            if (HasFatalFailure()) return;
        }
    }
    EXPECT_GT(seen.outside, 4);
    ConvRequest volume;  // five runs an axis: 125 boxes of at most 27 taps
    volume.rank = 3;
    volume.input = {6, 6, 6};
    volume.kernel = {3, 3, 3};
    volume.stride = volume.dilation = {1, 1, 1};
    volume.padding.kind = PaddingKind::full;
    const ConvShape s = validate(volume);
    check(s, whole_map(s), all_taps(s), {true, true, true}, seven, seen);
    EXPECT_GT(cut_by_taps(s, whole_map(s), all_taps(s), {true, true, true}, seven).count(), 1);
}

}  // namespace
}  // namespace npconv::test

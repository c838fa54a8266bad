// SPDX-License-Identifier: BSD-3-Clause
// Borders and implicit im2col against the definition, one element at a time, on thousands of small shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "algorithms/gather.hpp"
#include "core/border.hpp"
#include "guarded.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

// Walks from the edge to coordinate i, one step at a time, as numpy.pad's documentation describes the modes; -1: zero.
std::int64_t walk(std::int64_t i, std::int64_t n, Border border) {
    if (i >= 0 && i < n) return i;
    if (border == Border::zeros) return -1;
    const std::int64_t step = i < 0 ? -1 : 1;
    std::int64_t place = i < 0 ? 0 : n - 1, direction = step;
    for (std::int64_t c = place; c != i; c += step) {
        const std::int64_t next = place + direction;
        if (next >= 0 && next < n) {
            place = next;
        } else if (border == Border::circular) {
            place = next < 0 ? n - 1 : 0;
        } else if (border == Border::reflect && n > 1) {
            direction = -direction;
            place += direction;
        }
    }
    return place;
}

constexpr Border borders[] = {Border::zeros, Border::reflect, Border::replicate, Border::circular};

TEST(Border, SourceIsWhereAWalkEnds) {
    for (const Border border : borders) {
        for (std::int64_t n = 1; n <= 9; ++n) {
            for (std::int64_t i = -40; i <= 40; ++i)
                ASSERT_EQ(border_source(i, n, border), walk(i, n, border))
                    << "mode " << static_cast<int>(border) << ", n " << n << ", i " << i;
        }
    }
    constexpr std::int64_t far = std::int64_t{1} << 60;
    EXPECT_EQ(border_source(-1, far, Border::circular), far - 1);
    EXPECT_EQ(border_source(far, far, Border::reflect), far - 2);
    EXPECT_EQ(border_source(-far, 3, Border::replicate), 0);
}

// Does every tap of every pixel in the range fall on an element of x?
bool all_inside(const ConvShape& s, std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
        const auto o = coordinates(s, pixel);
        for (std::size_t a = 0; a < 3; ++a) {
            for (std::int64_t k = 0; k < s.axis[a].kernel; ++k) {
                if (s.axis[a].at(o[a], k) < 0 || s.axis[a].at(o[a], k) >= s.axis[a].input) return false;
            }
        }
    }
    return true;
}

TEST(Gather, CoordinatesCountInRowMajorOrder) {
    Random random(1);
    for (int round = 0; round < 200; ++round) {
        const ConvShape s = validate(anything_small(random, 2));
        std::int64_t pixel = 0, tap = 0;
        for (std::int64_t d = 0; d < s.axis[0].output; ++d) {
            for (std::int64_t h = 0; h < s.axis[1].output; ++h) {
                for (std::int64_t w = 0; w < s.axis[2].output; ++w)
                    ASSERT_EQ(coordinates(s, pixel++), (std::array<std::int64_t, 3>{d, h, w}));
            }
        }
        for (std::int64_t d = 0; d < s.axis[0].kernel; ++d) {
            for (std::int64_t h = 0; h < s.axis[1].kernel; ++h) {
                for (std::int64_t w = 0; w < s.axis[2].kernel; ++w)
                    ASSERT_EQ(tap_coordinates(s, tap++), (std::array<std::int64_t, 3>{d, h, w}));
            }
        }
        ASSERT_EQ(pixel, s.pixels());
        ASSERT_EQ(tap, s.taps());
    }
}

TEST(Gather, InsideMeansEveryTap) {
    Random random(2);
    int yes = 0, no = 0;
    for (int round = 0; round < 6000; ++round) {
        const ConvRequest r = anything_small(random, 2);
        const ConvShape s = validate(r);
        const std::int64_t begin = random.integer(0, s.pixels() - 1), end = random.integer(begin + 1, s.pixels());
        const bool expected = all_inside(s, begin, end);
        ASSERT_EQ(inside(s, begin, end), expected) << text_of(r) << ", pixels " << begin << " to " << end;
        ++(expected ? yes : no);
    }
    EXPECT_GT(yes, 1000);
    EXPECT_GT(no, 1000);
}

// An x with strides of any order and sign, gaps between its elements, and a guard page beside it.
template <class T>
struct Input {
    Input(const ConvShape& s, Random& random, GuardPages side)
        : extent{s.axis[0].input, s.axis[1].input, s.axis[2].input, s.in_channels}, memory(0, side) {
        std::array<std::size_t, 4> order{0, 1, 2, 3};
        for (std::size_t i = 3; i > 0; --i)
            std::swap(order[i], order[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)))]);
        std::array<std::int64_t, 4> stride{};
        std::int64_t step = random.integer(1, 2), first = 0, last = 0;
        for (const std::size_t a : order) {
            stride[a] = random.integer(0, 2) ? step : -step;
            (stride[a] < 0 ? first : last) += (extent[a] - 1) * stride[a];
            step *= extent[a];
        }
        memory = Guarded<T>(last - first + 1, side);
        for (T& value : memory) value = random.real<T>();
        view = {memory.data() - first, 0, stride[3], {stride[0], stride[1], stride[2]}};
    }
    std::array<std::int64_t, 4> extent;
    Guarded<T> memory;
    TensorView<const T> view;
};

template <class T>
class GatherOf : public ::testing::Test {};
TYPED_TEST_SUITE(GatherOf, Elements);

TYPED_TEST(GatherOf, IsTheDefinition) {
    using T = TypeParam;
    Random random(3);
    for (int round = 0; round < 4000; ++round) {
        const ConvRequest r = anything_small(random, 4);
        const ConvShape s = validate(r);
        const GuardPages side = guard_sides[round % 2];
        const Input<T> x(s, random, side);
        const std::int64_t begin = random.integer(0, s.pixels() - 1), end = std::min(s.pixels(), begin + random.integer(1, 30));
        const std::int64_t k_begin = random.integer(0, s.k() - 1), k_end = random.integer(k_begin + 1, s.k());
        const std::int64_t pixels = end - begin, depth = k_end - k_begin;
        const bool pixel_rows = random.integer(0, 1) == 1;  // the two layouts that the GEMM uses: [pixel][k + 1] and [k][pixel + 1]
        const PanelLayout layout = pixel_rows ? PanelLayout{depth + 1, 1} : PanelLayout{1, pixels + 1};
        Guarded<T> panel((pixels - 1) * layout.pixel_stride + (depth - 1) * layout.k_stride + 1, side);
        gather(s, r.border, x.view, begin, end, k_begin, k_end, layout, panel.data());
        SCOPED_TRACE(text_of(r));
        ASSERT_TRUE(panel.canaries_intact());
        std::int64_t written = 0;
        for (std::int64_t pixel = begin; pixel < end; ++pixel) {
            const auto o = coordinates(s, pixel);
            for (std::int64_t k = k_begin; k < k_end; ++k, ++written) {
                const auto tap = tap_coordinates(s, k / s.in_channels);
                const T* from = x.view.data + k % s.in_channels * x.view.channel;
                bool zero = false;
                for (std::size_t a = 0; a < 3; ++a) {
                    const std::int64_t i = walk(s.axis[a].at(o[a], tap[a]), s.axis[a].input, r.border);
                    zero = zero || i < 0;
                    if (i > 0) from += i * x.view.spatial[a];
                }
                ASSERT_EQ(panel[(pixel - begin) * layout.pixel_stride + (k - k_begin) * layout.k_stride], zero ? T(0) : *from)
                    << "pixel " << pixel << ", k " << k;
            }
        }
        const auto untouched = std::count_if(panel.begin(), panel.end(), [](T v) { return v != v; });
        ASSERT_EQ(untouched, panel.size() - written) << "the gaps between rows";
    }
}

}  // namespace
}  // namespace npconv::test

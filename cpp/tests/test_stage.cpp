// SPDX-License-Identifier: BSD-3-Clause
// Borders, and the copy of a part of the input with its border filled in, against the definition, one element at a time, on thousands of
// small shapes: found where the source says, in memory that ends where staged_elements says.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "algorithms/stage.hpp"
#include "contexts.hpp"
#include "core/border.hpp"
#include "guarded.hpp"
#include "shapes.hpp"
#include "strided.hpp"

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

TEST(ConvShape, CoordinatesCountInRowMajorOrder) {
    Random random(1);
    for (int round = 0; round < 200; ++round) {
        const ConvShape s = validate(anything_small(random, 2));
        std::int64_t pixel = 0;
        for (std::int64_t d = 0; d < s.axis[0].output; ++d) {
            for (std::int64_t h = 0; h < s.axis[1].output; ++h) {
                for (std::int64_t w = 0; w < s.axis[2].output; ++w)
                    ASSERT_EQ(s.coordinates(pixel++), (std::array<std::int64_t, 3>{d, h, w}));
            }
        }
        ASSERT_EQ(pixel, s.pixels());
    }
}

// What output pixel o meets at a tap; x begins at the group's first channel.
template <class T>
T definition(const Problem& p, const TensorView<const T>& x, const std::array<std::int64_t, 3>& o, const std::array<std::int64_t, 3>& tap,
             std::int64_t channel) {
    const T* from = x.data + channel * x.channel;
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = p.shape.axis[a];
        const std::int64_t i = walk(axis.at(o[a], tap[a]), axis.input, p.border);
        if (i < 0) return T(0);
        from += i * x.spatial[a];
    }
    return *from;
}

// Stages a block and looks for every pixel, tap and channel of it. Returns the number of lanes beyond the ends of rows.
template <class T>
void check(const Problem& p, const Kernels<T>& kernels, const GemmTiling& t, const TensorView<const T>& x, const Box& box, const KBlock& k,
           GuardPages side, std::int64_t& lanes_beyond) {
    Guarded<T> copy(staged_elements(p.shape, t), side);
    const Source<T> source = stage(p, kernels, form_of(t), x, box, k, copy.data());
    ASSERT_TRUE(copy.canaries_intact());
    const bool vectors = t.lane == Lane::pixel;
    if (vectors) {
        ASSERT_EQ(source.steps.pixel[2], 1);
    }
    const std::int64_t beyond = vectors ? ceil_div(box.length(2), t.lanes) * t.lanes - box.length(2) : 0;
    for (std::int64_t d = box.begin[0]; d < box.end[0]; ++d) {
        for (std::int64_t h = box.begin[1]; h < box.end[1]; ++h) {
            for (std::int64_t w = box.begin[2]; w < box.end[2] + beyond; ++w) {
                const T* pixel = source.data + (d - box.begin[0]) * source.steps.pixel[0] + (h - box.begin[1]) * source.steps.pixel[1] +
                                 (w - box.begin[2]) * source.steps.pixel[2];
                const auto o = t.flat ? p.shape.coordinates(w) : std::array<std::int64_t, 3>{d, h, w};
                for (std::int64_t i = k.tap_begin[0]; i < k.tap_end[0]; ++i) {
                    for (std::int64_t j = k.tap_begin[1]; j < k.tap_end[1]; ++j) {
                        for (std::int64_t l = k.tap_begin[2]; l < k.tap_end[2]; ++l) {
                            const T* tap = pixel + source.steps.tap[0].offset(i - k.tap_begin[0]) +
                                           source.steps.tap[1].offset(j - k.tap_begin[1]) + source.steps.tap[2].offset(l - k.tap_begin[2]);
                            for (std::int64_t c = k.channel_begin; c < k.channel_end; ++c, tap += source.steps.k) {
                                ASSERT_TRUE(tap >= copy.begin() && tap < copy.end()) << "outside the copy";
                                if (w >= box.end[2]) {
                                    ASSERT_TRUE(std::isfinite(*tap)) << "a lane beyond the row's end";
                                    ++lanes_beyond;
                                    continue;
                                }
                                ASSERT_EQ(*tap, definition(p, x, o, {i, j, l}, c)) << "pixel " << d << ", " << h << ", " << w << ", tap "
                                                                                   << i << ", " << j << ", " << l << ", channel " << c;
                            }
                        }
                    }
                }
            }
        }
    }
}

template <class T>
std::array<std::int64_t, 5> extent_of(const ConvShape& s) {
    return {s.batch, s.groups * s.in_channels, s.axis[0].input, s.axis[1].input, s.axis[2].input};
}

// The two layouts, and the two meanings of a lane: a pixel only where pixels are neighbours.
struct Way {
    Layout layout;
    Lane lane;
};
constexpr Way ways[] = {
    {Layout::channels_last, Lane::channel}, {Layout::channels_first, Lane::channel}, {Layout::channels_first, Lane::pixel}};

// A few random blocks of a problem, in both memory orders of x: as the layout has it, and any.
template <class T>
void check_blocks(const ConvRequest& request, const Way& way, const Context& on, Random& random, int blocks, std::int64_t& lanes_beyond) {
    ConvRequest r = request;
    r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
    SCOPED_TRACE(text_of(r) + (way.layout == Layout::channels_last ? ", channels last" : ", channels first") +
                 (way.lane == Lane::pixel ? ", lane = pixel" : ", lane = channel"));
    Problem p = problem_of(r, way.layout);
    p.packed_as.lane = way.lane;
    const ConvShape& s = p.shape;
    const GuardPages side = guard_sides[random.integer(0, 1)];
    const auto extent = extent_of<T>(s);
    Strided<T> x(extent, random, side, Repeats::some);
    if (random.integer(0, 1)) {
        x.memory = Guarded<T>(extent[0] * extent[1] * extent[2] * extent[3] * extent[4], side);
        x.view = dense<T>(x.memory.data(), extent[1], {extent[2], extent[3], extent[4]}, way.layout);
    }
    for (T& value : x.memory) value = random.real<T>();
    x.view.data += random.integer(0, s.batch - 1) * x.view.batch + random.integer(0, s.groups - 1) * s.in_channels * x.view.channel;
    const GemmTiling t = tile_gemm(p, on);
    for (int i = 0; i < blocks; ++i) {
        const Box box = t.block(random.integer(0, t.blocks_of_map() - 1));
        const KBlock k = t.k.block(random.integer(0, t.k.blocks() - 1));
        check(p, kernels_of<T>(*on.kernels), t, x.view, box, k, side, lanes_beyond);
        if (::testing::Test::HasFatalFailure()) return;
    }
}

template <class T>
class StageOf : public ::testing::Test {};
TYPED_TEST_SUITE(StageOf, Elements);

// The values that it wants, and none beside them: x ends where the last one stands, before a page or behind one.
TYPED_TEST(StageOf, CopiesEveryNthValueAndReadsNothingElse) {
    using T = TypeParam;
    Random random(6);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (std::int64_t step = -5; step <= 9; ++step) {
            for (std::int64_t n = 0; n <= 5 * kernels.lanes + 2; ++n) {
                for (const GuardPages side : guard_sides) {
                    const std::int64_t last = n > 0 ? (n - 1) * step : 0;
                    Guarded<T> from(n > 0 ? std::abs(last) + 1 : 0, side), to(n, side);
                    for (T& value : from) value = random.real<T>();
                    const T* first = from.data() + (last < 0 ? -last : 0);
                    kernels.copy_every(first, step, n, to.data());
                    for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(to[i], first[i * step]) << "step " << step << ", " << i << " of " << n;
                    ASSERT_TRUE(to.canaries_intact());
                }
            }
        }
    });
}

// A kernel set of this machine, each round another, with small limits.
Context some_context(std::int64_t round, Random& random) {
    std::vector<const KernelTable*> available;
    for (const KernelSet& set : kernel_sets()) {
        if (set.available) available.push_back(set.table);
    }
    Context on = context_of(*available[static_cast<std::size_t>(round) % available.size()]);
    on.limits = small_limits(random);
    return on;
}

TYPED_TEST(StageOf, IsTheDefinition) {
    using T = TypeParam;
    Random random(2);
    std::int64_t lanes_beyond = 0;
    for (int round = 0; round < 4000; ++round) {
        const Context on = some_context(round / 3, random);
        check_blocks<T>(anything_small(random, 5), ways[round % 3], on, random, 2, lanes_beyond);
        if (this->HasFatalFailure()) return;
    }
    EXPECT_GT(lanes_beyond, 1000);
}

// One axis: every phase of a stride, spans that are longer than a piece for each tap would be, and shorter.
TYPED_TEST(StageOf, EveryStrideAndDilationOfALine) {
    using T = TypeParam;
    Random random(3);
    std::int64_t lanes_beyond = 0;
    for (std::int64_t kernel = 1; kernel <= 5; ++kernel) {
        for (std::int64_t stride = 1; stride <= 6; ++stride) {
            for (std::int64_t dilation = 1; dilation <= 13; ++dilation) {
                for (const std::int64_t padding : {0, 4, 17}) {
                    ConvRequest r = line(53, kernel, stride, dilation, padding, padding / 2);
                    r.channels = r.w_in = 3;
                    r.border = static_cast<Border>(random.integer(0, 3));
                    for (const Way& way : ways) {
                        check_blocks<T>(r, way, some_context(dilation, random), random, 1, lanes_beyond);
                        if (this->HasFatalFailure()) return;
                    }
                }
            }
        }
    }
    EXPECT_GT(lanes_beyond, 1000);
}

// Pixels as one row, over the ends of rows and slices of the input, wherever those stand.
TYPED_TEST(StageOf, FlatMapsOfAnyStrides) {
    using T = TypeParam;
    Random random(4);
    std::int64_t lanes_beyond = 0;
    for (int round = 0; round < 2000; ++round) {
        ConvRequest r;
        r.rank = static_cast<int>(random.integer(1, 3));
        r.batch = random.integer(1, 2);
        r.groups = random.integer(1, 2);
        r.w_in = random.integer(1, 9);
        r.channels = r.groups * r.w_in;
        r.w_out = r.groups * random.integer(1, 40);
        for (int a = 0; a < r.rank; ++a) {
            r.input.push_back(random.integer(1, 9));
            r.kernel.push_back(1);
            r.stride.push_back(1);
            r.dilation.push_back(random.integer(1, 3));  // of a single tap: nothing
        }
        r.padding.kind = PaddingKind::valid;
        ASSERT_TRUE(validate(r).flat());
        check_blocks<T>(r, ways[1 + round % 2], some_context(round / 2, random), random, 2, lanes_beyond);
        if (this->HasFatalFailure()) return;
    }
    EXPECT_GT(lanes_beyond, 200);
}

// Blocks as large as they are cut in earnest.
TYPED_TEST(StageOf, RealLayers) {
    using T = TypeParam;
    Random random(5);
    std::int64_t lanes_beyond = 0;
    ConvRequest first = image(224, 224, 3, 64, 7), dilated = image(33, 33, 70, 8, 3), large = image(40, 50, 2, 3, 31);
    first.stride = {2, 2};
    dilated.dilation = {12, 12};
    large.border = Border::reflect;
    for (const ConvRequest& r : {first, dilated, large, image(7, 7, 100, 33, 3), image(14, 14, 30, 30, 1)}) {
        for (const Way& way : ways) {
            if (validate(r).flat() && way.layout == Layout::channels_last) continue;  // read in place always
            for_each_set<T>(
                [&](const KernelTable& table, const Kernels<T>&) { check_blocks<T>(r, way, context_of(table), random, 1, lanes_beyond); });
            if (this->HasFatalFailure()) return;
        }
    }
    EXPECT_GT(lanes_beyond, 1000);
}

}  // namespace
}  // namespace npconv::test

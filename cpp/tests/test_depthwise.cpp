// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution: its kernels, every one of every set of this machine, bit by bit as a scalar loop in the order of the taps; and how
// it is cut up.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "contexts.hpp"
#include "guarded.hpp"
#include "plan/depthwise_tiling.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

using Size = std::int64_t;

template <class T>
class DepthwiseKernelTest : public ::testing::Test {};
TYPED_TEST_SUITE(DepthwiseKernelTest, Elements);

bool fuses(const KernelTable& table) { return std::string(table.isa) != "baseline"; }

// One row of outputs of one row of the input, whose places before `pad` and from `pad + input` on are in a border of zeros.
template <class T>
struct RowCase {
    Size channels, input, kernel, step, pad;
    bool every_tap;

    Size places() const { return input + 2 * pad; }
    Size outputs() const { return (places() - kernel) / step + 1; }
};

template <class T>
void check_row(const KernelTable& table, const RowCase<T>& c, GuardPages side, Random& random) {
    const auto& kernels = depthwise_kernels_of<T>(table);
    const Size lanes = kernels_of<T>(table).lanes, vectors = ceil_div(c.channels, lanes);
    Guarded<T> x(c.input * c.channels, side), w(vectors * lanes * c.kernel, side), y(c.outputs() * c.channels, side),
        bias(c.channels, side);
    for (T& v : x) v = random.real<T>();
    for (T& v : w) v = random.real<T>();
    for (T& v : bias) v = random.real<T>();
    const EvenSplit runs = split_by(c.kernel, depthwise_taps);
    std::vector<TapRun> taps;
    OutputRow row{0, runs.parts, -1'000'000, 1'000'000, 0};
    for (Size i = 0; i < runs.parts; ++i) {
        const Size first = runs.begin(i) - c.pad;  // place of the input
        taps.push_back({first * c.channels, -first, c.input - first, runs.begin(i), runs.length(i)});
        row.begin = std::max(row.begin, taps.back().begin);
        row.end = std::min(row.end, taps.back().end);
    }
    DepthwiseChannels<T> d{};
    d.x = x.data();
    d.pixel = c.channels;
    d.vector = lanes;
    d.w = w.data();
    d.taps = c.kernel;
    d.group = 1;
    d.tap = taps.data();
    d.row = &row;
    d.rows = 1;
    d.pixels = c.outputs();
    d.every_tap = c.every_tap;
    d.output = Output<T>{y.data(), c.channels, bias.data(), nullptr, 0, c.channels, Activation::none, T(0), T(0)};
    const auto& of_step = kernels.channels[c.step - 1];
    const bool alike = runs.shorter == runs.longest();
    for (const auto kernel : {of_step[0], alike ? of_step[runs.longest()] : nullptr}) {
        if (!kernel) continue;
        std::fill(y.begin(), y.end(), T(7));
        kernel(d);
        for (Size o = 0; o < c.outputs(); ++o) {
            for (Size k = 0; k < c.channels; ++k) {
                T sum = 0;
                for (Size t = 0; t < c.kernel; ++t) {
                    const Size place = o * c.step + t - c.pad;
                    const bool inside = place >= 0 && place < c.input;
                    if (!inside && !c.every_tap) continue;
                    const T weight = w[(k / lanes * c.kernel + t) * lanes + k % lanes], value = inside ? x[place * c.channels + k] : T(0);
                    sum = fuses(table) ? std::fma(value, weight, sum) : value * weight + sum;
                }
                sum += bias[k];
                ASSERT_EQ(y[o * c.channels + k], sum) << "output " << o << ", channel " << k << ", channels " << c.channels << ", input "
                                                      << c.input << ", kernel " << c.kernel << ", step " << c.step << ", pad " << c.pad;
            }
        }
    }
    EXPECT_TRUE(y.canaries_intact() && x.canaries_intact() && w.canaries_intact());
}

TYPED_TEST(DepthwiseKernelTest, AsAScalarLoopBitByBit) {
    using T = TypeParam;
    Random random(1);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for (const Size channels : {Size{1}, Size{kernels.lanes}, Size{2 * kernels.lanes}, Size{5 * kernels.lanes + 3}}) {
            for (const Size kernel : {1, 2, 3, 4, 5, 6, 7, 8, 15}) {
                for (const Size step : {1, 2}) {
                    for (const Size pad : {Size{0}, kernel / 2, kernel}) {
                        const Size input = random.integer(kernel, 40);
                        const GuardPages side = guard_sides[random.integer(0, 1)];
                        check_row<T>(table, {channels, input, kernel, step, pad, random.integer(0, 1) == 1}, side, random);
                    }
                }
            }
        }
    });
}

TYPED_TEST(DepthwiseKernelTest, ZerosOfTheBorderMeetInfiniteWeightsWhereTheyCount) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        const Size lanes = kernels.lanes;
        std::vector<T> x(static_cast<std::size_t>(3 * lanes), T(1)), w(static_cast<std::size_t>(3 * lanes), T(INFINITY));
        for (const bool every_tap : {false, true}) {
            std::vector<T> y(static_cast<std::size_t>(3 * lanes));
            const TapRun tap{-lanes, 1, 4, 0, 3};
            const OutputRow row{0, 1, 1, 4, 0};
            DepthwiseChannels<T> d{};
            d.x = x.data();
            d.pixel = d.vector = lanes;
            d.w = w.data();
            d.taps = 3;
            d.group = 1;
            d.tap = &tap;
            d.row = &row;
            d.rows = 1;
            d.pixels = 3;
            d.every_tap = every_tap;
            d.output = Output<T>{y.data(), lanes, nullptr, nullptr, 0, lanes, Activation::none, T(0), T(0)};
            depthwise_kernels_of<T>(table).channels[0][3](d);
            EXPECT_EQ(std::isnan(y[0]), every_tap);
            EXPECT_EQ(y[static_cast<std::size_t>(lanes)], T(INFINITY));
        }
    });
}

ConvRequest depthwise(Random& random) {
    ConvRequest r = anything_small(random, 1);
    r.groups = random.integer(1, 90);
    r.w_in = random.integer(0, 2) == 0 ? std::int64_t{1} << random.integer(0, 4) : 1;
    r.channels = r.groups * r.w_in;
    r.w_out = r.w_in > 1 ? r.channels : r.groups * random.integer(1, 2);
    return r;
}

TEST(DepthwiseTiling, BlocksCoverTheMapOnceAndAreNeighboursInTheOutput) {
    Random random(2);
    for (int i = 0; i < 300; ++i) {
        const ConvRequest r = depthwise(random);
        const auto lane = static_cast<Lane>(random.integer(0, 2));
        const DepthwiseLimits small{random.integer(500, 20'000), random.integer(500, 40'000), random.integer(1, 16),
                                    random.integer(500, 20'000), random.integer(1, 20),       lane};
        for_each_context_and_dtype([&](Context on, DType dtype) {
            on.limits.depthwise = small;
            for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
                Problem p = problem_of(r, layout);
                p.dtype = dtype;
                if (p.shape.empty() || !depthwise_refusal(p, on).empty()) continue;
                const DepthwiseTiling t = tile_depthwise(p, on);
                const auto& axis = p.shape.axis;
                Size next = 0;
                for (Size b = 0; b < t.blocks(); ++b) {
                    const Box box = t.block(b);
                    Size first = (box.begin[0] * axis[1].output + box.begin[1]) * axis[2].output + box.begin[2];
                    ASSERT_EQ(first, next) << text_of(r);
                    next += box.pixels();
                    for (std::size_t a = 0; a < 3; ++a) ASSERT_LE(box.length(a), t.longest_block()[a]);
                    const bool rows = box.length(2) == axis[2].output, planes = rows && box.length(1) == axis[1].output;
                    ASSERT_TRUE((rows || box.length(1) == 1) && (planes || box.length(0) == 1)) << text_of(r);
                }
                ASSERT_EQ(next, p.shape.pixels()) << text_of(r);
                ASSERT_EQ(t.chunks.n, t.channels);
                ASSERT_EQ(t.tasks, p.shape.batch * t.blocks() * t.chunks.parts);
            }
        });
    }
}

TEST(DepthwiseTiling, DependsOnTheBatchInItsTasksOnly) {
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        Problem p = problem_of(image(30, 30, 100, 100, 3));
        p.shape = validate([] {
            ConvRequest r = image(30, 30, 100, 100, 3);
            r.groups = 100;
            r.w_in = 1;
            return r;
        }());
        p.dtype = dtype;
        const DepthwiseTiling one = tile_depthwise(p, on);
        p.shape.batch = 50;
        const DepthwiseTiling many = tile_depthwise(p, on);
        EXPECT_EQ(one.longest_block(), many.longest_block());
        EXPECT_EQ(one.taps, many.taps);
        EXPECT_GE(one.tasks, on.limits.depthwise.enough_tasks);
    });
}

}  // namespace
}  // namespace npconv::test

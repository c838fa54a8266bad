// SPDX-License-Identifier: BSD-3-Clause
// Phases of a transposed convolution: every product of the definition in exactly one of them, at the place that it says.
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "contexts.hpp"
#include "core/phases.hpp"
#include "plan/transposed_tiling.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

using Size = std::int64_t;
using Products = std::map<std::pair<Size, Size>, Size>;  // of (output, tap): the element of x

// From the definition: element i of x meets tap t at place i * stride + t * dilation, of which the first pad_before are cut off.
Products defined(const Axis& a) {
    Products products;
    for (Size i = 0; i < a.output; ++i) {
        for (Size t = 0; t < a.kernel; ++t) {
            const Size o = i * a.stride + t * a.dilation - a.pad_before;
            if (o >= 0 && o < a.input) products[{o, t}] = i;
        }
    }
    return products;
}

void add(const Phase& p, Size first, Size stride, Size outputs, Products& products) {
    for (Size m = 0; m < outputs && p.taps > 0; ++m) {
        for (Size j = 0; j < p.taps; ++j) {
            const Size i = p.axis.at(m, j);
            if (i < 0 || i >= p.axis.input) continue;
            const auto [place, is_new] = products.insert({{first + m * stride, p.tap(j)}, p.first_input + i});
            ASSERT_TRUE(is_new) << "output " << place->first.first << ", tap " << place->first.second << " twice";
        }
    }
}

TEST(Phases, EveryProductStandsInOnePhase) {
    Random random(11);
    for (int round = 0; round < 20'000; ++round) {
        Axis a;
        a.kernel = random.integer(1, 9);
        a.stride = random.integer(1, 6);
        a.dilation = random.integer(1, 5);
        a.output = random.integer(0, 9);
        a.pad_before = random.integer(0, 12);
        a.input = random.integer(1, 40);
        Products found;
        for (Size r = 0; r < a.stride && r < a.input; ++r) {
            const Size outputs = (a.input - 1 - r) / a.stride + 1;
            const Phase p = phase_of(a, r, outputs);
            ASSERT_TRUE(p.taps == 0 || (p.first_input >= 0 && p.first_input + p.axis.input <= a.output));
            ASSERT_TRUE(p.taps == 0 || (p.axis.pad_before >= 0 && p.axis.pad_after >= 0 && p.axis.output == outputs));
            add(p, r, a.stride, outputs, found);
        }
        ASSERT_EQ(found, defined(a)) << "kernel " << a.kernel << ", stride " << a.stride << ", dilation " << a.dilation << ", " << a.output
                                     << " -> " << a.input << ", cut " << a.pad_before;
    }
}

TEST(Phases, FarApartWithoutOverflow) {
    constexpr Size far = Size{1} << 61;
    Axis a;
    a.kernel = 2;
    a.stride = far;
    a.output = 1;
    a.input = 5;
    EXPECT_EQ(phase_of(a, 0, 1).taps, 1);
    EXPECT_EQ(phase_of(a, 4, 1).taps, 0);
    a.dilation = far - 1;
    EXPECT_EQ(phase_of(a, 0, 1).tap(0), 0);
}

Problem problem_of(const Axis& axis) {
    Problem p;
    p.shape.in_channels = 3;
    p.shape.out_channels = 5;
    p.shape.axis[2] = axis;
    return p;
}

TEST(Phases, MergedOnesMeetTheSameInputs) {
    const Context on = context_of(best_kernels());
    Random random(12);
    for (int round = 0; round < 2'000; ++round) {
        Axis a;
        a.stride = random.integer(2, 5);
        a.kernel = a.stride * random.integer(1, 3);
        a.output = random.integer(1, 9);
        a.pad_before = random.integer(0, 12);
        a.input = random.integer(a.stride, 40);
        const Phases phases = phases_of(problem_of(a), on, Arrangement::merged);
        ASSERT_EQ(phases.parts.size(), 1U);
        const Phase& p = phases.parts[0].phase[2];
        Products found;
        for (Size r = 0; r < a.stride; ++r) {
            for (Size m = 0; m < phases.map[2] && p.taps > 0; ++m) {
                const Size o = m * a.stride + r - phases.shift[2];
                for (Size j = 0; j < p.taps && o >= 0 && o < a.input; ++j) {
                    const Size i = p.axis.at(m, j);
                    if (i >= 0 && i < p.axis.input) found[{o, p.tap(j) + r}] = p.first_input + i;
                }
            }
        }
        ASSERT_EQ(found, defined(a));
        ASSERT_EQ(phases.parts[0].problem.shape.out_channels, 3 * a.stride);
    }
}

TEST(Phases, BlocksAndChunksCoverTheMap) {
    const Context on = context_of(best_kernels());
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        for (const Arrangement arrangement : {Arrangement::apart, Arrangement::merged}) {
            Axis a;
            a.stride = 2;
            a.kernel = 4;
            a.output = 301;
            a.pad_before = 1;
            a.input = 602;
            Problem p = problem_of(a);
            p.layout = layout;
            p.shape.in_channels = 200;
            p.shape.axis[1] = a;
            const Phases phases = phases_of(p, on, arrangement);
            const TransposedTiling t = tile_transposed(p, on, phases, Algorithm::gemm);
            Size pixels = 0;
            for (Size i = 0; i < t.blocks_of_map(); ++i) {
                const Box box = t.block(i);
                pixels += box.pixels();
                ASSERT_TRUE(box.length(1) == 1 || box.length(2) == phases.map[2]) << "pixels of a block are no neighbours";
            }
            EXPECT_EQ(pixels, phases.map[1] * phases.map[2]);
            EXPECT_EQ(t.tasks, t.blocks_of_map() * t.chunks.parts);
            EXPECT_LE(t.block_elements * 4, 2 * on.limits.transposed.bytes_of_block);
        }
    }
}

}  // namespace
}  // namespace npconv::test

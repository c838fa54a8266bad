// SPDX-License-Identifier: BSD-3-Clause
// The plan of pooling: what it decides, what memory it asks for, and that neither threads nor strides have a say in the order of sums.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sstream>
#include <string>

#include "contexts.hpp"
#include "core/pool_shape.hpp"
#include "core/window_axes.hpp"
#include "kernels/registry.hpp"
#include "plan/pool_execution.hpp"

namespace npconv::test {
namespace {

using Size = std::int64_t;

KernelPool square(PoolOp op, Size batch, Size channels, Size size, Size kernel, Size stride, Size pad, Layout layout) {
    KernelPool p;
    p.op = op;
    p.batch = batch;
    p.channels = channels;
    p.layout = layout;
    p.entry = &pool_entry_for(p.dtype, context_of(best_kernels()));
    p.axis[0] = {1, 1, 1, 1, 1, 0, false, false, 0};
    for (std::size_t i = 1; i < 3; ++i) p.axis[i] = {size, (size + 2 * pad - kernel) / stride + 1, kernel, stride, 1, pad, false, false, 0};
    return p;
}

TEST(PoolTiling, BlocksCoverTheResultOnce) {
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        for (const Size channels : {1, 3, 64, 257}) {
            for (const Size size : {7, 35, 224, 1500}) {
                for (const Size kernel : {2, 3, 7, 31}) {
                    if (kernel > size) continue;
                    for (const Size stride : {Size{1}, Size{2}, kernel}) {
                        const PoolTiling t = tile_pool(square(PoolOp::sum, 2, channels, size, kernel, stride, kernel / 2, layout));
                        ASSERT_TRUE(t.served);
                        EXPECT_LE(t.bytes(), 6 << 20) << channels << " " << size << " " << kernel << " " << stride;
                        for (const SpreadSplit* s : {&t.channels, &t.depth, &t.height, &t.width}) {
                            EXPECT_GE(s->parts, 1);
                            EXPECT_EQ(s->begin(0), 0);
                            EXPECT_EQ(s->begin(s->parts), s->n);
                            for (Size i = 0; i < s->parts; ++i) EXPECT_GT(s->length(i), 0);
                        }
                    }
                }
            }
        }
    }
}

TEST(PoolTiling, MinimaAreCutAsMaximaAre) {
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        for (const Size channels : {1, 3, 64, 257}) {
            for (const Size size : {7, 35, 224, 1500}) {
                for (const Size kernel : {2, 3, 7, 31}) {
                    if (kernel > size) continue;
                    for (const Size stride : {Size{1}, Size{2}, kernel}) {
                        KernelPool p = square(PoolOp::maximum, 2, channels, size, kernel, stride, kernel / 2, layout);
                        const PoolTiling maxima = tile_pool(p);
                        p.flipped = true;
                        const PoolTiling minima = tile_pool(p);
                        ASSERT_TRUE(minima.served);
                        EXPECT_EQ(minima.whole_steps, maxima.whole_steps);
                        EXPECT_EQ(minima.few_taps, maxima.few_taps);
                        EXPECT_EQ(minima.strips, maxima.strips);
                        EXPECT_EQ(minima.slab_rows, maxima.slab_rows);
                        EXPECT_EQ(minima.tasks(), maxima.tasks());
                        // Kernels that read x in place reverse it there; others a row of it in memory.
                        const bool in_place = minima.whole_steps || minima.few_taps || minima.strips;
                        EXPECT_EQ(minima.elements[0] > 0, !in_place);
                    }
                }
            }
        }
    }
}

// Windows, strides and dilations from 1 to 2^20, drawn for each axis alone.
TEST(PoolTiling, WhateverTheWindowsAThreadHasItsPromisedMemory) {
    std::mt19937_64 random(1);
    const auto any = [&](std::initializer_list<Size> from) { return from.begin()[random() % from.size()]; };
    int served = 0;
    for (int i = 0; i < 100000; ++i) {
        KernelPool p;
        p.op = static_cast<PoolOp>(random() % 4);
        p.flipped = p.op == PoolOp::maximum || p.op == PoolOp::maximum_and_place;
        p.dtype = p.op == PoolOp::sum_of_powers || random() % 2 ? DType::f32 : DType::f64;
        p.layout = random() % 2 ? Layout::channels_first : Layout::channels_last;
        p.channels = any({1, 1, 3, 64, 1000});
        p.entry = &pool_entry_for(p.dtype, context_of(best_kernels()));
        std::ostringstream drawn;
        double elements = 1;
        for (PoolAxis& a : p.axis) {
            a.kernel = any({1, 1, 2, 3, 3, 5, 8, 31, 1000, 1 << 20});
            a.stride = any({1, 1, 2, 3, 10, 100, 1000, 1 << 20});
            a.dilation = any({1, 1, 1, 2, 100, 1000, 1 << 20});
            a.output = any({1, 2, 5, 64, 1000});
            a.input = (a.output - 1) * a.stride + (a.kernel - 1) * a.dilation + 1;
            elements *= as_double(a.input);
            drawn << ' ' << a.kernel << ' ' << a.stride << ' ' << a.dilation << ' ' << a.output << ',';
        }
        if (elements > 1e12) continue;  // larger than any array
        const PoolTiling t = tile_pool(p);
        if (!t.served) continue;
        ++served;
        EXPECT_LE(t.bytes(), 6 << 20) << static_cast<int>(p.op) << ' ' << p.channels << drawn.str();
    }
    EXPECT_GT(served, 2000);
}

TEST(PoolTiling, StridesOfXDoNotChangeTheOrderOfSums) {
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        for (const PoolOp op : {PoolOp::maximum, PoolOp::maximum_and_place, PoolOp::sum, PoolOp::sum_of_powers}) {
            for (const Size kernel : {2, 3, 4, 5, 9}) {
                for (const Size stride : {Size{1}, Size{2}, kernel}) {
                    KernelPool p = square(op, 1, 32, 200, kernel, stride, 1, layout);
                    const PoolTiling one = tile_pool(p);
                    p.side_by_side = false;
                    const PoolTiling other = tile_pool(p);
                    EXPECT_EQ(one.whole_steps, other.whole_steps);
                    EXPECT_EQ(one.few_taps, other.few_taps);
                    EXPECT_EQ(one.strips, other.strips);
                    EXPECT_EQ(one.slab_rows, other.slab_rows);
                    EXPECT_EQ(one.dense, other.dense);
                    EXPECT_EQ(one.height, other.height);
                    EXPECT_EQ(one.width, other.width);
                    EXPECT_EQ(one.channels, other.channels);
                    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(one.axis[i].blocks, other.axis[i].blocks);
                }
            }
        }
    }
}

TEST(PoolTiling, LongWindowsArePooledFromBlocksAndHugeOnesLeftToOthers) {
    EXPECT_TRUE(tile_pool(square(PoolOp::maximum, 1, 1, 2048, 31, 1, 15, Layout::channels_first)).axis[1].blocks);
    EXPECT_FALSE(tile_pool(square(PoolOp::maximum, 1, 1, 2048, 4, 1, 1, Layout::channels_first)).axis[1].blocks);
    EXPECT_FALSE(tile_pool(square(PoolOp::maximum, 1, 1, 10, 500, 1, 499, Layout::channels_first)).served);
}

PoolProblem line(Size n, Size kernel, Size stride, const PoolRule& rule = {}) {
    PoolProblem p;
    p.rule = rule;
    p.shape.axis[2] = {n, (n - kernel) / stride + 1, kernel, stride, 1, 0, 0};
    return p;
}

TEST(PoolExecution, HasTheWayThatServes) {
    const Context on = context_of(best_kernels());
    EXPECT_EQ(plan_pool(line(1000, 3, 2), on).way, PoolWay::kernels);
    PoolProblem wide = line(1000, 3, 1);
    wide.shape.axis[2] = {1000, 1000, 1001, 1, 3, 1500, 1500};
    EXPECT_EQ(plan_pool(wide, on).way, PoolWay::windows);
    for (const PoolKind kind : {PoolKind::maximum, PoolKind::minimum, PoolKind::average, PoolKind::norm}) {
        const PoolExecution e = plan_pool(line(4'000'000, 2'000'000, 1, {.kind = kind, .power = 3}), on);
        EXPECT_EQ(e.way, PoolWay::sliding);
        ASSERT_TRUE(e.sliding.has_value());
        EXPECT_TRUE(e.sliding->fits());
        EXPECT_GT(e.workspace_bytes(1), 0);
        EXPECT_LE(e.workspace_bytes(1), 6'000'000);
    }
    PoolProblem gradient = line(4'000'000, 2'000'000, 1, {.kind = PoolKind::average});
    gradient.gradient = true;
    EXPECT_EQ(plan_pool(gradient, on).way, PoolWay::sliding);
}

TEST(PoolExecution, OfAnotherBatchIsWhatIsPlannedForIt) {
    const Context on = context_of(best_kernels());
    for (const PoolKind kind : {PoolKind::maximum, PoolKind::average, PoolKind::norm}) {
        for (const Size kernel : {2, 3, 9, 5000}) {
            PoolProblem p = line(10'000, kernel, 2, {.kind = kind, .power = 2});
            p.shape.channels = 5;
            const PoolExecution one = plan_pool(p, on);
            for (const Size batch : {1, 3, 100}) {
                p.shape.batch = batch;
                const PoolExecution want = plan_pool(p, on), got = one.with_batch(batch);
                EXPECT_EQ(got.way, want.way);
                EXPECT_EQ(got.tiling.tasks(), want.tiling.tasks());
                EXPECT_EQ(got.tiling.planes_of_task, want.tiling.planes_of_task);
                EXPECT_EQ(got.threads(8), want.threads(8));
                EXPECT_EQ(got.workspace_bytes(8), want.workspace_bytes(8));
            }
        }
    }
}

PoolRequest request(Size n, Size kernel, Size stride, Size pad, bool ceil_mode) {
    PoolRequest r;
    r.input = {n};
    r.kernel = {kernel};
    r.stride = {stride};
    r.dilation = {1};
    r.padding.before = r.padding.after = {pad};
    r.ceil_mode = ceil_mode;
    return r;
}

TEST(PoolShape, OutputSizesAreThoseOfTheDefinition) {
    for (Size n = 1; n < 12; ++n) {
        for (Size kernel = 1; kernel < 6; ++kernel) {
            for (Size stride = 1; stride < 7; ++stride) {
                for (Size pad = 0; pad < kernel; ++pad) {
                    for (const bool ceil_mode : {false, true}) {
                        // Windows one after the other, while they lie in the padded input, or with ceil_mode start in it but not in the
                        // padding after it.
                        Size windows = 0;
                        for (Size at = -pad; ceil_mode ? at < n && at + kernel < n + pad + stride : at + kernel <= n + pad; at += stride)
                            ++windows;
                        Size got = 0;
                        try {
                            got = validate_pool(request(n, kernel, stride, pad, ceil_mode)).axis[2].output;
                        } catch (const std::invalid_argument&) {
                        }
                        EXPECT_EQ(got, windows) << n << " " << kernel << " " << stride << " " << pad << " " << ceil_mode;
                    }
                }
            }
        }
    }
}

TEST(PoolShape, RefusesWithTheArgumentAndItsValue) {
    const auto refusal = [](const PoolRequest& r) -> std::string {
        try {
            validate_pool(r);
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return "accepted";
    };
    EXPECT_EQ(refusal(request(5, 0, 1, 0, false)), "kernel_size must be at least 1 on every axis, got (0,)");
    EXPECT_EQ(refusal(request(5, 3, 0, 0, false)), "stride must be at least 1 on every axis, got (0,)");
    EXPECT_EQ(refusal(request(5, 3, 1, -1, false)), "padding must be at least 0 on every axis, got (-1,)");
    EXPECT_EQ(refusal(request(5, 3, 1, 3, false)),
              "padding must be less than the kernel with its dilation, 3 elements, got (3, 3) on spatial axis 0");
    EXPECT_EQ(refusal(request(5, 6, 1, 0, false)),
              "kernel_size must not be larger than the padded x, got kernel 6 for 5 elements (5 and padding) on spatial axis 0");
    EXPECT_EQ(refusal(request(0, 1, 1, 0, false)), "x must have at least one element on every spatial axis, got 0 on spatial axis 0");
}

TEST(WindowAxes, AdaptiveWindowsCoverTheInputAndKnowTheirOutputs) {
    for (Size n = 1; n < 15; ++n) {
        for (Size out = 1; out < 20; ++out) {
            const WindowAxes axes = WindowAxes::adaptive(validate_adaptive("x", 1, 1, {n}, {out}));
            for (Size i = 0; i < n; ++i) {
                Size begin = 0, end = 0;
                axes.outputs_of(2, i, begin, end);
                for (Size o = 0; o < out; ++o) {
                    const Window w = axes.at(2, o);
                    EXPECT_GE(w.count, 1);
                    EXPECT_EQ(w.first <= i && i < w.first + w.count, begin <= o && o < end) << n << " " << out << " " << i << " " << o;
                }
            }
        }
    }
}

}  // namespace
}  // namespace npconv::test

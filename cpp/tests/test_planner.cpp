// SPDX-License-Identifier: BSD-3-Clause
// The planner, without arithmetic on tensors: tilings cover everything once, memory is bounded, decisions and their words. It only reads
// the kernel tables, so that every set is planned for, whether this machine has it or not.
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "algorithms/convolution.hpp"
#include "algorithms/gemm.hpp"
#include "contexts.hpp"
#include "plan/executions.hpp"
#include "plan/explain.hpp"
#include "plan/gemm_costs.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/planner.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

TEST(Split, SpreadsTheLongerRuns) {
    for (std::int64_t parts = 1; parts <= 20; ++parts) {
        for (std::int64_t n = 0; n <= 200; ++n) {
            const SpreadSplit s(n, parts);
            ASSERT_EQ(s.begin(0), 0);
            ASSERT_EQ(s.begin(parts), n);
            for (std::int64_t i = 0; i < parts; ++i) {
                ASSERT_LE(s.length(i), s.longest());
                ASSERT_GE(s.length(i), n / parts);
                ASSERT_EQ(s.begin(i), i * n / parts) << "the first runs have their share of all";
            }
        }
    }
}

TEST(Split, CoversEvenly) {
    for (std::int64_t most = 1; most <= 20; ++most) {
        for (std::int64_t n = 0; n <= 200; ++n) {
            const EvenSplit s = split_by(n, most);
            ASSERT_EQ(s.parts, n == 0 ? 1 : (n + most - 1) / most) << n << " by " << most;
            std::int64_t next = 0;
            for (std::int64_t i = 0; i < s.parts; ++i) {
                ASSERT_EQ(s.begin(i), next);
                ASSERT_LE(s.length(i), std::min(most, s.longest()));
                ASSERT_GE(s.length(i), s.longest() - 1);
                ASSERT_LE(s.length(i), s.length(i > 0 ? i - 1 : 0)) << "longer ones first";
                next += s.length(i);
            }
            ASSERT_EQ(next, n);
            ASSERT_EQ(s.begin(s.parts), n);
        }
    }
    EXPECT_EQ(split_by(9, 7).length(0), 5);  // the header's example: 5 + 4
    EXPECT_EQ(ceil_div(INT64_MAX, 2), INT64_MAX / 2 + 1);
}

// Blocks of the map, one after the other: each is one stretch of pixels that are neighbours in y, and begins where the last one ended.
void expect_map_covered_once(const GemmTiling& t, const ConvShape& s, const GemmLimits& limits) {
    ASSERT_EQ(t.map[0] * t.map[1] * t.map[2], s.pixels());
    if (t.flat) {
        ASSERT_TRUE(s.flat());
        ASSERT_EQ(t.map[2], s.pixels());
    }
    std::int64_t pixels = 0;
    const auto longest = t.longest_block();
    for (std::int64_t i = 0; i < t.blocks_of_map(); ++i) {
        const Box b = t.block(i);
        ASSERT_EQ((b.begin[0] * t.map[1] + b.begin[1]) * t.map[2] + b.begin[2], pixels) << "block " << i;
        ASSERT_EQ(b.begin[2] % t.step, 0) << "blocks are whole tiles";
        for (std::size_t a = 0; a < 3; ++a) {
            ASSERT_GT(b.length(a), 0);
            ASSERT_LE(b.end[a], t.map[a]);
            ASSERT_LE(b.length(a), longest[a]);
        }
        ASSERT_TRUE(b.length(1) == 1 || b.length(2) == t.map[2]) << "rows are whole where there are several";
        ASSERT_TRUE(b.length(0) == 1 || b.length(1) * b.length(2) == t.map[1] * t.map[2]);
        ASSERT_LE(b.pixels(), t.most_pixels());
        ASSERT_LE(b.length(0) * b.length(1) * ceil_div(b.length(2), t.lanes), t.most_vectors_of_pixels());
        pixels += b.pixels();
    }
    ASSERT_EQ(pixels, s.pixels());
    const std::int64_t most = std::max(t.lane == Lane::pixel ? limits.pixel_lanes_of_block : limits.pixels_of_block, t.step);
    const bool may_be_larger = t.flat && t.k.blocks() == 1;
    const std::int64_t times = t.lane == Lane::pixel ? limits.larger_copy : 4;
    ASSERT_LE(t.most_pixels(), (may_be_larger ? limits.larger_block : times) * most);
    ASSERT_LE(t.most_pixels() * t.k.channels.longest(), std::max<std::int64_t>(2, times) * most * limits.k_of_block)
        << "copies are bounded";
}

void expect_covered_once(const GemmTiling& t, const Problem& p, const GemmLimits& limits, const GemmEntry& kernels) {
    const ConvShape& s = p.shape;
    ASSERT_EQ(t.k, order_k(s, limits.taps_of_block, limits.k_of_block));
    ASSERT_EQ(t.k_length, s.k());
    ASSERT_EQ(t.lanes, kernels.lanes);
    const bool pixel = t.lane == Lane::pixel;
    ASSERT_TRUE(pixel || t.lane == Lane::channel);
    ASSERT_TRUE(p.packed_as.lane == Lane::automatic || p.packed_as.lane == t.lane);
    ASSERT_EQ(t.unit, pixel ? 1 : kernels.lanes);
    ASSERT_TRUE(t.nv >= 1 && t.mr >= 1 && t.nv <= (pixel ? kernels.pixel_nv : kernels.nv)) << t.nv;
    ASSERT_LE(t.mr, pixel ? kernels.pixel_mr : kernels.mr[t.nv - 1]) << t.nv << " vectors, " << t.mr << " rows";
    ASSERT_EQ(t.panels.n, ceil_div(s.out_channels, t.unit));
    ASSERT_LE(t.panels.longest(), pixel ? t.mr : t.nv) << "a panel is as wide as a register tile";
    ASSERT_EQ(t.packed_elements_of_group(), t.panels.n * t.unit * s.k());
    ASSERT_EQ(t.chunks.n, t.panels.parts);
    std::int64_t units = 0, panels = 0;
    for (std::int64_t c = 0; c < t.chunks.parts; ++c) {
        ASSERT_EQ(t.chunks.begin(c), panels);
        ASSERT_GE(t.chunks.length(c), 1);
        std::int64_t in_chunk = 0;
        for (; panels < t.chunks.begin(c) + t.chunks.length(c); ++panels) {
            ASSERT_EQ(t.panels.begin(panels), units);
            ASSERT_GE(t.panels.length(panels), 1);
            units += t.panels.length(panels);
            in_chunk += t.panels.length(panels);
        }
        ASSERT_LE(in_chunk * t.unit, t.most_channels_of_chunk());
    }
    ASSERT_EQ(units, t.panels.n);
    expect_map_covered_once(t, s, limits);
    ASSERT_EQ(t.tasks, s.batch * s.groups * t.chunks.parts * t.blocks_of_map());
}

void expect_covered_once(const Problem& p, const Context& on) {
    const GemmTiling t = tile_gemm(p, on);
    if (p.dtype == DType::f32) {
        expect_covered_once(t, p, on.limits.gemm, entry_of<float>(on.entries->gemm));
    } else {
        expect_covered_once(t, p, on.limits.gemm, entry_of<double>(on.entries->gemm));
    }
}

constexpr Lane all_lanes[] = {Lane::automatic, Lane::channel, Lane::pixel};

// Map sizes: the maps of classification networks, pot-minus-1, powers of two (pot), pot-plus-1, a line, a single pixel.
constexpr std::int64_t maps[][2] = {{7, 7},  {13, 13}, {14, 14}, {56, 56}, {1, 1},   {1, 2},   {31, 1},   {32, 1},
                                    {33, 1}, {1, 111}, {1, 112}, {1, 113}, {16, 16}, {17, 15}, {224, 224}};
constexpr std::int64_t channels[] = {0, 1, 3, 24, 37, 64, 65, 96, 144, 255, 256, 257, 2048};  // shallow, odd, deep

TEST(GemmTiling, CoversEveryPixelChannelAndKOnce) {
    int shapes = 0;
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (const auto& map : maps) {
            for (const std::int64_t in : channels) {
                for (const std::int64_t out : channels) {
                    if (out == 0) continue;
                    for (const std::int64_t kernel : {1, 3}) {
                        ConvRequest r = image(map[0], map[1], in, out, kernel);
                        r.dtype = dtype;
                        r.batch = 1 + in % 2;
                        SCOPED_TRACE(text_of(r));
                        Problem p = problem_of(r);
                        p.packed_as.lane = all_lanes[shapes % 3];
                        expect_covered_once(p, on);
                        if (::testing::Test::HasFatalFailure()) return;
                        ++shapes;
                    }
                }
            }
        }
    });
    EXPECT_GE(shapes, 4000);
}

// The same where everything is cut small: one to three axes, groups, blocks within rows, rows, and slices.
TEST(GemmTiling, CoversEverythingOnceWhereAllIsCutSmall) {
    Random random(1);
    int within_rows = 0, rows = 0, slices = 0, chunks = 0;
    for_each_context_and_dtype([&](Context on, DType dtype) {
        for (int round = 0; round < 1000; ++round) {
            on.limits = small_limits(random);
            ConvRequest r = anything_small(random, 50);
            r.dtype = dtype;
            SCOPED_TRACE(text_of(r));
            Problem p = problem_of(r, round % 2 ? Layout::channels_last : Layout::channels_first);
            p.packed_as.lane = all_lanes[random.integer(0, round % 2 ? 1 : 2)];
            expect_covered_once(p, on);
            if (::testing::Test::HasFatalFailure()) return;
            const GemmTiling t = tile_gemm(p, on);
            within_rows += t.blocks[2].parts > 1;
            rows += t.blocks[1].parts > 1 && t.longest_block()[1] > 1;
            slices += t.blocks[0].parts > 1 && t.longest_block()[0] > 1;
            chunks += t.chunks.parts > 1 && t.chunks.longest() > 1;
        }
    });
    for (const int times : {within_rows, rows, slices, chunks}) EXPECT_GT(times, 50);
}

// The lane is chosen from the problem alone: the same again, for any batch, and never a pixel where pixels are not neighbours.
TEST(GemmTiling, LanesAreAPureChoice) {
    int pixel = 0, channel = 0;
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        const Context usual = on.for_decisions();
        for (const auto& map : maps) {
            for (const std::int64_t in : {1, 3, 16, 64, 512}) {
                for (const std::int64_t out : {1, 3, 16, 64, 512}) {
                    for (const std::int64_t kernel : {1, 3, 7}) {
                        ConvRequest r = image(map[0], map[1], in, out, kernel);
                        r.dtype = dtype;
                        Problem p = problem_of(r);
                        const Lane lane = tile_gemm(p, on).lane;
                        ++(lane == Lane::pixel ? pixel : channel);
                        const auto cycles = [&](Lane with) {
                            Problem forced = p;
                            forced.packed_as.lane = with;
                            return gemm_cycles(p, usual, tile_gemm(forced, usual));
                        };
                        ASSERT_EQ(lane == Lane::pixel, cycles(Lane::pixel) < cycles(Lane::channel)) << text_of(r);
                        for (p.shape.batch = 0; p.shape.batch < 20; p.shape.batch += 3)
                            ASSERT_EQ(tile_gemm(p, on).lane, lane) << text_of(r);
                        p.free_batch = true;
                        ASSERT_EQ(tile_gemm(p, on).lane, lane) << text_of(r);
                        p.shape.batch = on.limits.gemm.enough_tasks;
                        ASSERT_EQ(tile_gemm(p, on).lane, lane) << text_of(r);
                        p.layout = Layout::channels_last;
                        ASSERT_EQ(tile_gemm(p, on).lane, Lane::channel) << text_of(r);
                    }
                }
            }
        }
        const Problem first = problem_of(image(224, 224, 3, 8, 3)), deep = problem_of(image(14, 14, 256, 256, 3));
        EXPECT_EQ(tile_gemm(first, on).lane, Lane::pixel) << "few channels and long rows";
        EXPECT_EQ(tile_gemm(deep, on).lane, Lane::channel);
    });
    EXPECT_GT(pixel, 100);
    EXPECT_GT(channel, 100);
}

// A core that multiplies two wide vectors a cycle: all that a step of k takes finds a register, and channels first are copied where the
// copy is used often, not for one tap. A far-sighted one: the largest tiles but for very short sums, copies where channels alias.
TEST(GemmTiling, FollowsTheCore) {
    for (const KernelSet& set : kernel_sets()) {
        const Context wide = context_with({2, false}, *set.table), far_sighted = context_with({2, true}, *set.table),
                      narrow = context_with({1, false}, *set.table);
        Problem p = problem_of(image(56, 56, 128, 128, 3));
        p.packed_as.lane = Lane::channel;
        const GemmTiling t = tile_gemm(p, wide);
        EXPECT_TRUE(set.table->entries->vector_bytes < 64 || t.mr * t.nv + t.nv + 1 <= 32) << t.mr << " x " << t.nv;
        EXPECT_TRUE(t.always_copied);
        EXPECT_EQ(t.copy, Layout::channels_last);
        p.layout = Layout::channels_last;
        EXPECT_FALSE(tile_gemm(p, wide).always_copied);
        Problem strided = problem_of(image(28, 28, 512, 1024));
        strided.packed_as.lane = Lane::channel;
        strided.shape.axis[1].stride = strided.shape.axis[2].stride = 2;
        EXPECT_FALSE(tile_gemm(strided, wide).always_copied);
        p.layout = Layout::channels_first;
        EXPECT_FALSE(tile_gemm(p, far_sighted).always_copied);
        EXPECT_GE(tile_gemm(p, far_sighted).mr, t.mr);
        Problem aliased = problem_of(image(32, 32, 128, 128, 3));
        aliased.packed_as.lane = Lane::channel;
        EXPECT_TRUE(tile_gemm(aliased, far_sighted).always_copied) << "all channels share four sets";
        Problem shortest = problem_of(image(56, 56, 24, 144));
        shortest.packed_as.lane = Lane::channel;
        EXPECT_LE(tile_gemm(shortest, far_sighted).mr * tile_gemm(shortest, far_sighted).nv, 20);
        EXPECT_EQ(tile_gemm(p, narrow).always_copied, set.table->entries->vector_bytes < 64) << "two narrower vectors a cycle, everywhere";
    }
}

// Without a product sizes may be any numbers: they are estimated without an overflow (the sanitizers look).
TEST(GemmTiling, SizesWithoutProductsAreNotMultiplied) {
    for_each_context_and_dtype([](const Context& on, DType dtype) {
        const auto row = [&](std::int64_t in, std::int64_t out, std::int64_t input, std::int64_t kernel, std::int64_t padding) {
            ConvRequest r = line(input, kernel, 1, 1, padding, padding);
            r.channels = r.w_in = in;
            r.w_out = out;
            r.dtype = dtype;
            for (const Lane lane : {Lane::automatic, Lane::channel, Lane::pixel}) {
                for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
                    Problem p = problem_of(r, layout);
                    p.packed_as.lane = lane;
                    EXPECT_EQ(gemm_cycles(p, on, tile_gemm(p, on)), 0.0);
                    decide(p, on, "auto");
                }
            }
        };
        row(0, 1, 100'000'000'000'000'000, 1000, 0);
        row(1, 0, 8, 1000, 4'503'599'627'370'496'500);
        row(1, 0, 8, 3, 2'305'843'009'213'693'952);
    });
}

TEST(GemmTiling, KnowsNoThreads) {
    static_assert(std::is_same_v<decltype(&tile_gemm), GemmTiling (*)(const Problem&, const Context&)>,
                  "the tiling must not depend on threads");
    const Context on = context_of(*kernel_sets().front().table);
    const Problem p = problem_of(image(56, 56, 64, 64));
    for (int threads = 1; threads <= 64; ++threads) {
        const int worth = worthwhile_threads(p, on, threads);
        EXPECT_TRUE(worth >= 1 && worth <= threads && worth >= worthwhile_threads(p, on, threads - 1)) << threads;
    }
    EXPECT_EQ(worthwhile_threads(problem_of(image(8, 8, 1, 1)), on, 64), 1);
}

constexpr std::int64_t workspace_of_a_thread = 6'000'000;  // the promise

void expect_bounded_workspace(const Problem& problem, const Context& on, const std::string& text) {
    Problem p = problem;
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        p.layout = layout;
        for (const Lane lane : all_lanes) {
            if (lane == Lane::pixel && layout == Layout::channels_last) continue;
            p.packed_as.lane = lane;
            const GemmExecution execution = plan_gemm(p, on);
            for (const int threads : {1, 2, 64})
                EXPECT_LE(workspace_bytes(execution, 1.0, threads), workspace_of_a_thread * threads)
                    << text << (layout == Layout::channels_last ? ", channels last" : ", channels first") << ", lane "
                    << static_cast<int>(lane) << ", " << threads << " thread(s)";
        }
    }
}

TEST(GemmTiling, WorkspaceIsBounded) {
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (const std::int64_t side : {1, 7, 113, 1024, 8192}) {
            for (const std::int64_t in : {1, 3, 64, 4096}) {
                for (const std::int64_t out : {1, 3, 100, 4096, 65536}) {
                    for (const std::int64_t kernel : {1, 3, 31}) {
                        if (out > 4096 && kernel > 3) continue;  // more than 2^63 operations
                        ConvRequest r = image(side, side, in, out, kernel);
                        r.dtype = dtype;
                        expect_bounded_workspace(problem_of(r), on, text_of(r));
                    }
                }
            }
        }
    });
}

// Long filters, distant taps, long strides, columns, volumes.
TEST(GemmTiling, WorkspaceOfExtremeShapesIsBounded) {
    std::vector<ConvRequest> requests;
    for (const std::int64_t in : {1, 5, 640, 10'000}) {
        for (const std::int64_t out : {1, 7, 256, 3000}) {
            const auto add = [&](ConvRequest r) {
                r.channels = r.w_in = in;
                r.w_out = out;
                r.dtype = DType::f64;
                try {
                    validate(r);
                } catch (const std::invalid_argument&) {  // more than 2^63 operations
                    return;
                }
                requests.push_back(r);
            };
            for (const std::int64_t dilation : {1, 2, 1000}) add(line(200'000'000, 100'000, 1, dilation, 50, 50));
            for (const std::int64_t stride : {2, 7, 1000}) add(line(10'000'000, 5, stride, 1, 2, 2));
            add(line(10'000'000, 1000, 16, 3, 7, 0));
            add(line(10'000'000, 25, 16, 16, 7, 0));
            for (const std::int64_t stride : {1, 2, 50}) {
                for (const std::int64_t kernel : {1, 3, 32, 45}) {
                    for (const std::int64_t dilation : {1, 3, 1000}) {
                        ConvRequest plane = image(8192, 8192, 1, 1, kernel), column = image(100'000, 1, 1, 1, kernel),
                                    row = image(1, 100'000, 1, 1, kernel), narrow = image(5000, 9, 1, 1, kernel);
                        for (ConvRequest* r : {&plane, &column, &row, &narrow}) {
                            r->stride = {stride, stride};
                            r->dilation = {dilation, dilation};
                            add(*r);
                        }
                    }
                }
            }
            for (const std::int64_t side : {5, 6, 100}) {
                for (const std::int64_t kernel : {2, 10, 11}) {
                    for (const std::int64_t dilation : {1, 4, 100}) {
                        ConvRequest volume;
                        volume.rank = 3;
                        volume.input = {side, side, side};
                        volume.kernel = {kernel, kernel, kernel};
                        volume.stride = {1, 1, 1};
                        volume.dilation = {dilation, dilation, dilation};
                        volume.padding.kind = PaddingKind::same;
                        add(volume);
                    }
                }
            }
        }
    }
    EXPECT_GT(requests.size(), 2000U);
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (ConvRequest r : requests) {
            r.dtype = dtype;
            expect_bounded_workspace(problem_of(r), on, text_of(r));
            if (::testing::Test::HasFailure()) return;
        }
    });
}

// A plan of a free batch tells the workspace of the largest tiles that any batch gets.
TEST(GemmTiling, FreeBatchBoundsEveryBatch) {
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (const auto& map : maps) {
            for (const std::int64_t out : {3, 64, 257, 2048}) {
                ConvRequest r = image(map[0], map[1], 37, out, 3);
                r.dtype = dtype;
                Problem p = problem_of(r, out % 2 ? Layout::channels_last : Layout::channels_first);
                p.free_batch = true;
                std::int64_t most = 0;
                for (const ConvExecution& e : plans_of_most_memory(plan_conv_by_gemm(p, on))) {
                    most = std::max(most, workspace_bytes(e, 1.0, 2));
                }
                p.free_batch = false;
                for (p.shape.batch = 0; p.shape.batch <= 40; ++p.shape.batch) {
                    ASSERT_LE(workspace_bytes(plan_gemm(p, on), 1.0, 2), most) << text_of(r);
                }
            }
        }
    });
}

// What validate lets through can be planned, even where nothing is to be computed. (UBSan sees an overflow that wraps silently elsewhere.)
TEST(GemmTiling, ExtremeSizesDoNotOverflow) {
    constexpr std::int64_t big = std::int64_t{1} << 40;
    std::vector<ConvRequest> requests(4, image(1, 1, 1, 1));
    requests[0].batch = big;  // no output channels, but a border that makes a large map
    requests[0].w_out = 0;
    requests[0].padding.kind = PaddingKind::given;
    requests[0].padding.before = requests[0].padding.after = {big, 0};
    requests[1] = image(1 << 15, 1 << 15, 1 << 14, 1 << 14);
    requests[2].input = {0, big};
    requests[3].w_out = requests[3].channels = requests[3].groups = big;  // one channel a group
    const Context on = context_of(*kernel_sets().front().table);
    for (const ConvRequest& r : requests) {
        const Problem p = problem_of(r);
        EXPECT_GE(tile_gemm(p, on).tasks, 0) << text_of(r);
        Problem call = p;
        call.packing = Packing::every_call;
        EXPECT_FALSE(winograd_tiles(decide(call, on, "auto").algorithm));
        EXPECT_GE(workspace_bytes(plan_gemm(p, on), 1.0, 1024), 0);
    }
}

// Weights are packed for channels and kernel, not for a map: with its lane given, a plan of any other map has the same format.
TEST(PackedFormat, IsTheSameForEveryMap) {
    Random random(2);
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        for (int round = 0; round < 300; ++round) {
            ConvRequest r = anything_small(random, 300);
            r.dtype = dtype;
            SCOPED_TRACE(text_of(r));
            const Problem given = problem_of(r);
            const auto format_of_gemm = [&](const Problem& problem) { return format_of(plan_conv_by_gemm(problem, on)); };
            const auto format_of_naive = [&](const Problem& problem) { return format_of(plan_conv_by_naive(problem, on)); };
            const PackedFormat format = format_of_gemm(given);
            EXPECT_EQ(format.lane, tile_gemm(given, on).lane);
            EXPECT_EQ(format.panels, tile_gemm(given, on).panels);
            EXPECT_EQ(format.unit, tile_gemm(given, on).unit);
            const Problem before = plan_conv_by_gemm(given, on).problem();
            EXPECT_EQ(before.packed_as.lane, format.lane);
            Problem p = before;
            p.shape.batch = random.integer(0, 50);
            for (Axis& a : p.shape.axis) {
                a.input = random.integer(1, 500);
                a.output = random.integer(1, 500);
                a.stride = random.integer(1, 3);
                a.pad_before = random.integer(0, 1);
            }
            ASSERT_EQ(format_of_gemm(p), format);
            ASSERT_EQ(format_of_naive(p), format_of_naive(before));
            ASSERT_NE(format_of_naive(p), format);
            p.packed_as.lane = format.lane == Lane::pixel ? Lane::channel : Lane::pixel;
            ASSERT_NE(format_of_gemm(p), format) << "the other lane";
            p = before;
            ++p.shape.out_channels;
            ASSERT_NE(format_of_gemm(p), format);
            p = before;
            ++p.shape.groups;
            ASSERT_NE(format_of_gemm(p), format);
            p = before;
            ++p.shape.in_channels;
            ASSERT_NE(format_of_gemm(p), format);
            p = before;
            ++p.shape.axis[2].kernel;
            ASSERT_NE(format_of_gemm(p), format);
        }
    });
}

TEST(Planner, Decides) {
    const Context on = context_of(*kernel_sets().back().table);
    const Problem p = problem_of(image(14, 14, 24, 96, 3));
    EXPECT_EQ(decide(p, on, "auto").algorithm, Algorithm::winograd);
    EXPECT_EQ(decide(p, on, "measure").algorithm, Algorithm::winograd);
    EXPECT_EQ(decide(problem_of(image(14, 14, 24, 96, 1)), on, "auto").algorithm, Algorithm::gemm);
    EXPECT_EQ(decide(p, on, "winograd_f2").algorithm, Algorithm::winograd_f2);
    EXPECT_THROW(decide(problem_of(image(14, 14, 24, 96, 1)), on, "winograd"), std::invalid_argument);
    EXPECT_EQ(decide(p, on, "gemm").algorithm, Algorithm::gemm);
    EXPECT_EQ(decide(p, on, "naive").algorithm, Algorithm::naive);
    EXPECT_EQ(decide(p, on, "naive").wanted, "naive");
    for (const char* unknown : {"fft", "", "AUTO"}) {
        try {
            decide(p, on, unknown);
            ADD_FAILURE() << unknown << " was accepted";
        } catch (const std::invalid_argument& e) {
            EXPECT_EQ(e.what(),
                      "algorithm must be one of \"auto\", \"measure\", \"gemm\", \"depthwise\", \"direct\", \"winograd\", "
                      "\"winograd_f2\", \"winograd_f6\", \"naive\"; got \"" +
                          std::string(unknown) + "\"");
        }
    }
}

TEST(Planner, CountsPackingWhereItIsPaid) {
    const Context on = context_of(*kernel_sets().back().table);
    const Problem p = problem_of(image(1, 1, 512, 512));
    Problem once = p;
    once.packing = Packing::every_call;
    const Decision plan = decide(p, on, "auto"), call = decide(once, on, "auto");
    ASSERT_EQ(plan.candidates.size(), 4U) << "what auto may choose";
    ASSERT_EQ(call.candidates.size(), 4U);
    for (std::size_t i = 0; i < plan.candidates.size(); ++i) {
        if (!plan.candidates[i].refusal.empty()) continue;
        EXPECT_GT(plan.candidates[i].cycles, 0);
        EXPECT_GT(call.candidates[i].cycles, plan.candidates[i].cycles);
    }
}

// Every algorithm that can serve tells what it costs, on every kind of core, and asks for more time for more work.
TEST(Planner, EstimatesGrowWithTheWork) {
    for (const KernelSet& set : kernel_sets()) {
        for (const Core& core : all_cores) {
            const Context on = context_with(core, *set.table);
            for (const AlgorithmEntry& e : algorithms()) {
                double before = 0.0;
                for (const std::int64_t size : {14, 28, 56, 112}) {
                    ConvRequest r = image(size, size, 32, e.algorithm == Algorithm::direct ? 4 : 64, 3);
                    if (e.algorithm == Algorithm::depthwise) {
                        r.groups = 32;
                        r.w_in = 1;
                    }
                    const Candidate c = consider(problem_of(r), on, e.algorithm);
                    EXPECT_GT(c.cycles, before) << e.name << " " << size;
                    before = c.cycles;
                }
            }
        }
    }
}

TEST(Planner, LooksOnlyAtWhatWasAskedFor) {
    const Context on = context_of(*kernel_sets().back().table);
    const Problem p = problem_of(image(14, 14, 24, 96, 3));
    EXPECT_EQ(decide(p, on, "winograd_f6").candidates.size(), 1U);
    for (const Candidate& c : decide(p, on, "auto").candidates) EXPECT_TRUE(entry_of(c.algorithm).automatic);
}

TEST(Planner, RegistryIsComplete) {
    for (const AlgorithmEntry& e : algorithms()) EXPECT_EQ(&entry_of(e.algorithm), &e);
    EXPECT_EQ(algorithms().size(), 7U);
}

TEST(Planner, ExplainsItself) {
    ConvRequest r = image(14, 15, 24, 37, 3);
    r.border = Border::reflect;
    r.dtype = DType::f64;
    for_each_context_and_dtype([&](const Context& on, DType) {
        const Problem p = problem_of(r, Layout::channels_last);
        const auto explained = [&](const Problem& problem, const char* algorithm, const Footprint& footprint) {
            const Decision decision = decide(problem, on, algorithm);
            return explain(plan_conv(problem, on, decision.algorithm), decision, footprint);
        };
        const std::string text = explained(p, "gemm", {3, 123456, 78910});
        const GemmTiling t = tile_gemm(p, on);
        const std::string tile = std::to_string(t.mr) + " pixels x " + std::to_string(t.nv * t.lanes) + " channels, lane = channel";
        for (const std::string& part :
             {std::string("float64"), std::string("channels last"), std::string("24 -> 37 channels"), std::string("padding_mode reflect"),
              std::string("height  14 -> 14, kernel 3, stride 1, dilation 1, padding (1, 1)"), std::string("width   15 -> 15"),
              std::string("gemm (asked for: gemm)"), std::string("naive"), std::string("only by name"), std::string(on.entries->isa),
              std::string(on.entries->description), tile, std::string("workspace 123456 bytes for at most 3 thread(s)"),
              std::string("packed weights 78910 bytes"), std::string("task(s)"), std::to_string(2 * p.shape.macs()),
              std::string("|y - exact| <=")}) {
            EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is missing in\n" << text;
        }
        EXPECT_EQ(text.find("depth "), std::string::npos);  // the axis
        Problem pixel = problem_of(image(32, 32, 3, 8));
        pixel.packed_as.lane = Lane::pixel;
        const GemmTiling u = tile_gemm(pixel, on);
        const std::string other = std::to_string(u.nv * u.lanes) + " pixels x " + std::to_string(u.mr) + " channels, lane = pixel";
        EXPECT_NE(explained(pixel, "gemm", {1, 0, 0}).find(other), std::string::npos) << other;
        EXPECT_NE(explained(p, "naive", {1, 0, 0}).find("naive (asked for: naive)"), std::string::npos);
        const std::string tiles = explained(p, "winograd", {1, 0, 0});
        for (const char* part :
             {"height: 3 tile(s) of 4 and one of 2 output(s), 3 tap(s)", "width:  3 tile(s) of 4 and one of 3", "36 points"})
            EXPECT_NE(tiles.find(part), std::string::npos) << tiles;
    });
}

}  // namespace
}  // namespace npconv::test

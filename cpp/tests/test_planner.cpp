// SPDX-License-Identifier: BSD-3-Clause
// The planner, without arithmetic on tensors: tilings cover everything once, memory is bounded, decisions and their words. It only reads
// the kernel tables, so that every set is planned for, whether this machine has it or not.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "algorithms/gemm.hpp"
#include "plan/explain.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/planner.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

template <class F>
void for_each_table_and_dtype(const F& f) {
    for (const KernelSet& set : kernel_sets()) {
        for (const DType dtype : {DType::f32, DType::f64}) {
            SCOPED_TRACE(std::string(set.table->isa) + " " + name_of(dtype));
            f(*set.table, dtype);
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

void expect_covered_once(const GemmTiling& t, const Problem& p, int nv) {
    const ConvShape& s = p.shape;
    ASSERT_EQ(t.k, s.k());
    ASSERT_EQ(t.pixels, s.pixels());
    ASSERT_GE(t.vectors() * t.lanes, s.out_channels);
    ASSERT_LT((t.vectors() - 1) * t.lanes, s.out_channels);
    ASSERT_EQ(t.panels.n, t.vectors());
    ASSERT_LE(t.panels.longest(), nv);
    ASSERT_EQ(t.chunks.n, t.panels.parts);
    std::int64_t vectors = 0, panels = 0;
    for (std::int64_t c = 0; c < t.chunks.parts; ++c) {
        ASSERT_EQ(t.chunks.begin(c), panels);
        ASSERT_GE(t.chunks.length(c), 1);
        std::int64_t in_chunk = 0;
        for (; panels < t.chunks.begin(c) + t.chunks.length(c); ++panels) {
            ASSERT_EQ(t.panels.begin(panels), vectors);
            ASSERT_GE(t.panels.length(panels), 1);
            vectors += t.panels.length(panels);
            in_chunk += t.panels.length(panels);
        }
        ASSERT_LE(in_chunk, t.most_vectors_of_chunk());
    }
    ASSERT_EQ(vectors, t.vectors());
    std::int64_t pixels = 0;
    for (std::int64_t b = 0; b < t.pixel_blocks.parts; ++b) {
        ASSERT_EQ(t.block_begin(b), pixels);
        ASSERT_GT(t.block_end(b), pixels);
        ASSERT_LE(t.block_end(b) - pixels, t.most_pixels());
        pixels = t.block_end(b);
    }
    ASSERT_EQ(pixels, s.pixels());
    std::int64_t k = 0;
    for (std::int64_t b = 0; b < t.k_blocks.parts; ++b) {
        ASSERT_EQ(t.k_blocks.begin(b), k);
        k += t.k_blocks.length(b);
    }
    ASSERT_EQ(k, s.k());
    ASSERT_EQ(t.tasks, s.batch * s.groups * t.chunks.parts * t.pixel_blocks.parts);
}

// Map sizes: the maps of classification networks, pot-minus-1, powers of two (pot), pot-plus-1, a line, a single pixel.
constexpr std::int64_t maps[][2] = {{7, 7},  {13, 13}, {14, 14}, {56, 56}, {1, 1},   {1, 2},   {31, 1},   {32, 1},
                                    {33, 1}, {1, 111}, {1, 112}, {1, 113}, {16, 16}, {17, 15}, {224, 224}};
constexpr std::int64_t channels[] = {0, 1, 3, 24, 37, 64, 65, 96, 144, 255, 256, 257, 2048};  // shallow, odd, deep

TEST(GemmTiling, CoversEveryPixelChannelAndKOnce) {
    int shapes = 0;
    for_each_table_and_dtype([&](const KernelTable& table, DType dtype) {
        const int nv = dtype == DType::f32 ? table.f32.nv : table.f64.nv;
        for (const auto& map : maps) {
            for (const std::int64_t in : channels) {
                for (const std::int64_t out : channels) {
                    if (out == 0) continue;
                    for (const std::int64_t kernel : {1, 3}) {
                        ConvRequest r = image(map[0], map[1], in, out, kernel);
                        r.dtype = dtype;
                        r.batch = 1 + in % 2;
                        SCOPED_TRACE(text_of(r));
                        const Problem p = problem_of(r, table);
                        expect_covered_once(tile_gemm(p), p, nv);
                        if (::testing::Test::HasFatalFailure()) return;
                        ++shapes;
                    }
                }
            }
        }
    });
    EXPECT_GE(shapes, 4000);
}

TEST(GemmTiling, KnowsNoThreads) {
    static_assert(std::is_same_v<decltype(&tile_gemm), GemmTiling (*)(const Problem&)>, "the tiling must not depend on threads");
    const Problem p = problem_of(image(56, 56, 64, 64), *kernel_sets().front().table);
    for (int threads = 1; threads <= 64; ++threads) {
        const int worth = worthwhile_threads(p, threads);
        EXPECT_TRUE(worth >= 1 && worth <= threads && worth >= worthwhile_threads(p, threads - 1)) << threads;
    }
    EXPECT_EQ(worthwhile_threads(problem_of(image(8, 8, 1, 1), *kernel_sets().front().table), 64), 1);
}

TEST(GemmTiling, WorkspaceIsBounded) {
    for_each_table_and_dtype([&](const KernelTable& table, DType dtype) {
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            for (const std::int64_t side : {1, 7, 113, 1024, 8192}) {
                for (const std::int64_t in : {1, 3, 64, 4096}) {
                    for (const std::int64_t out : {1, 3, 100, 4096, 65536}) {
                        for (const std::int64_t kernel : {1, 3, 31}) {
                            if (out > 4096 && kernel > 3) continue;  // more than 2^63 operations
                            ConvRequest r = image(side, side, in, out, kernel);
                            r.dtype = dtype;
                            const Problem p = problem_of(r, table, layout);
                            for (const int threads : {1, 2, 64})
                                ASSERT_LE(gemm_workspace_bytes(p, threads), 6'000'000 * threads) << text_of(r);
                        }
                    }
                }
            }
        }
    });
}

// A plan of a free batch tells the workspace of the largest tiles that any batch gets.
TEST(GemmTiling, FreeBatchBoundsEveryBatch) {
    for_each_table_and_dtype([&](const KernelTable& table, DType dtype) {
        for (const auto& map : maps) {
            for (const std::int64_t out : {3, 64, 257, 2048}) {
                ConvRequest r = image(map[0], map[1], 37, out, 3);
                r.dtype = dtype;
                Problem p = problem_of(r, table);
                p.free_batch = true;
                const std::int64_t most = gemm_workspace_bytes(p, 2);
                p.free_batch = false;
                for (p.shape.batch = 0; p.shape.batch <= 40; ++p.shape.batch) ASSERT_LE(gemm_workspace_bytes(p, 2), most) << text_of(r);
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
    for (const ConvRequest& r : requests) {
        const Problem p = problem_of(r, *kernel_sets().front().table);
        EXPECT_GE(tile_gemm(p).tasks, 0) << text_of(r);
        EXPECT_EQ(decide(p, "auto", Packing::every_call).algorithm, Algorithm::gemm);
        EXPECT_GE(gemm_workspace_bytes(p, 1024), 0);
    }
}

TEST(Planner, Decides) {
    const Problem p = problem_of(image(14, 14, 24, 96, 3), *kernel_sets().back().table);
    EXPECT_EQ(decide(p, "auto", Packing::once).algorithm, Algorithm::gemm);
    EXPECT_EQ(decide(p, "measure", Packing::once).algorithm, Algorithm::gemm);
    EXPECT_EQ(decide(p, "gemm", Packing::once).algorithm, Algorithm::gemm);
    EXPECT_EQ(decide(p, "naive", Packing::once).algorithm, Algorithm::naive);
    EXPECT_EQ(decide(p, "naive", Packing::once).wanted, "naive");
    for (const char* unknown : {"winograd", "", "AUTO"}) {
        try {
            decide(p, unknown, Packing::once);
            ADD_FAILURE() << unknown << " was accepted";
        } catch (const std::invalid_argument& e) {
            EXPECT_EQ(e.what(),
                      "algorithm must be one of \"auto\", \"measure\", \"gemm\", \"naive\"; got \"" + std::string(unknown) + "\"");
        }
    }
}

TEST(Planner, CountsPackingWhereItIsPaid) {
    const Problem p = problem_of(image(1, 1, 512, 512), *kernel_sets().back().table);
    const Decision plan = decide(p, "auto", Packing::once), call = decide(p, "auto", Packing::every_call);
    ASSERT_EQ(plan.candidates.size(), algorithms().size());
    for (std::size_t i = 0; i < plan.candidates.size(); ++i) {
        EXPECT_GT(plan.candidates[i].cycles, 0);
        EXPECT_GT(call.candidates[i].cycles, plan.candidates[i].cycles);
    }
}

TEST(Planner, RegistryIsComplete) {
    for (const AlgorithmEntry& e : algorithms()) EXPECT_EQ(&entry_of(e.algorithm), &e);
    EXPECT_EQ(algorithms().size(), 2U);
}

TEST(Planner, ExplainsItself) {
    ConvRequest r = image(14, 15, 24, 37, 3);
    r.border = Border::reflect;
    r.dtype = DType::f64;
    for_each_table_and_dtype([&](const KernelTable& table, DType) {
        const Problem p = problem_of(r, table, Layout::channels_last);
        const std::string text = explain(p, decide(p, "auto", Packing::once), {3, 123456, 78910});
        const std::string mr = std::to_string(table.f64.mr);
        for (const std::string& part :
             {std::string("float64"), std::string("channels last"), std::string("24 -> 37 channels"), std::string("padding_mode reflect"),
              std::string("height  14 -> 14, kernel 3, stride 1, dilation 1, padding (1, 1)"), std::string("width   15 -> 15"),
              std::string("gemm (asked for: auto)"), std::string("naive"), std::string("only by name"), std::string(table.isa),
              std::string(table.description), mr + " pixels x", std::string("workspace 123456 bytes for at most 3 thread(s)"),
              std::string("packed weights 78910 bytes"), std::string("task(s)"), std::to_string(2 * p.shape.macs()),
              std::string("|y - exact| <=")}) {
            EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is missing in\n" << text;
        }
        EXPECT_EQ(text.find("depth"), std::string::npos);
        EXPECT_NE(explain(p, decide(p, "naive", Packing::once), {1, 0, 0}).find("naive (asked for: naive)"), std::string::npos);
    });
}

}  // namespace
}  // namespace npconv::test

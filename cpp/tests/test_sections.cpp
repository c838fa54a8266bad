// SPDX-License-Identifier: BSD-3-Clause
// Sections of output channels: each channel once, in order, and as few bytes as asked for wherever a unit allows it.
#include "plan/sections.hpp"

#include <gtest/gtest.h>

#include "contexts.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

void expect_all_once(const std::vector<Section>& sections, std::int64_t groups, std::int64_t channels) {
    std::int64_t next = 0;
    for (const Section& s : sections) {
        EXPECT_EQ(s.first(channels), next);
        EXPECT_GE(s.groups, 1);
        EXPECT_GE(s.channels, 1);
        EXPECT_TRUE(s.groups == 1 || s.channels == channels) << "several groups are whole";
        EXPECT_LE(s.channel + s.channels, channels);
        next += s.groups * s.channels;
    }
    EXPECT_EQ(next, groups * channels);
}

TEST(Sections, HaveEachChannelOnceAndFit) {
    Random random(1);
    int groups_cut = 0, channels_cut = 0;
    for (int round = 0; round < 20'000; ++round) {
        const std::int64_t groups = random.integer(1, 50), channels = random.integer(1, 300), bytes = random.integer(1, 1000);
        SectionUnit unit{random.integer(1, 64), 1, random.integer(1, 16)};
        unit.least = random.integer(0, unit.channels);
        const std::int64_t room = random.integer(1, 100'000);
        const std::vector<Section> sections = cut_channels(groups, channels, bytes, unit, room);
        expect_all_once(sections, groups, channels);
        const std::int64_t smallest = unit.least > 0 ? std::min(unit.least, channels) : channels;  // a section cannot be smaller
        for (const Section& s : sections) EXPECT_LE(s.groups * s.channels * bytes, std::max(room, smallest * bytes));
        groups_cut += sections.size() > 1 && sections[0].channels == channels;
        channels_cut += sections[0].channels < channels;
    }
    EXPECT_GT(groups_cut, 100);
    EXPECT_GT(channels_cut, 100);
}

// Of a plain call of one image, and of nothing else.
TEST(Sections, AreOfPlainCallsOfOneImage) {
    for_each_context_and_dtype([&](const Context& on, DType dtype) {
        ConvRequest r = image(7, 7, 1024, 2048, 3);
        r.dtype = dtype;
        for (const Algorithm algorithm : {Algorithm::gemm, Algorithm::winograd, Algorithm::naive}) {
            Problem p = problem_of(r);
            EXPECT_EQ(sections_of(plan_conv(p, on, algorithm), 1).size(), 1U) << "a plan";
            p.packing = Packing::every_call;
            const ConvExecution execution = plan_conv(p, on, algorithm);
            const std::vector<Section> sections = sections_of(execution, 1);
            EXPECT_GT(sections.size(), 1U);
            expect_all_once(sections, 1, 2048);
            for (const Section& s : sections) EXPECT_LE(packed_bytes(execution_of(execution, s)), 6'500'000);
            EXPECT_LT(sections_of(execution, 8).size(), sections.size()) << "6 MB a thread";
            p.shape.batch = 2;
            EXPECT_EQ(sections_of(plan_conv(p, on, algorithm), 1).size(), 1U) << "several images";
        }
    });
}

}  // namespace
}  // namespace npconv::test

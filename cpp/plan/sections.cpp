// SPDX-License-Identifier: BSD-3-Clause
#include "plan/sections.hpp"

#include <algorithm>

namespace npconv {

namespace {

SectionUnit unit(const GemmExecution& e) {
    const GemmTiling& t = e.tiling;
    return {std::max<std::int64_t>(1, t.panels.longest()) * t.unit, t.unit, 1};
}
SectionUnit unit(const WinogradExecution& e) { return unit(e.whole); }
SectionUnit unit(const DepthwiseExecution& e) {  // vectors are of channels of all groups
    const ConvShape& s = e.problem.shape;
    const std::int64_t lanes = e.tiling.lanes_of_channel();
    return {lanes, s.in_channels == 1 ? lanes : 0, ceil_div(lanes, std::max<std::int64_t>(1, s.out_channels))};
}
SectionUnit unit(const DirectExecution&) { return {0, 0, 1}; }  // its tiles have all channels of a group
SectionUnit unit(const NaiveExecution&) { return {1, 1, 1}; }

std::int64_t taken(const Problem& p) { return p.shape.groups * p.shape.out_channels * p.shape.k(); }  // elements
std::int64_t elements(const GemmExecution& e) { return e.problem.shape.groups * e.tiling.packed_elements_of_group(); }
std::int64_t elements(const WinogradExecution& e) {
    const WinogradTiling& t = e.tiling;
    return e.problem.shape.groups * (t.packed_taps_of_group() + (t.prepared ? t.transformed_elements_of_group() : 0));
}
std::int64_t elements(const DepthwiseExecution& e) { return e.tiling.channels * e.problem.shape.k() * e.tiling.lanes_of_channel(); }
std::int64_t elements(const DirectExecution& e) { return taken(e.problem); }
std::int64_t elements(const NaiveExecution& e) { return taken(e.problem); }

}  // namespace

SectionUnit unit_of(const ConvExecution& execution) {
    return std::visit([](const auto& e) { return unit(e); }, execution.way);
}

std::int64_t packed_bytes(const ConvExecution& execution) {
    return std::visit([](const auto& e) { return elements(e); }, execution.way) * size_of(execution.problem().dtype);
}

std::vector<Section> cut_channels(std::int64_t groups, std::int64_t channels, std::int64_t bytes, const SectionUnit& unit,
                                  std::int64_t room) {
    const std::int64_t fit = room / std::max<std::int64_t>(1, bytes);  // channels
    std::vector<Section> sections;
    const bool whole_groups = unit.least == 0 || channels <= fit;
    if (whole_groups) {
        const std::int64_t each = groups * channels <= fit ? groups : std::max<std::int64_t>(1, fit / std::max<std::int64_t>(1, channels));
        const std::int64_t step = each >= unit.groups ? unit.groups : 1;
        const EvenSplit parts = split_by(ceil_div(groups, step), each / step);
        for (std::int64_t i = 0; i < parts.parts; ++i) {
            const std::int64_t first = parts.begin(i) * step;
            sections.push_back({first, std::min(parts.length(i) * step, groups - first), 0, channels});
        }
        return sections;
    }
    const std::int64_t step = fit >= unit.channels ? unit.channels : unit.least;
    const EvenSplit parts = split_by(ceil_div(channels, step), std::max<std::int64_t>(1, fit / step));
    for (std::int64_t group = 0; group < groups; ++group) {
        for (std::int64_t i = 0; i < parts.parts; ++i) {
            const std::int64_t first = parts.begin(i) * step;
            sections.push_back({group, 1, first, std::min(parts.length(i) * step, channels - first)});
        }
    }
    return sections;
}

std::int64_t room_for_weights(const Context& on, int threads) { return on.limits.gemm.bytes_of_weights * threads; }

std::vector<Section> sections_of(const ConvExecution& execution, int threads) {
    constexpr std::int64_t most_growth = 128;  // of few channels in vectors, with transformed weights
    const Problem& p = execution.problem();
    const ConvShape& s = p.shape;
    const std::int64_t room = room_for_weights(execution.on(), threads), channels = s.groups * s.out_channels;
    std::vector<Section> whole{{0, s.groups, 0, s.out_channels}};
    if (p.packing == Packing::once || s.batch > 1 || taken(p) * size_of(p.dtype) <= room / most_growth) return whole;
    const std::int64_t bytes = packed_bytes(execution);
    if (bytes <= room) return whole;
    return cut_channels(s.groups, s.out_channels, ceil_div(bytes, channels), unit_of(execution), room);
}

Problem problem_of(const Problem& whole, const Section& section) {
    Problem p = whole;
    p.shape.groups = section.groups;
    p.shape.out_channels = section.channels;
    if (p.all_channels == 0) p.all_channels = whole.shape.out_channels;
    return p;
}

ConvExecution execution_of(const ConvExecution& whole, const Section& section) {
    return plan_conv(problem_of(whole.problem(), section), whole.on(), whole.algorithm);
}

}  // namespace npconv

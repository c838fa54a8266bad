// SPDX-License-Identifier: BSD-3-Clause
#include "plan/sections.hpp"

#include <algorithm>
#include <stdexcept>

#include "plan/depthwise_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

SectionUnit unit_of(const Problem& p, Algorithm algorithm) {
    switch (algorithm) {
        case Algorithm::gemm:
        case Algorithm::winograd:
        case Algorithm::winograd_f2:
        case Algorithm::winograd_f6: {
            const GemmTiling t = tile_gemm(algorithm == Algorithm::gemm ? p : direct_problem(p));
            return {std::max<std::int64_t>(1, t.panels.longest()) * t.unit, t.unit, 1};
        }
        case Algorithm::depthwise: {  // vectors are of channels of all groups
            const std::int64_t lanes = tile_depthwise(p).lanes_of_channel();
            return {lanes, p.shape.in_channels == 1 ? lanes : 0, ceil_div(lanes, std::max<std::int64_t>(1, p.shape.out_channels))};
        }
        case Algorithm::direct: return {0, 0, 1};  // its tiles have all channels of a group
        case Algorithm::naive: return {1, 1, 1};
    }
    throw std::logic_error("no sections for this algorithm");
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

std::int64_t room_for_weights(int threads) { return tiling_limits().bytes_of_weights * threads; }

std::vector<Section> sections_of(const Problem& p, Algorithm algorithm, int threads) {
    constexpr std::int64_t most_growth = 128;  // of few channels in vectors, with transformed weights
    const ConvShape& s = p.shape;
    const std::int64_t room = room_for_weights(threads), channels = s.groups * s.out_channels;
    const std::vector<Section> whole{{0, s.groups, 0, s.out_channels}};
    if (p.packing == Packing::once || s.batch > 1 || channels * s.k() * size_of(p.dtype) <= room / most_growth) return whole;
    const std::int64_t bytes = packed_bytes(p, algorithm);
    if (bytes <= room) return whole;
    return cut_channels(s.groups, s.out_channels, ceil_div(bytes, channels), unit_of(p, algorithm), room);
}

Problem problem_of(const Problem& whole, const Section& section) {
    Problem p = whole;
    p.shape.groups = section.groups;
    p.shape.out_channels = section.channels;
    if (p.all_channels == 0) p.all_channels = whole.shape.out_channels;
    return p;
}

std::int64_t packed_bytes(const Problem& p, Algorithm algorithm) {
    const ConvShape& s = p.shape;
    const std::int64_t element = size_of(p.dtype), taken = s.groups * s.out_channels * s.k() * element;
    switch (algorithm) {
        case Algorithm::gemm: return s.groups * tile_gemm(p).packed_elements_of_group() * element;
        case Algorithm::winograd:
        case Algorithm::winograd_f2:
        case Algorithm::winograd_f6: {
            const WinogradTiling t = tile_winograd(p, *winograd_tiles(algorithm));
            return s.groups * (t.packed_taps_of_group() + (t.prepared ? t.transformed_elements_of_group() : 0)) * element;
        }
        case Algorithm::depthwise: {
            const DepthwiseTiling t = tile_depthwise(p);
            return t.channels * s.k() * t.lanes_of_channel() * element;
        }
        case Algorithm::direct:
        case Algorithm::naive: return taken;
    }
    throw std::logic_error("no packed weights of this algorithm");
}

}  // namespace npconv

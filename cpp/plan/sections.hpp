// SPDX-License-Identifier: BSD-3-Clause
// Plain calls pack the weights for themselves. A call with one image uses them once. It packs them in sections of output channels, one
// after the other in the same memory, so that they take at most 6 MB a thread, however large they are. (A call with several images packs
// them as a whole.) A section is a convolution of its own, with the algorithm and tiling of the whole: no sum depends on sections.
#pragma once
#include <cstdint>
#include <vector>

#include "plan/executions.hpp"

namespace npconv {

// Several groups with all their output channels, or some output channels of one group.
struct Section {
    std::int64_t group, groups;      // first group, number of groups
    std::int64_t channel, channels;  // of a group

    // The number of the section's first channel, counted over all groups.
    std::int64_t first(std::int64_t channels_of_group) const { return group * channels_of_group + channel; }
    bool operator==(const Section&) const = default;
};

// How weights may be cut.
struct SectionUnit {
    std::int64_t channels = 1;  // a section of a part of a group has a multiple of this number of channels, if that fits,
    std::int64_t least = 1;     //   else a multiple of this number; 0: groups are not cut
    std::int64_t groups = 1;    // a section of whole groups has a multiple of this number of groups, if that fits
};

SectionUnit unit_of(const ConvExecution& execution);

// Sections whose weights take at most `room` bytes, if units allow it. bytes: weights of an output channel.
std::vector<Section> cut_channels(std::int64_t groups, std::int64_t channels, std::int64_t bytes, const SectionUnit& unit,
                                  std::int64_t room);

// Bytes that a plain call may use for packed weights.
std::int64_t room_for_weights(const Context& on, int threads);

// The sections of a plain call; one section if the weights are packed as a whole.
std::vector<Section> sections_of(const ConvExecution& execution, int threads);

// The convolution of a section, planned as the whole.
Problem problem_of(const Problem& whole, const Section& section);
ConvExecution execution_of(const ConvExecution& whole, const Section& section);

// Bytes of packed weights, without bias.
std::int64_t packed_bytes(const ConvExecution& execution);

}  // namespace npconv

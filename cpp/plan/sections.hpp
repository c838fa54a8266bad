// SPDX-License-Identifier: BSD-3-Clause
// Plain calls pack the weights for themselves. Those of one image are used once: they are packed in sections of output channels, one after
// the other in the same memory, so that a call needs at most 6 MB a thread for them, however large they are. (Weights of several images are
// packed as a whole.) A section is a convolution of its own, decided and tiled like the whole: no sum depends on it.
#pragma once
#include <cstdint>
#include <vector>

#include "plan/executions.hpp"

namespace npconv {

// Some groups with all their channels, or some channels of one group.
struct Section {
    std::int64_t group, groups;      // the first, and how many
    std::int64_t channel, channels;  // of a group

    // The first channel, counted over all groups.
    std::int64_t first(std::int64_t channels_of_group) const { return group * channels_of_group + channel; }
    bool operator==(const Section&) const = default;
};

// How weights may be cut.
struct SectionUnit {
    std::int64_t channels = 1;  // of a group: a section of one has a multiple of this, if that fits,
    std::int64_t least = 1;     //   else a multiple of this; 0: groups are not cut
    std::int64_t groups = 1;    // a section of whole groups has a multiple of this, if that fits
};

SectionUnit unit_of(const ConvExecution& execution);

// Sections whose bytes are at most `room`, if units allow it. bytes: of the weights of a channel.
std::vector<Section> cut_channels(std::int64_t groups, std::int64_t channels, std::int64_t bytes, const SectionUnit& unit,
                                  std::int64_t room);

// What a plain call may take for packed weights.
std::int64_t room_for_weights(const Context& on, int threads);

// Of a plain call. One section, if the weights are packed as a whole.
std::vector<Section> sections_of(const ConvExecution& execution, int threads);

// The convolution of a section, planned as the whole.
Problem problem_of(const Problem& whole, const Section& section);
ConvExecution execution_of(const ConvExecution& whole, const Section& section);

// Bytes of packed weights, without bias.
std::int64_t packed_bytes(const ConvExecution& execution);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The channels that Winograd's convolution sums over: those of the input, once for each phase of a strided axis. Vectors ("units") hold
// channels of one phase, or, where a vector has room for several, all channels of several phases.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/split.hpp"

namespace npconv {

struct PhasedChannels {
    std::int64_t channels = 1;  // of the input
    std::array<std::int64_t, 3> phases{1, 1, 1};
    std::int64_t lanes = 1;
    std::int64_t all_phases = 1;
    std::int64_t phases_of_unit = 1;  // more than one: together
    std::int64_t units_of_phase = 1;  // else

    PhasedChannels() = default;
    PhasedChannels(std::int64_t of_input, const std::array<std::int64_t, 3>& of_axes, std::int64_t of_vector, bool may_share)
        : channels(of_input), phases(of_axes), lanes(of_vector), all_phases(of_axes[0] * of_axes[1] * of_axes[2]) {
        if (may_share && all_phases > 1 && channels > 0 && 2 * channels <= lanes) phases_of_unit = std::min(all_phases, lanes / channels);
        units_of_phase = ceil_div(channels, lanes);
    }

    std::int64_t total() const { return all_phases * channels; }
    bool together() const { return phases_of_unit > 1; }
    std::int64_t units() const { return together() ? ceil_div(all_phases, phases_of_unit) : all_phases * units_of_phase; }
    // Copies of a part of the input, from which units are transformed: of all phases of a vector of channels, or of all that share a unit.
    std::int64_t copies() const { return together() ? units() : units_of_phase; }

    // Counted as phase * channels + channel.
    std::int64_t begin(std::int64_t unit) const {
        if (together()) return std::min(unit * phases_of_unit, all_phases) * channels;
        if (all_phases == 1) return std::min(unit * lanes, channels);
        return unit / units_of_phase * channels + std::min(unit % units_of_phase * lanes, channels);
    }
    std::int64_t length(std::int64_t unit) const { return begin(unit + 1) - begin(unit); }
    std::array<std::int64_t, 3> phase(std::int64_t i) const {
        return {i / phases[2] / phases[1], i / phases[2] % phases[1], i % phases[2]};
    }
    bool operator==(const PhasedChannels&) const = default;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The channels that Winograd's convolution sums over: the input channels, once for each phase of a strided axis. A unit is a vector of
// channels of one phase. With few channels, vectors hold neighbouring tiles instead, and a unit is one channel.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/split.hpp"

namespace npconv {

struct PhasedChannels {
    std::int64_t channels = 1;  // of the input
    std::array<std::int64_t, 3> phases{1, 1, 1};
    std::int64_t lanes = 1;  // most channels of a unit
    std::int64_t all_phases = 1;
    std::int64_t units_of_phase = 1;

    PhasedChannels() = default;
    PhasedChannels(std::int64_t of_input, const std::array<std::int64_t, 3>& of_axes, std::int64_t of_unit)
        : channels(of_input),
          phases(of_axes),
          lanes(of_unit),
          all_phases(of_axes[0] * of_axes[1] * of_axes[2]),
          units_of_phase(ceil_div(of_input, of_unit)) {}

    std::int64_t total() const { return all_phases * channels; }
    std::int64_t units() const { return all_phases * units_of_phase; }

    // The first channel of a unit, counted as phase * channels + channel.
    std::int64_t begin(std::int64_t unit) const {
        if (lanes == 1) return unit;  // the same, without a division
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

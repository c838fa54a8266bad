// SPDX-License-Identifier: BSD-3-Clause
// Packed weights of Winograd's convolution: taps, and transformed weights, which are prepared or made here.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/registry.hpp"
#include "plan/executions.hpp"

namespace npconv {

template <class T>
const WinogradTransforms<T>& winograd_transforms(const KernelTable& kernels, const AxisTiles& axis) {
    return winograd_kernels_of<T>(kernels).axis[axis.kind];
}

template <class T>
class WinogradFilters {
  public:
    WinogradFilters(const WinogradExecution& e, const T* packed)
        : t_(e.tiling),
          along_columns_(winograd_transforms<T>(e.kernels(), t_.axis[1]).weights[t_.axis[1].axis().outputs() - 1]),
          along_rows_(winograd_transforms<T>(e.kernels(), t_.axis[2]).weights[t_.axis[2].axis().outputs() - 1]),
          taps_(packed),
          transformed_(packed + e.problem.shape.groups * t_.packed_taps_of_group()) {}

    // The row [width] of a tap and a channel in a panel. The rows of the next channels, up to `end`, follow it. from: null for a tap that
    // the kernel does not have.
    struct Tap {
        const T* from = nullptr;
        std::int64_t end = 0;
    };
    Tap tap(std::int64_t group, std::int64_t panel, std::int64_t channel, const std::array<std::int64_t, 3>& at) const {
        const std::int64_t width = t_.panels.length(panel) * t_.lanes;
        const std::int64_t panel_begin = t_.panels.begin(panel) * t_.lanes * t_.taps() * t_.order.channels.n;
        Tap tap;
        for (std::int64_t i = 0; i < t_.order.blocks(); ++i) {  // blocks of channels and, if blocks are very small, of taps
            const KBlock k = t_.order.block(i);
            if (channel < k.channel_begin || channel >= k.channel_end) continue;
            tap.end = k.channel_end;
            bool within = true;
            for (std::size_t a = 0; a < 3; ++a) within = within && at[a] >= k.tap_begin[a] && at[a] < k.tap_end[a];
            if (!within) continue;
            const std::int64_t row = k.begin + k.k_of(at[0], at[1], at[2]) + channel - k.channel_begin;
            tap.from = taps_ + group * t_.packed_taps_of_group() + panel_begin + row * width;
            return tap;
        }
        return tap;
    }

    // A k block of a panel -> to[point of the sets][run of taps, channel][width]. stride: elements between points.
    void transform(std::int64_t group, std::int64_t panel, std::int64_t k, T* to, std::int64_t stride) const {
        const std::int64_t width = t_.panels.length(panel) * t_.lanes, first = t_.channels_begin(k), last = t_.channels_begin(k + 1);
        const std::int64_t channels = t_.channels.channels;
        std::array<std::int64_t, 3> run;
        for (run[0] = 0; run[0] < t_.axis[0].runs; ++run[0]) {
            for (run[1] = 0; run[1] < t_.axis[1].runs; ++run[1]) {
                for (run[2] = 0; run[2] < t_.axis[2].runs; ++run[2], to += (last - first) * width) {
                    for (std::int64_t c = first; c < last;) {
                        const std::int64_t phase = c / channels, end = std::min(last, (phase + 1) * channels);
                        c += transform(group, panel, run, t_.channels.phase(phase), c - phase * channels, end - c, to + (c - first) * width,
                                       stride);
                    }
                }
            }
        }
    }

    // Prepared weights: the offset of a k block from the first element of all groups.
    std::int64_t place(std::int64_t group, std::int64_t panel, std::int64_t k) const {
        const std::int64_t width = t_.panels.length(panel) * t_.lanes;
        const std::int64_t begin = t_.panels.begin(panel) * t_.runs() * t_.channels.total() + panel * t_.units.parts;
        return group * t_.transformed_elements_of_group() + t_.points_of_set() * t_.lanes * begin + t_.prepared_begin(k, width);
    }
    const T* transformed(std::int64_t group, std::int64_t panel, std::int64_t k) const { return transformed_ + place(group, panel, k); }

  private:
    // Transforms at most `channels` channels of a phase. Returns the number of channels done.
    std::int64_t transform(std::int64_t group, std::int64_t panel, const std::array<std::int64_t, 3>& run,
                           const std::array<std::int64_t, 3>& phase, std::int64_t channel, std::int64_t channels, T* to,
                           std::int64_t stride) const {
        constexpr std::int64_t room = 8192;  // elements: in the first-level cache
        constexpr auto most_taps = static_cast<std::size_t>(most_winograd_taps);
        const WinogradAxis &rows = t_.axis[1].axis(), &columns = t_.axis[2].axis();
        const std::int64_t width = t_.panels.length(panel) * t_.lanes;
        const std::int64_t at_once = std::max<std::int64_t>(1, room / (columns.taps * rows.points * width));
        std::array<std::array<const T*, most_taps>, most_taps> taps{};  // [along a row][along a column]
        std::int64_t n = std::min(channels, at_once);
        for (int b = 0; b < columns.taps; ++b) {
            for (int a = 0; a < rows.taps; ++a) {
                const std::array<std::int64_t, 3> at{tap_of(0, run, phase, 0), tap_of(1, run, phase, a), tap_of(2, run, phase, b)};
                const Tap found = tap(group, panel, channel, at);
                n = std::min(n, found.end - channel);
                taps[static_cast<std::size_t>(b)][static_cast<std::size_t>(a)] = found.from;
            }
        }
        if (!columns.transforms()) {
            along_columns_({taps[0].data(), n * width, to, stride});
            return n;
        }
        alignas(64) T half[room];
        std::array<const T*, most_taps> of_row{};
        const std::int64_t each = n * width;
        for (int b = 0; b < columns.taps; ++b)
            along_columns_({taps[static_cast<std::size_t>(b)].data(), each, half + b * rows.points * each, each});
        for (int i = 0; i < rows.points; ++i) {
            for (int b = 0; b < columns.taps; ++b) of_row[static_cast<std::size_t>(b)] = half + (b * rows.points + i) * each;
            along_rows_({of_row.data(), each, to + i * columns.points * stride, stride});
        }
        return n;
    }

    std::int64_t tap_of(std::size_t axis, const std::array<std::int64_t, 3>& run, const std::array<std::int64_t, 3>& phase, int i) const {
        return (run[axis] * t_.axis[axis].taps() + i) * t_.axis[axis].stride + phase[axis];
    }

    const WinogradTiling& t_;
    void (*along_columns_)(const TapsToPoints<T>&);
    void (*along_rows_)(const TapsToPoints<T>&);
    const T *taps_, *transformed_;
};

}  // namespace npconv

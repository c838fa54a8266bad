// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/gemm_packing.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "algorithms/gemm.hpp"
#include "core/parallel.hpp"
#include "kernels/registry.hpp"

namespace npconv {

template <class T>
GemmPacking<T>::GemmPacking(const GemmExecution& e, const TensorView<const T>& w)
    : p_(e.problem), s_(p_.shape), t_(e.tiling), w_(w), kernels_(kernels_of<T>(e.kernels())) {
    const auto& axis = s_.axis;
    contiguous_ = t_.k.most_taps() == s_.taps() && unit_step(2, 1) && unit_step(1, axis[2].kernel) &&
                  unit_step(0, axis[1].kernel * axis[2].kernel) && (s_.in_channels == 1 || w.channel == s_.taps());
}

template <class T>
bool GemmPacking<T>::unit_step(std::size_t a, std::int64_t step) const {
    return s_.axis[a].kernel == 1 || w_.spatial[a] == step;
}

template <class T>
typename GemmPacking<T>::Rows GemmPacking<T>::rows(std::int64_t group, std::int64_t panel) const {
    const std::int64_t first = t_.panels.begin(panel) * t_.unit, width = t_.panels.length(panel) * t_.unit;
    return {w_.data + (group * s_.out_channels + first) * w_.batch, width, std::min(width, s_.out_channels - first)};
}

template <class T>
T GemmPacking<T>::pack_panel(std::int64_t group, std::int64_t panel, T* packed) const {
    const std::int64_t first = t_.panels.begin(panel) * t_.unit, width = t_.panels.length(panel) * t_.unit;
    T* to = packed + first * t_.k_length;
    T largest = 0;
    for (std::int64_t b = 0; b < t_.k.blocks(); ++b) {
        const KBlock k = t_.k.block(b);
        largest = larger_magnitude(largest, pack_block(group, panel, k, to + k.begin * width));
    }
    return largest;
}

template <class T>
T GemmPacking<T>::pack_block(std::int64_t group, std::int64_t panel, const KBlock& k, T* to) const {
    const Rows r = rows(group, panel);
    return contiguous_ ? transpose(r, k, to) : copy(r, k, to);
}

// Blocks of values are transposed in registers. They stand in memory taps within channels, and in the panel channels within taps.
template <class T>
T GemmPacking<T>::transpose(const Rows& r, const KBlock& k, T* to) const {
    constexpr std::int64_t few = 128;  // columns at a time, so that their rows of the panel stay in cache until they are whole
    std::array<std::int64_t, few> place{};
    const std::int64_t taps = s_.taps(), channels = k.channels(), columns = channels * taps;
    std::int64_t channel = 0, tap = 0;  // of the next column
    T largest = 0;
    for (std::int64_t begin = 0; begin < columns; begin += few) {
        const std::int64_t n = std::min(few, columns - begin);
        if (taps == 1) {
            for (std::int64_t i = 0; i < n; ++i) place[static_cast<std::size_t>(i)] = begin + i;
        } else {
            for (std::int64_t i = 0; i < n; ++i) {
                place[static_cast<std::size_t>(i)] = (p_.flip ? taps - 1 - tap : tap) * channels + channel;
                if (++tap == taps) {
                    tap = 0;
                    ++channel;
                }
            }
        }
        for (std::int64_t i = 0; i < r.width; i += t_.lanes) {
            PackedRows<T> block{};
            block.from = r.from + i * w_.batch + k.channel_begin * taps + begin;
            block.from_stride = w_.batch;
            block.rows = std::clamp<std::int64_t>(r.real - i, 0, t_.lanes);
            block.width = std::min<std::int64_t>(r.width - i, t_.lanes);
            block.columns = n;
            block.place = place.data();
            block.to = to + i;
            block.to_stride = r.width;
            largest = larger_magnitude(largest, kernels_.pack_vectors(block));
        }
    }
    return largest;
}

template <class T>
T GemmPacking<T>::copy(const Rows& r, const KBlock& k, T* to) const {
    T largest = 0;
    for_each_tap(p_, w_, k, [&](std::int64_t offset, std::int64_t place) {
        T* row = to + place * r.width;
        for (std::int64_t c = k.channel_begin; c < k.channel_end; ++c, row += r.width) {
            const T* value = r.from + offset + c * w_.channel;
            for (std::int64_t o = 0; o < r.real; ++o) {
                row[o] = value[o * w_.batch];
                largest = larger_magnitude(largest, std::abs(row[o]));
            }
            std::fill(row + r.real, row + r.width, T(0));
        }
    });
    return largest;
}

template class GemmPacking<float>;
template class GemmPacking<double>;

double pack_panels(const GemmExecution& e, const AnyView& w, void* to, int threads) {
    return with_real(e.problem.dtype, [&](auto zero) {
        using T = decltype(zero);
        const GemmTiling& t = e.tiling;
        const GemmPacking<T> packing(e, typed<T>(w));
        const std::int64_t groups = e.problem.shape.groups, panels = t.panels.parts, of_group = t.packed_elements_of_group();
        std::vector<T> largest(static_cast<std::size_t>(groups * panels));
        parallel_for(groups * panels, groups * of_group < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
            largest[static_cast<std::size_t>(i)] = packing.pack_panel(i / panels, i % panels, static_cast<T*>(to) + i / panels * of_group);
        });
        return static_cast<double>(std::accumulate(largest.begin(), largest.end(), T(0), larger_magnitude<T>));
    });
}

PackedWeights pack(const GemmExecution& e, const AnyView& w, int threads) {
    return packed_by(e.problem.dtype, e.problem.shape.groups * e.tiling.packed_elements_of_group(),
                     [&](auto* to) { return pack_panels(e, w, to, threads); });
}

void set_format(const GemmExecution& e, PackedFormat& format) {
    format.k = e.tiling.k;
    format.lane = e.tiling.lane;
    format.unit = e.tiling.unit;
    format.panels = e.tiling.panels;
}

}  // namespace npconv

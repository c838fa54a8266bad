// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/packed_weights.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "algorithms/depthwise.hpp"
#include "algorithms/direct.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/winograd_filters.hpp"
#include "core/parallel.hpp"

namespace npconv {
namespace {

template <class T>
Buffer allocate(std::int64_t elements) {
    return Buffer(static_cast<std::size_t>(elements) * sizeof(T));
}

// Below this a parallel region costs more than it saves.
constexpr std::int64_t elements_worth_threads = 100'000;

// Panels of all groups, the first at `to`. Returns the largest magnitude.
template <class T>
double pack_panels(const GemmExecution& e, const TensorView<const T>& w, T* to, int threads) {
    const Problem& p = e.problem;
    const GemmTiling& t = e.tiling;
    const GemmPacking<T> packing(e, w);
    const std::int64_t panels = t.panels.parts, elements = p.shape.groups * t.packed_elements_of_group();
    if (elements == 0) return 0.0;
    std::vector<T> largest(static_cast<std::size_t>(p.shape.groups * panels));
    parallel_for(p.shape.groups * panels, elements < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        largest[static_cast<std::size_t>(i)] = packing.pack_panel(i / panels, i % panels, to + i / panels * t.packed_elements_of_group());
    });
    return std::accumulate(largest.begin(), largest.end(), T(0), larger_magnitude<T>);
}

template <class T>
PackedWeights pack(const GemmExecution& e, const TensorView<const T>& w, int threads) {
    PackedWeights packed{allocate<T>(e.problem.shape.groups * e.tiling.packed_elements_of_group()), 0.0};
    packed.largest = pack_panels(e, w, packed.data.as<T>(), threads);
    return packed;
}

template <class T>
PackedWeights pack(const WinogradExecution& e, const TensorView<const T>& w, int threads) {
    const WinogradTiling& t = e.tiling;
    const std::int64_t groups = e.problem.shape.groups, taps = t.packed_taps_of_group(), panels = t.panels.parts;
    const std::int64_t transformed = t.prepared ? t.transformed_elements_of_group() : 0;
    PackedWeights packed{allocate<T>(groups * (taps + transformed)), 0.0};
    packed.largest = pack_panels(e.whole, w, packed.data.as<T>(), threads);
    if (!t.prepared || t.panels.n == 0) return packed;
    T* to = packed.data.as<T>() + groups * taps;
    const WinogradFilters<T> filters(e, packed.data.as<T>());
    parallel_for(groups * panels * t.units.parts, groups * transformed < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        const std::int64_t k = i % t.units.parts, panel = i / t.units.parts % panels, group = i / t.units.parts / panels;
        const std::int64_t stride = t.prepared_stride(k, t.panels.length(panel) * t.lanes);
        filters.transform(group, panel, k, to + filters.place(group, panel, k), stride);
    });
    return packed;
}

template <class T>
PackedWeights pack(const DirectExecution& e, const TensorView<const T>& w, int) {
    PackedWeights packed{allocate<T>(direct_packed_elements(e.problem.shape)), 0.0};
    if (packed.data.bytes() > 0) packed.largest = pack_direct_weights(e.problem, w, packed.data.as<T>());
    return packed;
}

template <class T>
PackedWeights pack(const DepthwiseExecution& e, const TensorView<const T>& w, int) {
    return pack_depthwise(e, w);
}

// The definition takes every tap, whatever the magnitudes.
template <class T>
PackedWeights pack(const NaiveExecution& e, const TensorView<const T>& w, int) {
    const ConvShape& s = e.problem.shape;
    PackedWeights packed{allocate<T>(s.groups * s.out_channels * s.k()), std::numeric_limits<double>::quiet_NaN()};
    if (packed.data.bytes() == 0) return packed;
    T* out = packed.data.as<T>();
    const KBlock all = order_k(s, s.k(), s.k()).block(0);
    for (std::int64_t o = 0; o < s.groups * s.out_channels; ++o, out += s.k()) {
        for_each_tap(e.problem, w, all, [&](std::int64_t offset, std::int64_t place) {
            const T* from = w.data + o * w.batch + offset;
            for (std::int64_t c = 0; c < s.in_channels; ++c) out[place + c] = from[c * w.channel];
        });
    }
    return packed;
}

void set_panels(PackedFormat& format, const GemmTiling& t) {
    format.k = t.k;
    format.lane = t.lane;
    format.unit = t.unit;
    format.panels = t.panels;
}
KOrder all_of(const ConvShape& s) { return order_k(s, s.k(), s.k()); }

void set(PackedFormat& format, const GemmExecution& e) { set_panels(format, e.tiling); }
void set(PackedFormat& format, const NaiveExecution& e) { format.k = all_of(e.problem.shape); }
void set(PackedFormat& format, const DepthwiseExecution& e) {
    format.k = all_of(e.problem.shape);
    format.lane = e.tiling.lane;
}
void set(PackedFormat& format, const DirectExecution& e) {
    format.k = all_of(e.problem.shape);
    format.tap_step = direct_tap_step(e.problem.shape);
}
void set(PackedFormat& format, const WinogradExecution& e) {
    set_panels(format, e.whole.tiling);
    format.transformed_k = e.tiling.prepared ? e.tiling.units : EvenSplit();
    for (std::size_t a = 0; a < 3; ++a) format.transformed[a] = {e.tiling.axis[a].kind, e.tiling.axis[a].stride};
}

}  // namespace

PackedFormat format_of(const ConvExecution& execution) {
    PackedFormat format;
    format.algorithm = execution.algorithm;
    format.groups = execution.problem().shape.groups;
    format.channels = execution.problem().shape.out_channels;
    std::visit([&](const auto& e) { set(format, e); }, execution.way);
    return format;
}

template <class T>
PackedWeights pack_weights(const ConvExecution& execution, const TensorView<const T>& w, int threads) {
    return std::visit([&](const auto& e) { return pack(e, w, threads); }, execution.way);
}

// Magnitudes are compared as integers, whose order is theirs; NaN is the largest.
template <class T>
double largest_weight(const ConvShape& s, const TensorView<const T>& w, int threads) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    if (s.without_products()) return 0.0;
    const auto& axis = s.axis;
    const bool rows = axis[2].kernel == 1 || w.spatial[2] == 1;
    const bool planes = rows && (axis[1].kernel == 1 || w.spatial[1] == axis[2].kernel);
    const bool taps = planes && (axis[0].kernel == 1 || w.spatial[0] == axis[1].kernel * axis[2].kernel);
    const bool neighbours = taps && (s.in_channels == 1 || w.channel == s.taps());  // all weights of an output channel
    const auto magnitude = [](T value) { return std::bit_cast<Bits>(value) & std::numeric_limits<Bits>::max(); };
    const auto of_neighbours = [&](const T* from, std::int64_t n) {  // a loop of its own, so that it is one of vectors
        Bits most = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            const Bits bits = magnitude(from[i]);
            most = bits > most ? bits : most;
        }
        return most;
    };
    const auto of_row = [&](const T* from, std::int64_t n, std::int64_t step) {
        Bits most = 0;
        for (std::int64_t i = 0; i < n; ++i) most = std::max(most, magnitude(from[i * step]));
        return most;
    };
    const auto of_channel = [&](const T* from) {
        if (neighbours) return of_neighbours(from, s.k());
        Bits most = 0;
        for (std::int64_t c = 0; c < s.in_channels; ++c) {
            for (std::int64_t d = 0; d < axis[0].kernel; ++d) {
                for (std::int64_t h = 0; h < axis[1].kernel; ++h) {
                    const T* row = from + c * w.channel + d * w.spatial[0] + h * w.spatial[1];
                    most = std::max(most, of_row(row, axis[2].kernel, w.spatial[2]));
                }
            }
        }
        return most;
    };
    const EvenSplit parts(s.groups * s.out_channels, std::min<std::int64_t>(s.groups * s.out_channels, 64));
    std::vector<Bits> most(static_cast<std::size_t>(parts.parts), 0);
    parallel_for(parts.parts, parts.n * s.k() < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        Bits& of_part = most[static_cast<std::size_t>(i)];
        for (std::int64_t o = parts.begin(i); o < parts.begin(i) + parts.length(i); ++o) {
            of_part = std::max(of_part, of_channel(w.data + o * w.batch));
        }
    });
    return static_cast<double>(std::bit_cast<T>(*std::max_element(most.begin(), most.end())));
}

template <class T>
Buffer pack_bias(std::int64_t channels, const T* bias, std::int64_t stride) {
    Buffer packed = allocate<T>(channels);
    for (std::int64_t c = 0; c < channels; ++c) packed.as<T>()[c] = bias[c * stride];
    return packed;
}

template double largest_weight(const ConvShape&, const TensorView<const float>&, int);
template double largest_weight(const ConvShape&, const TensorView<const double>&, int);
template Buffer pack_bias(std::int64_t, const float*, std::int64_t);
template Buffer pack_bias(std::int64_t, const double*, std::int64_t);
template PackedWeights pack_weights(const ConvExecution&, const TensorView<const float>&, int);
template PackedWeights pack_weights(const ConvExecution&, const TensorView<const double>&, int);

}  // namespace npconv

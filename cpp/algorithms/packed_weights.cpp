// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/packed_weights.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "algorithms/depthwise.hpp"
#include "algorithms/direct.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/winograd_filters.hpp"
#include "core/parallel.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/direct_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_tiling.hpp"

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
double pack_panels(const Problem& p, const TensorView<const T>& w, T* to, int threads) {
    const GemmTiling t = tile_gemm(p);
    const GemmPacking<T> packing(p, t, w);
    const std::int64_t panels = t.panels.parts, elements = p.shape.groups * t.packed_elements_of_group();
    if (elements == 0) return 0.0;
    std::vector<T> largest(static_cast<std::size_t>(p.shape.groups * panels));
    parallel_for(p.shape.groups * panels, elements < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        largest[static_cast<std::size_t>(i)] = packing.pack_panel(i / panels, i % panels, to + i / panels * t.packed_elements_of_group());
    });
    return std::accumulate(largest.begin(), largest.end(), T(0), larger_magnitude<T>);
}

template <class T>
PackedWeights pack_gemm(const Problem& p, const TensorView<const T>& w, int threads) {
    PackedWeights packed{allocate<T>(p.shape.groups * tile_gemm(p).packed_elements_of_group()), 0.0};
    packed.largest = pack_panels(p, w, packed.data.as<T>(), threads);
    return packed;
}

template <class T>
PackedWeights pack_winograd(const Problem& p, WinogradTiles tiles, const TensorView<const T>& w, int threads) {
    const WinogradTiling t = tile_winograd(p, tiles);
    const std::int64_t groups = p.shape.groups, taps = t.packed_taps_of_group(), panels = t.panels.parts;
    const std::int64_t transformed = t.prepared ? t.transformed_elements_of_group() : 0;
    PackedWeights packed{allocate<T>(groups * (taps + transformed)), 0.0};
    packed.largest = pack_panels(direct_problem(p), w, packed.data.as<T>(), threads);
    if (!t.prepared || t.panels.n == 0) return packed;
    T* to = packed.data.as<T>() + groups * taps;
    const WinogradFilters<T> filters(p, t, packed.data.as<T>());
    parallel_for(groups * panels * t.units.parts, groups * transformed < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        const std::int64_t k = i % t.units.parts, panel = i / t.units.parts % panels, group = i / t.units.parts / panels;
        const std::int64_t stride = t.prepared_stride(k, t.panels.length(panel) * t.lanes);
        filters.transform(group, panel, k, to + filters.place(group, panel, k), stride);
    });
    return packed;
}

template <class T>
PackedWeights pack_direct(const Problem& p, const TensorView<const T>& w) {
    PackedWeights packed{allocate<T>(direct_packed_elements(p.shape)), 0.0};
    if (packed.data.bytes() > 0) packed.largest = pack_direct_weights(p, w, packed.data.as<T>());
    return packed;
}

template <class T>
Buffer pack_naive(const Problem& p, const TensorView<const T>& w) {
    const ConvShape& s = p.shape;
    Buffer packed = allocate<T>(s.groups * s.out_channels * s.k());
    if (packed.bytes() == 0) return packed;
    T* out = packed.as<T>();
    const KBlock all = order_k(s, s.k(), s.k()).block(0);
    for (std::int64_t o = 0; o < s.groups * s.out_channels; ++o, out += s.k()) {
        for_each_tap(p, w, all, [&](std::int64_t offset, std::int64_t place) {
            const T* from = w.data + o * w.batch + offset;
            for (std::int64_t c = 0; c < s.in_channels; ++c) out[place + c] = from[c * w.channel];
        });
    }
    return packed;
}

}  // namespace

PackedFormat format_of(const Problem& p, Algorithm algorithm) {
    PackedFormat format;
    format.algorithm = algorithm;
    format.groups = p.shape.groups;
    format.channels = p.shape.out_channels;
    if (algorithm == Algorithm::naive) {
        format.k = order_k(p.shape, p.shape.k(), p.shape.k());
        return format;
    }
    if (algorithm == Algorithm::depthwise) {
        format.k = order_k(p.shape, p.shape.k(), p.shape.k());
        format.lane = tile_depthwise(p).lane;
        return format;
    }
    if (algorithm == Algorithm::direct) {
        format.k = order_k(p.shape, p.shape.k(), p.shape.k());
        format.tap_step = direct_tap_step(p.shape);
        return format;
    }
    const auto tiles = winograd_tiles(algorithm);
    const GemmTiling t = tile_gemm(tiles ? direct_problem(p) : p);
    format.k = t.k;
    format.lane = t.lane;
    format.unit = t.unit;
    format.panels = t.panels;
    if (tiles) {
        const WinogradTiling tiling = tile_winograd(p, *tiles);
        format.transformed_k = tiling.prepared ? tiling.units : EvenSplit();
        for (std::size_t a = 0; a < 3; ++a) format.transformed[a] = {tiling.axis[a].kind, tiling.axis[a].stride};
    }
    return format;
}

template <class T>
PackedWeights pack_weights(const Problem& p, Algorithm algorithm, const TensorView<const T>& w, int threads) {
    switch (algorithm) {
        case Algorithm::gemm: return pack_gemm(p, w, threads);
        case Algorithm::direct: return pack_direct(p, w);
        case Algorithm::winograd:
        case Algorithm::winograd_f2:
        case Algorithm::winograd_f6: return pack_winograd(p, *winograd_tiles(algorithm), w, threads);
        case Algorithm::depthwise: return pack_depthwise(p, w);
        case Algorithm::naive: return {pack_naive(p, w), std::numeric_limits<double>::quiet_NaN()};  // it takes every tap
    }
    throw std::logic_error("no packing for this algorithm");
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
template PackedWeights pack_weights(const Problem&, Algorithm, const TensorView<const float>&, int);
template PackedWeights pack_weights(const Problem&, Algorithm, const TensorView<const double>&, int);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What phases of a transposed convolution, or its definition, take of weights, bias and input.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "algorithms/conv_plan.hpp"
#include "algorithms/gemm_packing.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

// Which channel and which phase output channel n of a group of merged phases is. Channels first phases are neighbours, because they stand
// side by side in a row of y; channels last channels are.
struct MergedChannel {
    std::int64_t channel, phase;
};
inline MergedChannel merged_channel(const Problem& forward, const Phases& phases, std::int64_t n) {
    if (phases.by_tap) return {n / forward.shape.taps(), n % forward.shape.taps()};  // a tap is a phase of its own
    if (!phases.merged) return {n, 0};
    const std::int64_t all = phases.all(), channels = forward.shape.in_channels;
    if (forward.layout == Layout::channels_first) return {n / all, n % all};
    return {n % channels, n / channels};
}

// The taps of a part in the order of its convolution: [group][channel of the result][channel of x][tap].
template <class T>
Buffer weights_of_part(const Problem& forward, const Phases& phases, const PhasePart& part, const TensorView<const T>& w) {
    const ConvShape &f = forward.shape, &s = part.problem.shape;
    Buffer copy(static_cast<std::size_t>(s.groups * s.out_channels * s.k()) * sizeof(T));
    T* to = copy.as<T>();
    if (s.k() == 0) return copy;
    const auto offset = [&](std::size_t a, std::int64_t tap, std::int64_t phase) {
        const std::int64_t t = part.phase[a].tap(tap) + phase;
        return (forward.flip ? f.axis[a].kernel - 1 - t : t) * w.spatial[a];
    };
    for (std::int64_t group = 0; group < s.groups; ++group) {
        for (std::int64_t n = 0; n < s.out_channels; ++n) {
            const MergedChannel of = merged_channel(forward, phases, n);
            const std::int64_t rows = phases.by_tap ? f.axis[1].kernel : phases.count[1],
                               columns = phases.by_tap ? f.axis[2].kernel : phases.count[2];
            const std::array<std::int64_t, 3> r{of.phase / columns / rows, of.phase / columns % rows, of.phase % columns};
            for (std::int64_t c = 0; c < s.in_channels; ++c) {
                const T* from = w.data + (group * s.in_channels + c) * w.batch + of.channel * w.channel;
                for (std::int64_t d = 0; d < s.axis[0].kernel; ++d) {
                    const T* plane = from + offset(0, d, r[0]);
                    for (std::int64_t h = 0; h < s.axis[1].kernel; ++h) {
                        const T* row = plane + offset(1, h, r[1]);
                        for (std::int64_t v = 0; v < s.axis[2].kernel; ++v) *to++ = row[offset(2, v, r[2])];
                    }
                }
            }
        }
    }
    return copy;
}

template <class T>
TensorView<const T> view_of_part(const ConvShape& s, const Buffer& weights) {
    TensorView<const T> view;
    view.data = weights.as<const T>();
    view.spatial = {s.axis[1].kernel * s.axis[2].kernel, s.axis[2].kernel, 1};
    view.channel = s.taps();
    view.batch = s.k();
    return view;
}

// Of planes: the weights as they are, in the order of the part's taps.
template <class T>
Parameters planes_parameters(Buffer taps) {
    const T* w = taps.as<const T>();
    const auto n = static_cast<std::int64_t>(taps.bytes() / sizeof(T));
    Parameters parameters;
    for (std::int64_t i = 0; i < n; ++i) {
        parameters.largest_weight = larger_magnitude(parameters.largest_weight, static_cast<double>(std::abs(w[i])));
    }
    parameters.weights = std::make_shared<const Buffer>(std::move(taps));
    return parameters;
}

// The bias of a part: repeated for each of merged phases.
template <class T>
std::shared_ptr<const Buffer> repeated_bias(const Problem& forward, const Phases& phases, const std::shared_ptr<const Buffer>& bias) {
    if (!bias || !phases.merged) return bias;
    const std::int64_t all = forward.shape.in_channels * phases.all();
    Buffer repeated(static_cast<std::size_t>(forward.shape.groups * all) * sizeof(T));
    for (std::int64_t group = 0; group < forward.shape.groups; ++group) {
        for (std::int64_t n = 0; n < all; ++n) {
            const std::int64_t channel = group * forward.shape.in_channels + merged_channel(forward, phases, n).channel;
            repeated.as<T>()[group * all + n] = bias->as<const T>()[channel];
        }
    }
    return std::make_shared<const Buffer>(std::move(repeated));
}

// The weights as they are.
template <class T>
Buffer copy_of_weights(const ConvShape& f, const TensorView<const T>& w) {
    Buffer copy(static_cast<std::size_t>(f.groups * f.out_channels * f.k()) * sizeof(T));
    T* to = copy.as<T>();
    for (std::int64_t o = 0; o < f.groups * f.out_channels; ++o) {
        for (std::int64_t c = 0; c < f.in_channels; ++c) {
            for (std::int64_t d = 0; d < f.axis[0].kernel; ++d) {
                for (std::int64_t h = 0; h < f.axis[1].kernel; ++h) {
                    const T* row = w.data + o * w.batch + c * w.channel + d * w.spatial[0] + h * w.spatial[1];
                    for (std::int64_t v = 0; v < f.axis[2].kernel; ++v) *to++ = row[v * w.spatial[2]];
                }
            }
        }
    }
    return copy;
}

// The part of x that a phase meets.
template <class T>
TensorView<const T> input_of_part(const PhasePart& part, TensorView<const T> x) {
    if (part.problem.shape.in_channels == 0) return x;  // not looked at
    for (std::size_t a = 0; a < 3; ++a) x.data += part.phase[a].first_input * x.spatial[a];
    return x;
}

}  // namespace npconv

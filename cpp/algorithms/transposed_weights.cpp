// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/transposed_weights.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "algorithms/gemm_packing.hpp"

namespace npconv {
namespace {

Buffer room_for(DType dtype, std::int64_t elements) { return Buffer(static_cast<std::size_t>(elements * size_of(dtype))); }

// Which channel and which phase output channel n of a group of merged phases is. Channels first phases are neighbours, because they stand
// side by side in a row of y; channels last channels are.
struct MergedChannel {
    std::int64_t channel, phase;
};
MergedChannel merged_channel(const Problem& forward, const Phases& phases, std::int64_t n) {
    if (phases.by_tap) return {n / forward.shape.taps(), n % forward.shape.taps()};  // a tap is a phase of its own
    if (!phases.merged) return {n, 0};
    const std::int64_t all = phases.all(), channels = forward.shape.in_channels;
    if (forward.layout == Layout::channels_first) return {n / all, n % all};
    return {n % channels, n / channels};
}

template <class T>
void copy_part(const Problem& forward, const Phases& phases, const PhasePart& part, const TensorView<const T>& w, T* to) {
    const ConvShape &f = forward.shape, &s = part.problem.shape;
    if (s.k() == 0) return;
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
}

template <class T>
void copy_all(const ConvShape& f, const TensorView<const T>& w, T* to) {
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
}

}  // namespace

Buffer weights_of_part(const Problem& forward, const Phases& phases, const PhasePart& part, const AnyView& w) {
    const ConvShape& s = part.problem.shape;
    Buffer copy = room_for(forward.dtype, s.groups * s.out_channels * s.k());
    with_real(forward.dtype, [&](auto zero) {
        using T = decltype(zero);
        copy_part(forward, phases, part, typed<T>(w), copy.as<T>());
    });
    return copy;
}

AnyView view_of_part(const ConvShape& s, const Buffer& weights) {
    return {weights.as<const void>(), s.k(), s.taps(), {s.axis[1].kernel * s.axis[2].kernel, s.axis[2].kernel, 1}};
}

Parameters planes_parameters(DType dtype, Buffer taps) {
    Parameters parameters;
    with_real(dtype, [&](auto zero) {
        const auto* w = taps.as<const decltype(zero)>();
        for (std::size_t i = 0; i < taps.bytes() / sizeof zero; ++i) {
            parameters.largest_weight = larger_magnitude(parameters.largest_weight, static_cast<double>(std::abs(w[i])));
        }
    });
    parameters.weights = std::make_shared<const Buffer>(std::move(taps));
    return parameters;
}

std::shared_ptr<const Buffer> repeated_bias(const Problem& forward, const Phases& phases, const std::shared_ptr<const Buffer>& bias) {
    if (!bias || !phases.merged) return bias;
    const std::int64_t all = forward.shape.in_channels * phases.all();
    const auto element = static_cast<std::size_t>(size_of(forward.dtype));
    Buffer repeated = room_for(forward.dtype, forward.shape.groups * all);
    for (std::int64_t group = 0; group < forward.shape.groups; ++group) {
        for (std::int64_t n = 0; n < all; ++n) {
            const std::int64_t channel = group * forward.shape.in_channels + merged_channel(forward, phases, n).channel;
            std::memcpy(moved(repeated.as<void>(), group * all + n, forward.dtype), moved(bias->as<const void>(), channel, forward.dtype),
                        element);
        }
    }
    return std::make_shared<const Buffer>(std::move(repeated));
}

Buffer copy_of_weights(const Problem& forward, const AnyView& w) {
    const ConvShape& f = forward.shape;
    Buffer copy = room_for(forward.dtype, f.groups * f.out_channels * f.k());
    with_real(forward.dtype, [&](auto zero) {
        using T = decltype(zero);
        copy_all(f, typed<T>(w), copy.as<T>());
    });
    return copy;
}

AnyView input_of_part(const PhasePart& part, AnyView x) {
    if (part.problem.shape.in_channels == 0) return x;  // not looked at
    for (std::size_t a = 0; a < 3; ++a) x.data = moved(x.data, part.phase[a].first_input * x.spatial[a], part.problem.dtype);
    return x;
}

}  // namespace npconv

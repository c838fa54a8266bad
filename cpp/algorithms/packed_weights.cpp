// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/packed_weights.hpp"

#include <algorithm>
#include <stdexcept>

#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

// Calls f(tap, offset of the tap in w), taps in row-major order; flip reads w from its far end.
template <class T, class F>
void for_each_tap(const Problem& p, const TensorView<const T>& w, const F& f) {
    const auto& axis = p.shape.axis;
    const auto place = [&](std::size_t a, std::int64_t i) { return (p.flip ? axis[a].kernel - 1 - i : i) * w.spatial[a]; };
    std::int64_t tap = 0;
    for (std::int64_t d = 0; d < axis[0].kernel; ++d) {
        for (std::int64_t h = 0; h < axis[1].kernel; ++h) {
            for (std::int64_t x = 0; x < axis[2].kernel; ++x) f(tap++, place(0, d) + place(1, h) + place(2, x));
        }
    }
}

template <class T>
Buffer allocate(std::int64_t elements) {
    return Buffer(static_cast<std::size_t>(elements) * sizeof(T));
}

template <class T>
Buffer pack_gemm(const Problem& p, const TensorView<const T>& w) {
    const GemmTiling t = tile_gemm(p);
    const ConvShape& s = p.shape;
    Buffer packed = allocate<T>(s.groups * t.packed_elements_of_group());
    if (packed.bytes() == 0) return packed;
    T* out = packed.as<T>();
    for (std::int64_t g = 0; g < s.groups; ++g) {
        for (std::int64_t panel = 0; panel < t.panels.parts; ++panel) {
            const std::int64_t first = t.panels.begin(panel) * t.lanes;
            const std::int64_t width = t.panels.length(panel) * t.lanes;
            const std::int64_t real = std::min(width, s.out_channels - first);
            const T* source = w.data + (g * s.out_channels + first) * w.batch;
            for_each_tap(p, w, [&](std::int64_t tap, std::int64_t offset) {
                T* row = out + tap * s.in_channels * width;
                for (std::int64_t c = 0; c < s.in_channels; ++c, row += width) {
                    const T* from = source + offset + c * w.channel;
                    for (std::int64_t o = 0; o < real; ++o) row[o] = from[o * w.batch];
                    std::fill(row + real, row + width, T(0));
                }
            });
            out += width * t.k;
        }
    }
    return packed;
}

template <class T>
Buffer pack_naive(const Problem& p, const TensorView<const T>& w) {
    const ConvShape& s = p.shape;
    Buffer packed = allocate<T>(s.groups * s.out_channels * s.k());
    if (packed.bytes() == 0) return packed;
    T* out = packed.as<T>();
    for (std::int64_t o = 0; o < s.groups * s.out_channels; ++o, out += s.k()) {
        for_each_tap(p, w, [&](std::int64_t tap, std::int64_t offset) {
            const T* from = w.data + o * w.batch + offset;
            for (std::int64_t c = 0; c < s.in_channels; ++c) out[tap * s.in_channels + c] = from[c * w.channel];
        });
    }
    return packed;
}

}  // namespace

PackedFormat format_of(const Problem& p, Algorithm algorithm) {
    PackedFormat format{algorithm, 0, p.shape.groups, p.shape.k(), {p.shape.out_channels, 1}};
    if (algorithm == Algorithm::naive) return format;
    const GemmTiling t = tile_gemm(p);
    format.lanes = t.lanes;
    format.panels = t.panels;
    return format;
}

template <class T>
Buffer pack_weights(const Problem& p, Algorithm algorithm, const TensorView<const T>& w) {
    switch (algorithm) {
        case Algorithm::gemm: return pack_gemm(p, w);
        case Algorithm::naive: return pack_naive(p, w);
    }
    throw std::logic_error("no packing for this algorithm");
}

template <class T>
Buffer pack_bias(std::int64_t channels, const T* bias, std::int64_t stride) {
    Buffer packed = allocate<T>(channels);
    for (std::int64_t c = 0; c < channels; ++c) packed.as<T>()[c] = bias[c * stride];
    return packed;
}

template Buffer pack_bias(std::int64_t, const float*, std::int64_t);
template Buffer pack_bias(std::int64_t, const double*, std::int64_t);
template Buffer pack_weights(const Problem&, Algorithm, const TensorView<const float>&);
template Buffer pack_weights(const Problem&, Algorithm, const TensorView<const double>&);

}  // namespace npconv

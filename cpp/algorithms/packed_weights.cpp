// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/packed_weights.hpp"

#include <atomic>
#include <stdexcept>

#include "algorithms/gemm_packing.hpp"
#include "core/parallel.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

template <class T>
Buffer allocate(std::int64_t elements) {
    return Buffer(static_cast<std::size_t>(elements) * sizeof(T));
}

// Below this a parallel region costs more than it saves.
constexpr std::int64_t elements_worth_threads = 100'000;

template <class T>
PackedWeights pack_gemm(const Problem& p, const TensorView<const T>& w, int threads) {
    const GemmTiling t = tile_gemm(p);
    const GemmPacking<T> packing(p, t, w);
    const std::int64_t elements = p.shape.groups * t.packed_elements_of_group();
    PackedWeights packed{allocate<T>(elements), true};
    if (packed.data.bytes() == 0) return packed;
    T* to = packed.data.as<T>();
    std::atomic<bool> finite{true};
    const std::int64_t panels = t.panels.parts;
    parallel_for(p.shape.groups * panels, elements < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        if (!packing.pack_panel(i / panels, i % panels, to + i / panels * t.packed_elements_of_group())) finite = false;
    });
    packed.finite = finite;
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
    const GemmTiling t = tile_gemm(p);
    format.k = t.k;
    format.lane = t.lane;
    format.unit = t.unit;
    format.panels = t.panels;
    return format;
}

template <class T>
PackedWeights pack_weights(const Problem& p, Algorithm algorithm, const TensorView<const T>& w, int threads) {
    switch (algorithm) {
        case Algorithm::gemm: return pack_gemm(p, w, threads);
        case Algorithm::naive: return {pack_naive(p, w), false};  // which takes every tap
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
template PackedWeights pack_weights(const Problem&, Algorithm, const TensorView<const float>&, int);
template PackedWeights pack_weights(const Problem&, Algorithm, const TensorView<const double>&, int);

}  // namespace npconv

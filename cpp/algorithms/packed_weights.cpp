// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/packed_weights.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "core/parallel.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

// Calls f(offset of the tap in w, its place in the block) for the taps of a block, row-major; flip reads w from its far end.
template <class T, class F>
void for_each_tap(const Problem& p, const TensorView<const T>& w, const KBlock& k, const F& f) {
    const auto& axis = p.shape.axis;
    const auto offset = [&](std::size_t a, std::int64_t i) { return (p.flip ? axis[a].kernel - 1 - i : i) * w.spatial[a]; };
    for (std::int64_t d = k.tap_begin[0]; d < k.tap_end[0]; ++d) {
        for (std::int64_t h = k.tap_begin[1]; h < k.tap_end[1]; ++h) {
            for (std::int64_t x = k.tap_begin[2]; x < k.tap_end[2]; ++x) f(offset(0, d) + offset(1, h) + offset(2, x), k.k_of(d, h, x));
        }
    }
}

template <class T>
Buffer allocate(std::int64_t elements) {
    return Buffer(static_cast<std::size_t>(elements) * sizeof(T));
}

// Packs the panels of a group. Weights whose taps and channels are contiguous, as NumPy makes them, are transposed in registers.
template <class T>
class GemmPacking {
  public:
    GemmPacking(const Problem& p, const TensorView<const T>& w)
        : p_(p), s_(p.shape), t_(tile_gemm(p)), w_(w), kernels_(kernels_of<T>(*p.kernels)) {
        const auto& axis = s_.axis;
        contiguous_ = t_.k.most_taps() == s_.taps() && unit_step(2, 1) && unit_step(1, axis[2].kernel) &&
                      unit_step(0, axis[1].kernel * axis[2].kernel) && (s_.in_channels == 1 || w.channel == s_.taps());
    }

    std::int64_t elements() const { return s_.groups * t_.packed_elements_of_group(); }
    std::int64_t panels() const { return s_.groups * t_.panels.parts; }

    // Returns whether all values are finite.
    bool pack(std::int64_t index, T* packed) const {
        const std::int64_t group = index / t_.panels.parts, panel = index % t_.panels.parts;
        const std::int64_t first = t_.panels.begin(panel) * t_.unit, width = t_.panels.length(panel) * t_.unit;
        const std::int64_t real = std::min(width, s_.out_channels - first);
        const T* from = w_.data + (group * s_.out_channels + first) * w_.batch;
        T* to = packed + group * t_.packed_elements_of_group() + first * t_.k_length;
        bool finite = true;
        if (contiguous_) {
            constexpr std::int64_t few = 128;  // columns at a time, so that their rows of the panel stay in cache until they are whole
            std::array<std::int64_t, few> place{};
            Cursor cursor{t_.k.block(0)};
            for (std::int64_t k = 0; k < s_.k(); k += few) {
                for (std::int64_t i = 0; i < std::min(few, s_.k() - k); ++i) place[static_cast<std::size_t>(i)] = next_place(cursor);
                for (std::int64_t r = 0; r < width; r += t_.lanes) {
                    PackedRows<T> rows{};
                    rows.from = from + r * w_.batch + k;
                    rows.from_stride = w_.batch;
                    rows.rows = std::clamp<std::int64_t>(real - r, 0, t_.lanes);
                    rows.width = std::min<std::int64_t>(width - r, t_.lanes);
                    rows.columns = std::min(few, s_.k() - k);
                    rows.place = place.data();
                    rows.to = to + r;
                    rows.to_stride = width;
                    finite = kernels_.pack_vectors(rows) && finite;
                }
            }
            return finite;
        }
        for (std::int64_t b = 0; b < t_.k.blocks(); ++b) {
            const KBlock k = t_.k.block(b);
            for_each_tap(p_, w_, k, [&](std::int64_t offset, std::int64_t place) {
                T* row = to + (k.begin + place) * width;
                for (std::int64_t c = k.channel_begin; c < k.channel_end; ++c, row += width) {
                    const T* value = from + offset + c * w_.channel;
                    for (std::int64_t o = 0; o < real; ++o) {
                        row[o] = value[o * w_.batch];
                        finite = finite && std::isfinite(row[o]);
                    }
                    std::fill(row + real, row + width, T(0));
                }
            });
        }
        return finite;
    }

  private:
    // Walks over the values of an output channel as they stand in memory: taps within channels.
    struct Cursor {
        KBlock block;
        std::int64_t number = 0;  // of the block
        std::int64_t channel = 0, tap = 0;
    };

    // Where in a panel the next value belongs.
    std::int64_t next_place(Cursor& at) const {
        const std::int64_t taps = s_.taps();
        if (at.channel == at.block.channel_end) at.block = t_.k.block(++at.number);
        const std::int64_t tap = p_.flip ? taps - 1 - at.tap : at.tap;
        const std::int64_t place = at.block.begin + tap * at.block.channels() + at.channel - at.block.channel_begin;
        if (++at.tap == taps) {
            at.tap = 0;
            ++at.channel;
        }
        return place;
    }

    bool unit_step(std::size_t a, std::int64_t step) const { return s_.axis[a].kernel == 1 || w_.spatial[a] == step; }

    const Problem& p_;
    const ConvShape& s_;
    GemmTiling t_;
    TensorView<const T> w_;
    const Kernels<T>& kernels_;
    bool contiguous_ = false;
};

// Below this a parallel region costs more than it saves.
constexpr std::int64_t elements_worth_threads = 100'000;

template <class T>
PackedWeights pack_gemm(const Problem& p, const TensorView<const T>& w, int threads) {
    const GemmPacking<T> packing(p, w);
    PackedWeights packed{allocate<T>(packing.elements()), true};
    if (packed.data.bytes() == 0) return packed;
    T* to = packed.data.as<T>();
    std::atomic<bool> finite{true};
    parallel_for(packing.panels(), packing.elements() < elements_worth_threads ? 1 : threads, [&](std::int64_t panel, int) {
        if (!packing.pack(panel, to)) finite = false;
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

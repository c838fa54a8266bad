// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/packed_weights.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/parallel.hpp"

namespace npconv {
namespace {

// Magnitudes are compared as integers, whose order is theirs; NaN is the largest.
template <class T>
double largest_of(const ConvShape& s, const TensorView<const T>& w, int threads) {
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

}  // namespace

double largest_weight(const Problem& p, const AnyView& w, int threads) {
    return with_real(p.dtype, [&](auto zero) { return largest_of(p.shape, typed<decltype(zero)>(w), threads); });
}

Buffer pack_bias(DType dtype, std::int64_t channels, const WeightsView& weights) {
    const auto size = static_cast<std::size_t>(size_of(dtype));
    Buffer packed(static_cast<std::size_t>(channels) * size);
    for (std::int64_t c = 0; c < channels; ++c) {
        std::memcpy(moved(packed.as<void>(), c, dtype), moved(weights.bias, c * weights.bias_stride, dtype), size);
    }
    return packed;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Weights in the layout of an algorithm: packed once, and shared by all plans that can use them.
#pragma once
#include <array>
#include <cstdint>

#include "core/buffer.hpp"
#include "core/split.hpp"
#include "core/types.hpp"
#include "plan/executions.hpp"
#include "plan/k_order.hpp"

namespace npconv {

// The caller's weights. Axes of w: batch is the output channel, channel the input channel of a group, spatial the kernel axes.
struct WeightsView {
    AnyView w;
    const void* bias = nullptr;  // null: none
    std::int64_t bias_stride = 1;
};

// The layout of weights. Plans with equal formats can share weights.
struct PackedFormat {
    Algorithm algorithm = Algorithm::gemm;
    std::int64_t groups = 0;
    std::int64_t channels = 0;  // output channels of a group
    KOrder k;
    Lane lane = Lane::automatic;                               // gemm, depthwise and Winograd's
    std::int64_t unit = 0;                                     // gemm and Winograd's: output channels of a unit of panels
    EvenSplit panels;                                          // of a group
    std::int64_t tap_step = 0;                                 // direct: as in direct_tiling.hpp
    EvenSplit transformed_k;                                   // Winograd's, prepared weights: k blocks of the transformed weights,
    std::array<std::array<std::int64_t, 2>, 3> transformed{};  //   and transform and stride of each axis

    bool operator==(const PackedFormat&) const = default;
};

//   gemm:  [group][panel][k][width of the panel], k as in plan/k_order.hpp; lanes without a channel are zero, and their results are never
//          stored
//   winograd: the same with lane = channel; behind it, where the tiling prepares them, the transformed weights,
//          [group][panel][k block][point of the sets][run of taps, channel][width of the panel]
//   depthwise: lane = channel: [vector of output channels][channel of a group][tap][lanes]; lanes without a channel are zero;
//          lane = pixel: [output channel][tap]
//   direct: [group][input channel][tap of the depth][tap row, by phase][tap column][output channel]
//   naive: [group * out][tap][channel]
struct PackedWeights {
    Buffer data;
    double largest;  // magnitude; NaN or infinite if a weight is: the zeros of a border then count, because infinity times zero is NaN
};

// Allocates room for `elements` weights and calls f(T* to), which packs them and returns the largest magnitude. f is not called if there
// are no weights.
template <class F>
PackedWeights packed_by(DType dtype, std::int64_t elements, const F& f) {
    PackedWeights packed{Buffer(static_cast<std::size_t>(elements * size_of(dtype))), 0.0};
    if (elements == 0) return packed;
    packed.largest = with_real(dtype, [&](auto zero) { return static_cast<double>(f(packed.data.as<decltype(zero)>())); });
    return packed;
}

// The largest magnitude of weights that are not packed, as PackedWeights::largest.
double largest_weight(const Problem& problem, const AnyView& w, int threads);

// A contiguous copy of the bias.
Buffer pack_bias(DType dtype, std::int64_t channels, const WeightsView& weights);

// With fewer elements, packing by several threads would cost more than it saves.
constexpr std::int64_t elements_worth_threads = 100'000;

}  // namespace npconv

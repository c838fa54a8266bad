// SPDX-License-Identifier: BSD-3-Clause
// Weights as an algorithm wants them, laid out once and shared by all plans that can use them.
#pragma once
#include <array>
#include <cstdint>

#include "core/buffer.hpp"
#include "core/split.hpp"
#include "core/types.hpp"
#include "plan/executions.hpp"
#include "plan/k_order.hpp"

namespace npconv {

// How weights are laid out: plans whose formats are equal can share them.
struct PackedFormat {
    Algorithm algorithm = Algorithm::gemm;
    std::int64_t groups = 0;
    std::int64_t channels = 0;  // of the output, of a group
    KOrder k;
    Lane lane = Lane::automatic;                               // of gemm, depthwise and Winograd's;
    std::int64_t unit = 0;                                     //   gemm's and Winograd's: channels that panels count in
    EvenSplit panels;                                          // of a group
    std::int64_t tap_step = 0;                                 // of direct, as direct_tiling.hpp has it
    EvenSplit transformed_k;                                   // Winograd's: k blocks of the transformed weights, if they are prepared,
    std::array<std::array<std::int64_t, 2>, 3> transformed{};  //   and of each axis its transform and stride

    bool operator==(const PackedFormat&) const = default;
};
PackedFormat format_of(const ConvExecution& execution);

// A view of w: batch is the output channel, channel the input channel of a group, spatial the kernel axes.
//   gemm:  [group][panel][k][width of the panel], k as in plan/k_order.hpp; lanes without a channel are zero, and their results are never
//          stored
//   winograd: the same with lane = channel; behind it, where the tiling prepares them, the transformed weights,
//          [group][panel][k block][point of the sets][run of taps, channel][width of the panel]
//   depthwise: lane = channel: [vector of output channels][channel of a group][tap][lanes]; lanes without a channel are zero;
//          lane = pixel: [output channel][tap]
//   direct: [group][channel][tap of the depth][tap row, by phase][tap column][out]
//   naive: [group * out][tap][channel]
struct PackedWeights {
    Buffer data;
    double largest;  // magnitude; NaN or infinite if a weight is: then the zeros of a border count, because infinity times zero is NaN
};
template <class T>
PackedWeights pack_weights(const ConvExecution& execution, const TensorView<const T>& w, int threads);

// Of weights that are not packed yet, what `largest` of packed ones is.
template <class T>
double largest_weight(const ConvShape& shape, const TensorView<const T>& w, int threads);

template <class T>
Buffer pack_bias(std::int64_t channels, const T* bias, std::int64_t stride);

}  // namespace npconv

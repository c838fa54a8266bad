// SPDX-License-Identifier: BSD-3-Clause
// Weights as an algorithm wants them, laid out once and shared by all plans that can use them.
#pragma once
#include <cstdint>

#include "core/buffer.hpp"
#include "core/types.hpp"
#include "plan/planner.hpp"
#include "plan/split.hpp"

namespace npconv {

// How weights are laid out: plans whose formats are equal can share them.
struct PackedFormat {
    Algorithm algorithm = Algorithm::gemm;
    int lanes = 0;
    std::int64_t groups = 0;
    std::int64_t k = 0;
    EvenSplit panels;  // of a group; gemm only

    bool operator==(const PackedFormat&) const = default;
};
PackedFormat format_of(const Problem& problem, Algorithm algorithm);

// A view of w: batch is the output channel, channel the input channel of a group, spatial the kernel axes.
//   gemm:  [group][panel][k][width of the panel], k = (tap, channel); lanes without a channel are zero, and their results are never stored
//   naive: [group * out][k] in the order of the sum
template <class T>
Buffer pack_weights(const Problem& problem, Algorithm algorithm, const TensorView<const T>& w);

template <class T>
Buffer pack_bias(std::int64_t channels, const T* bias, std::int64_t stride);

}  // namespace npconv

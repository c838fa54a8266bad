// SPDX-License-Identifier: BSD-3-Clause
// Weights, bias and input of the phases of a transposed convolution, or of its definition.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/plan.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

// The taps of a part in the order of its convolution: [group][channel of the result][channel of x][tap].
Buffer weights_of_part(const Problem& forward, const Phases& phases, const PhasePart& part, const AnyView& w);
AnyView view_of_part(const ConvShape& shape, const Buffer& weights);

// Arrangement::planes: the parameters of weights in the order of the part's taps, which need no packing.
Parameters planes_parameters(DType dtype, Buffer taps);

// The bias of a part; merged phases: repeated for each phase.
std::shared_ptr<const Buffer> repeated_bias(const Problem& forward, const Phases& phases, const std::shared_ptr<const Buffer>& bias);

// A dense copy of the weights in their own order.
Buffer copy_of_weights(const Problem& forward, const AnyView& w);

// The part of x that a phase meets.
AnyView input_of_part(const PhasePart& part, AnyView x);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What phases of a transposed convolution, or its definition, take of weights, bias and input.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/plan.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

// The taps of a part in the order of its convolution: [group][channel of the result][channel of x][tap].
Buffer weights_of_part(const Problem& forward, const Phases& phases, const PhasePart& part, const AnyView& w);
AnyView view_of_part(const ConvShape& shape, const Buffer& weights);

// Of planes: the weights as they are, in the order of the part's taps.
Parameters planes_parameters(DType dtype, Buffer taps);

// The bias of a part: repeated for each of merged phases.
std::shared_ptr<const Buffer> repeated_bias(const Problem& forward, const Phases& phases, const std::shared_ptr<const Buffer>& bias);

// The weights as they are.
Buffer copy_of_weights(const Problem& forward, const AnyView& w);

// The part of x that a phase meets.
AnyView input_of_part(const PhasePart& part, AnyView x);

}  // namespace npconv

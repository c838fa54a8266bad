// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution with lane = pixel: of planes, channels first.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "plan/depthwise_tiling.hpp"

namespace npconv {

std::int64_t depthwise_planes_bytes(const Problem& problem, const DepthwiseTiling& tiling);  // of a thread

// slots: threads that can have a task at the same time.
template <class T>
void run_depthwise_planes(const Problem& problem, const DepthwiseTiling& tiling, const Operands<T>& operands, int threads, int slots);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// How a depthwise convolution and a 1x1 convolution of its result are run as one: blocks of pixels whose depthwise results, with all
// channels, stay in the second-level cache until the products have used them. A pure function of the two problems.
#pragma once
#include <cstdint>
#include <string>

#include "plan/depthwise_tiling.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct SeparableProblem {
    Problem depthwise;  // lane = channel
    Problem pointwise;  // its input is [pixel][channel], whatever the layout of its output; lane = channel
};

// The pointwise problem that follows a depthwise one.
Problem pointwise_of(const Problem& depthwise, std::int64_t out_channels, const ActivationSpec& activation);

// Why it cannot be served; empty if it can.
std::string separable_refusal(const SeparableProblem& problem);

struct SeparableTiling {
    DepthwiseTiling depthwise;
    std::int64_t most_pixels = 1;  // of a block
    std::int64_t tasks = 0;        // images x blocks
};
SeparableTiling tile_separable(const SeparableProblem& problem);

// What the cutting aims at. Tests make this small.
struct SeparableLimits {
    std::int64_t bytes_of_block = 256 * 1024;  // of depthwise results
    std::int64_t pixels_of_block = 512;
    std::int64_t fewest_pixels = 28;             // of a block that is cut so that two threads have work: weights are read for each
    std::int64_t most_bytes_of_block = 2 << 20;  // of a block, which has fewer pixels for it

    bool operator==(const SeparableLimits&) const = default;
};
SeparableLimits separable_limits();
void set_separable_limits(const SeparableLimits& limits);  // while nothing runs and no plan will be run again

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// How a depthwise convolution and a 1x1 convolution of its result are run as one: blocks of pixels whose depthwise results, with all
// channels, stay in the second-level cache until the products have used them. A pure function of the two problems and the number of
// threads; no sum depends on how they are cut.
#pragma once
#include <cstdint>
#include <string>

#include "plan/context.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct SeparableProblem {
    Problem depthwise;
    Problem pointwise;
};

// A depthwise problem, and the pointwise one that follows it. Where the depthwise lane is the channel, so is the pointwise one, whatever
// the layout of the output: a block lies between them as [pixel][channel]. Else planes are summed, and it lies there as [channel][pixel].
SeparableProblem separable_problem(const Problem& depthwise, const Context& on, std::int64_t out_channels,
                                   const ActivationSpec& activation);

// Why it cannot be served; empty if it can. arguments: those that say how the depthwise half is cut up.
std::string separable_refusal(const SeparableProblem& problem, const Context& on, const std::string& arguments);

// One number for both halves: all threads or one.
int worthwhile_threads(const SeparableProblem& problem, const Context& on, int threads);

struct SeparableTiling {
    DepthwiseTiling depthwise;
    std::int64_t most_pixels = 1;  // of a block
    std::int64_t tasks = 0;        // images x blocks
    // Elements between neighbours in a block of depthwise results.
    std::int64_t channel_step = 1, pixel_step = 1;
    std::int64_t row = 0;  // the larger of the two: a pixel with all channels, or a channel with all pixels
    std::int64_t block_elements = 0;
};
SeparableTiling tile_separable(const SeparableProblem& problem, const Context& on, int threads);

}  // namespace npconv

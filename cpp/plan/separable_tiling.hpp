// SPDX-License-Identifier: BSD-3-Clause
// Tiling of a depthwise convolution and a 1x1 convolution of its result, run as one. The depthwise results of a block of pixels, with all
// channels, stay in the second-level cache until the 1x1 convolution has used them. A pure function of the two problems and the number of
// threads; no sum depends on the blocks.
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

// A depthwise problem and the pointwise one that follows it. If the depthwise lane is the channel, so is the pointwise lane, whatever the
// layout of the output. The depthwise lane decides how a block of depthwise results is laid out: [pixel][channel] for lane = channel,
// [channel][pixel] for lane = pixel.
SeparableProblem separable_problem(const Problem& depthwise, const Context& on, std::int64_t out_channels,
                                   const ActivationSpec& activation);

// Why the problem cannot be served; empty if it can. arguments: for messages, the names of the arguments that fix the depthwise tiling.
std::string separable_refusal(const SeparableProblem& problem, const Context& on, const std::string& arguments);

// The number of threads for both halves: `threads` or one.
int worthwhile_threads(const SeparableProblem& problem, const Context& on, int threads);

struct SeparableTiling {
    DepthwiseTiling depthwise;
    std::int64_t most_pixels = 1;  // of a block
    std::int64_t tasks = 0;        // images x blocks
    // Elements between channels and between pixels in a block of depthwise results.
    std::int64_t channel_step = 1, pixel_step = 1;
    std::int64_t row = 0;  // the larger of the two steps: a pixel with all channels, or a channel with all pixels
    std::int64_t block_elements = 0;
};
SeparableTiling tile_separable(const SeparableProblem& problem, const Context& on, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/separable_tiling.hpp"

#include <algorithm>

#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

// Of what a block keeps of a pixel: depthwise results, or the sums or a residual of the output.
std::int64_t pixel_bytes(const SeparableProblem& p) {
    const ConvShape& s = p.pointwise.shape;
    return std::max({std::int64_t{1}, s.in_channels, s.out_channels}) * size_of(p.pointwise.dtype);
}

std::int64_t affordable_pixels(const SeparableProblem& p, const Context& on) {
    return std::max<std::int64_t>(1, on.limits.separable.most_bytes_of_block / pixel_bytes(p));
}

}  // namespace

SeparableProblem separable_problem(const Problem& depthwise, const Context& on, std::int64_t out_channels,
                                   const ActivationSpec& activation) {
    SeparableProblem both{depthwise, depthwise};
    const ConvShape& s = depthwise.shape;
    Problem& p = both.pointwise;
    p.shape.groups = 1;
    p.shape.in_channels = s.groups * s.out_channels;
    p.shape.out_channels = out_channels;
    for (std::size_t a = 0; a < 3; ++a) {
        p.shape.axis[a] = {};
        p.shape.axis[a].input = p.shape.axis[a].output = s.axis[a].output;
    }
    p.border = Border::zeros;
    p.flip = false;
    p.activation = activation;
    both.depthwise.packed_as.depthwise_lane = Lane::channel;
    const std::int64_t least = 3 * on.vector_bytes() / size_of(p.dtype);  // pixels of a block of planes: vectors, an odd number
    if (affordable_pixels(both, on) >= least && depthwise_refusal(depthwise, on).empty()) {
        both.depthwise.packed_as.depthwise_lane = tile_depthwise(depthwise, on).lane;
    }
    p.packed_as.lane = both.depthwise.packed_as.depthwise_lane == Lane::channel ? Lane::channel : Lane::automatic;
    return both;
}

std::string separable_refusal(const SeparableProblem& p, const Context& on, const std::string& arguments) {
    const std::int64_t most = on.limits.separable.most_bytes_of_block / size_of(p.pointwise.dtype);
    const ConvShape& s = p.pointwise.shape;
    const auto too_many = [&](const char* w, std::int64_t channels) {
        return std::string(w) + " must have at most " + std::to_string(most) + " output channels (" + w + ".shape[0]) in " +
               name_of(p.pointwise.dtype) + ", got " + std::to_string(channels);
    };
    if (s.in_channels > most) return too_many("depthwise_w", s.in_channels);
    if (s.out_channels > most) return too_many("pointwise_w", s.out_channels);
    const std::string refusal = depthwise_refusal(p.depthwise, on);
    return refusal.empty() ? refusal : arguments + ": " + refusal;
}

int worthwhile_threads(const SeparableProblem& p, const Context& on, int threads) {
    return std::max(worthwhile_threads(p.depthwise, on, threads), worthwhile_threads(p.pointwise, on, threads));
}

SeparableTiling tile_separable(const SeparableProblem& p, const Context& on, int threads) {
    const ConvShape& s = p.pointwise.shape;
    const std::int64_t height = s.axis[1].output, width = s.axis[2].output, pixels = height * width;
    std::int64_t most = std::clamp<std::int64_t>(on.limits.separable.bytes_of_block / pixel_bytes(p), depthwise_pixels,
                                                 on.limits.separable.pixels_of_block);
    // Of one image, two threads get about as much each.
    if (threads > 1 && s.batch == 1 && pixels >= 2 * on.limits.separable.fewest_pixels - depthwise_pixels) {
        const std::int64_t blocks = ceil_div(pixels, most), wanted = blocks + blocks % 2;
        most = std::min(most, height > 1 ? ceil_div(height, wanted) * width : ceil_div(width, wanted));
    }
    most = std::max(most, std::min(width, on.limits.separable.fewest_pixels));
    SeparableTiling t;
    t.depthwise = tile_depthwise_blocks(p.depthwise, on, std::min(most, affordable_pixels(p, on)));
    if (p.depthwise.shape.empty()) return t;
    t.most_pixels = t.depthwise.most_pixels();
    t.tasks = p.depthwise.shape.batch * t.depthwise.blocks();
    if (t.depthwise.lane == Lane::channel) {
        t.pixel_step = t.row = s.in_channels;
        t.block_elements = t.most_pixels * t.row;
    } else {
        // Whole vectors, and an odd number of them: channels do not push each other out of the caches.
        t.channel_step = t.row = (ceil_div(t.most_pixels, t.depthwise.lanes) | 1) * t.depthwise.lanes;
        t.block_elements = s.in_channels * t.row;
    }
    return t;
}

}  // namespace npconv

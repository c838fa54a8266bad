// SPDX-License-Identifier: BSD-3-Clause
#include "plan/separable_tiling.hpp"

#include <algorithm>

namespace npconv {
namespace {

SeparableLimits limits;

// Of what a block keeps of a pixel: depthwise results, or the sums or a residual of the output.
std::int64_t pixel_bytes(const SeparableProblem& p) {
    const ConvShape& s = p.pointwise.shape;
    return std::max({std::int64_t{1}, s.in_channels, s.out_channels}) * size_of(p.pointwise.dtype);
}

}  // namespace

Problem pointwise_of(const Problem& depthwise, std::int64_t out_channels, const ActivationSpec& activation) {
    Problem p = depthwise;
    const ConvShape& s = depthwise.shape;
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
    p.lane = Lane::channel;
    return p;
}

std::string separable_refusal(const SeparableProblem& p) {
    if (pixel_bytes(p) > limits.most_bytes_of_block) return "a pixel has too many channels";
    return depthwise_refusal(p.depthwise);
}

SeparableTiling tile_separable(const SeparableProblem& p) {
    const ConvShape& s = p.pointwise.shape;
    const std::int64_t pixels = s.pixels(), affordable = std::max<std::int64_t>(1, limits.most_bytes_of_block / pixel_bytes(p));
    std::int64_t most = std::clamp<std::int64_t>(limits.bytes_of_block / pixel_bytes(p), depthwise_pixels, limits.pixels_of_block);
    if (s.batch == 1 && most >= pixels && pixels >= 2 * limits.fewest_pixels - depthwise_pixels) most = ceil_div(pixels, 2);
    most = std::max(most, std::min(s.axis[2].output, limits.fewest_pixels));
    SeparableTiling t;
    t.depthwise = tile_depthwise_blocks(p.depthwise, std::min(most, affordable));
    if (p.depthwise.shape.empty()) return t;
    t.most_pixels = t.depthwise.most_pixels();
    t.tasks = p.depthwise.shape.batch * t.depthwise.blocks();
    return t;
}

SeparableLimits separable_limits() { return limits; }
void set_separable_limits(const SeparableLimits& wanted) { limits = wanted; }

}  // namespace npconv

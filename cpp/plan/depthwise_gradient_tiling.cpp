// SPDX-License-Identifier: BSD-3-Clause
#include "plan/depthwise_gradient_tiling.hpp"

#include <algorithm>

#include "kernels/table.hpp"
#include "plan/weight_gradient_tiling.hpp"

namespace npconv {
namespace {

int lanes_of(const Problem& p, const Context& on) { return entry_for(on.entries->depthwise, p, on).lanes; }

double span(const Axis& a, std::int64_t outputs) {
    return as_double(outputs - 1) * as_double(a.stride) + as_double(a.kernel - 1) * as_double(a.dilation) + 1.0;
}

std::array<std::int64_t, 3> window_of(const ConvShape& s, std::int64_t rows) {
    const std::array<std::int64_t, 3> outputs{1, rows, s.axis[2].output};
    std::array<std::int64_t, 3> window{};
    for (std::size_t a = 0; a < 3; ++a) window[a] = static_cast<std::int64_t>(span(s.axis[a], outputs[a]));
    return window;
}

bool planes_serve(const Problem& p, const Context& on) {
    constexpr std::int64_t fewest_columns = 5, most_columns = 1 << 12;  // fewer fill too little of a vector
    const ConvShape& s = p.shape;
    const Axis &depth = s.axis[0], &height = s.axis[1], &width = s.axis[2];
    if (p.layout != Layout::channels_first || s.in_channels != 1 || depth.kernel != 1 || (p.border != Border::zeros && s.padded()))
        return false;
    if (height.kernel != plane_taps || width.kernel != plane_taps || height.stride != width.stride || width.stride > depthwise_strides)
        return false;
    if (height.dilation != 1 || width.dilation != 1 || width.output < fewest_columns || width.input > most_columns) return false;
    return entry_for(on.entries->depthwise, p, on).planes;
}

}  // namespace

std::string depthwise_gradient_refusal(const Problem& p, const Context& on) {
    constexpr double most_window = 1 << 20, most_sums = 1 << 18;  // bytes
    const ConvShape& s = p.shape;
    const int lanes = lanes_of(p, on);
    const bool grouped = s.in_channels > 0 && s.in_channels <= lanes && lanes % s.in_channels == 0;
    if (s.groups < 2 || s.in_channels != s.out_channels || !grouped) {
        return "it serves several groups of as many channels out as in, a power of 2 and no more than " + std::to_string(lanes);
    }
    // Whole vectors are no worse for a matrix product, unless taps share what is loaded.
    const Axis& width = s.axis[2];
    const bool slides = width.kernel == sliding_taps && width.stride == 1 && width.dilation == 1;
    if (s.in_channels == lanes && !slides) return "groups of as many channels as a vector has are a matrix product";
    const double row = span(s.axis[0], 1) * span(s.axis[1], 1) * span(s.axis[2], std::max<std::int64_t>(1, s.axis[2].output));
    if (row * on.vector_bytes() > most_window) return "what a row of outputs meets is too large to be copied";
    if (as_double(s.taps()) * as_double(s.in_channels) * on.vector_bytes() > most_sums) return "the kernel has too many taps";
    return {};
}

DepthwiseGradientTiling tile_depthwise_gradient(const Problem& p, const Context& on) {
    const ConvShape& s = p.shape;
    const WeightGradientLimits& limits = on.limits.weight_gradient;
    DepthwiseGradientTiling t;
    t.lanes = lanes_of(p, on);
    t.group = s.in_channels;
    t.vectors = ceil_div(s.groups * s.out_channels, t.lanes);
    for (std::int64_t n = 1; n <= tap_products_taps; ++n) {
        if (s.axis[2].kernel % n == 0) t.taps_of_run = n;
    }
    const std::int64_t height = s.axis[1].output;
    t.planes = planes_serve(p, on);
    const double of_pixel = as_double(t.planes ? size_of(p.dtype) : on.vector_bytes()), width = as_double(s.axis[2].output);
    const auto bytes = [&](std::int64_t rows) {  // as if nothing could overflow
        return (span(s.axis[0], 1) * span(s.axis[1], rows) * span(s.axis[2], s.axis[2].output) + as_double(rows) * width) * of_pixel;
    };
    // Groups of several channels read a block once for each of these: from the first-level cache.
    const double most_bytes = as_double(t.group > 1 ? limits.bytes_of_window_of_groups : limits.bytes_of_window);
    t.rows = 1;
    for (std::int64_t most = height; t.rows < most;) {
        const std::int64_t rows = t.rows + (most - t.rows + 1) / 2;
        if (bytes(rows) <= most_bytes) {
            t.rows = rows;
        } else {
            most = rows - 1;
        }
    }
    t.rows = split_by(height, t.rows).longest();
    t.window = window_of(s, t.rows);
    if (t.planes) t.window[2] = s.axis[2].input;
    t.blocks = s.axis[0].output * ceil_div(height, t.rows);
    // Of one strip the order is the same; of more, strips come back to what should be in the first-level cache then.
    const double all_bytes = bytes(height) * as_double(s.batch);
    t.images_together =
        t.planes && t.blocks == 1 && (s.axis[2].output <= t.lanes || all_bytes <= as_double(limits.bytes_of_window_of_groups));
    const std::int64_t blocks = s.batch * t.blocks;
    const std::int64_t vectors = std::max<std::int64_t>(1, t.vectors), sums = vectors * t.sums_of_task(s) * size_of(p.dtype);
    const std::int64_t most = limits.bytes_of_all_sums / std::max<std::int64_t>(1, sums);
    const std::int64_t wanted = std::min(t.vectors >= limits.enough_tasks ? 1 : ceil_div(limits.enough_tasks, vectors), most);
    t.parts = SpreadSplit(blocks, std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, blocks)));
    t.tasks = t.vectors * t.parts.parts;
    return t;
}

}  // namespace npconv

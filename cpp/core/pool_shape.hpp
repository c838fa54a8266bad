// SPDX-License-Identifier: BSD-3-Clause
// The shape of a pooling, described by the axes of a convolution. Its sizes are checked here only. 1-D and 2-D shapes are 3-D with unit
// axes in front.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "core/shape.hpp"
#include "core/sizes.hpp"

namespace npconv {

struct PoolShape {
    std::int64_t batch = 1;
    std::int64_t channels = 1;
    std::array<Axis, 3> axis{};  // depth, height, width

    std::int64_t inputs() const { return axis[0].input * axis[1].input * axis[2].input; }
    std::int64_t outputs() const { return axis[0].output * axis[1].output * axis[2].output; }
    std::int64_t planes() const { return batch * channels; }
    bool empty() const { return batch == 0 || channels == 0; }
    bool operator==(const PoolShape&) const = default;
};

// Arguments as given. Lists have one entry for each spatial axis.
struct PoolRequest {
    const char* what = "x";  // for messages: the argument that `input` comes from
    std::int64_t batch = 1;
    std::int64_t channels = 1;
    std::vector<std::int64_t> input;
    std::vector<std::int64_t> kernel;
    std::vector<std::int64_t> stride;
    std::vector<std::int64_t> dilation;
    Padding padding;
    bool ceil_mode = false;
    bool any_padding = false;  // unfold, fold: the padding need not be smaller than the kernel
};

// Throws std::invalid_argument, which names the argument, its value and the expected values.
PoolShape validate_pool(const PoolRequest& request);

// Adaptive windows: output o of an axis of n inputs has the inputs from floor(o * n / outputs) to ceil((o + 1) * n / outputs).
PoolShape validate_adaptive(const char* what, std::int64_t batch, std::int64_t channels, const std::vector<std::int64_t>& input,
                            const std::vector<std::int64_t>& output);

// The shape of the pooling that max_unpool undoes. Its input has the sizes output_size; if they are not given, the sizes that pooling maps
// to those of `pooled` with no input left over.
PoolShape validate_unpool(const PoolRequest& pooled, const std::vector<std::int64_t>& output_size);

}  // namespace npconv

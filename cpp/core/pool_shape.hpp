// SPDX-License-Identifier: BSD-3-Clause
// The one description of a pooling, in the terms of a convolution's axes, and the only place that judges its sizes. 1-D and 2-D are 3-D
// with unit axes in front.
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

// Arguments as given, lists with one entry a spatial axis.
struct PoolRequest {
    const char* what = "x";  // whose spatial axes `input` are, for messages
    std::int64_t batch = 1;
    std::int64_t channels = 1;
    std::vector<std::int64_t> input;
    std::vector<std::int64_t> kernel;
    std::vector<std::int64_t> stride;
    std::vector<std::int64_t> dilation;
    Padding padding;
    bool ceil_mode = false;
    bool any_padding = false;  // unfold, fold: not less than the kernel alone
};

// Throws std::invalid_argument with the argument, the value and what was expected.
PoolShape validate_pool(const PoolRequest& request);

// Windows that share out each axis: output o has the inputs floor(o * n / outputs) to ceil((o + 1) * n / outputs).
PoolShape validate_adaptive(const char* what, std::int64_t batch, std::int64_t channels, const std::vector<std::int64_t>& input,
                            const std::vector<std::int64_t>& output);

// The shape of the pooling that max_unpool undoes: its input has the given sizes, or where there are none those that come back as `pooled`
// without a rest.
PoolShape validate_unpool(const PoolRequest& pooled, const std::vector<std::int64_t>& output_size);

}  // namespace npconv

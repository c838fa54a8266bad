// SPDX-License-Identifier: BSD-3-Clause
// Makes a ConvShape from the arguments of a caller. Sizes are checked here only. Throws std::invalid_argument, which names the argument,
// its value and the expected values.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/shape.hpp"
#include "core/sizes.hpp"
#include "core/types.hpp"

namespace npconv {

// Arguments as given. Spatial lists have `rank` entries. A plan without a fixed batch passes batch 1.
struct ConvRequest {
    int rank = 2;
    std::int64_t batch = 1;
    std::int64_t channels = 1;
    std::vector<std::int64_t> input;
    std::int64_t w_out = 1;
    std::int64_t w_in = 1;
    std::vector<std::int64_t> kernel;
    std::vector<std::int64_t> stride;
    std::vector<std::int64_t> dilation;
    std::int64_t groups = 1;
    Padding padding;
    Border border = Border::zeros;
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;  // for messages
    OperandNames names;                      // for messages
};

ConvShape validate(const ConvRequest& request);

// The shape with the batch of a call in place of a free batch. Throws if a size does not fit in 64 bits.
ConvShape with_batch(ConvShape shape, std::int64_t batch, DType dtype, const OperandNames& names = {});

}  // namespace npconv

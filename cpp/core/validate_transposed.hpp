// SPDX-License-Identifier: BSD-3-Clause
// From what a caller asks of a transposed convolution to the ConvShape of the convolution whose adjoint it is: that one's output is our x,
// its input our result. Throws std::invalid_argument with the argument, the value and what was expected.
#pragma once
#include <cstdint>
#include <vector>

#include "core/shape.hpp"
#include "core/sizes.hpp"
#include "core/types.hpp"

namespace npconv {

// As ConvRequest. Padding is what is cut off the result.
struct TransposedRequest {
    int rank = 2;
    std::int64_t batch = 1;
    std::int64_t channels = 1;
    std::vector<std::int64_t> input;
    std::int64_t w_in = 1;   // w.shape[0]: of all groups
    std::int64_t w_out = 1;  // w.shape[1]: of a group
    std::vector<std::int64_t> kernel;
    std::vector<std::int64_t> stride;
    std::vector<std::int64_t> dilation;
    std::int64_t groups = 1;
    Padding padding;
    std::vector<std::int64_t> output_padding;
    std::vector<std::int64_t> output_size;  // empty: not given
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;  // for messages
    OperandNames names;                      // the same
};

ConvShape validate_transposed(const TransposedRequest& request);

// The same with the result as the output, for what asks for sizes.
ConvShape with_result_as_output(ConvShape forward);

}  // namespace npconv

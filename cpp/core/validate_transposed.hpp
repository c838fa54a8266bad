// SPDX-License-Identifier: BSD-3-Clause
// From what a caller asks of a transposed convolution to the ConvShape of the convolution whose adjoint it is: that one's output is our x,
// its input our result. Throws std::invalid_argument with the argument, the value and what was expected.
#pragma once
#include <cstdint>
#include <vector>

#include "core/validate.hpp"

namespace npconv {

// Padding is what is cut off the result. w_in is w.shape[0], of all groups; w_out is w.shape[1], of one group. The border is not looked at.
struct TransposedRequest : ConvRequest {
    std::vector<std::int64_t> output_padding;
    std::vector<std::int64_t> output_size;  // empty: not given
};

ConvShape validate_transposed(const TransposedRequest& request);

// The same with the result as the output, for what asks for sizes.
ConvShape with_result_as_output(ConvShape forward);

}  // namespace npconv

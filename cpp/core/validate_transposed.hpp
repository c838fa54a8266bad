// SPDX-License-Identifier: BSD-3-Clause
// Makes, from the arguments of a transposed convolution, the ConvShape of the convolution whose adjoint it is. The output of that
// convolution is our x, its input is our result. Throws std::invalid_argument, which names the argument, its value and the expected values.
#pragma once
#include <cstdint>
#include <vector>

#include "core/validate.hpp"

namespace npconv {

// Padding is cut off the result. w_in is w.shape[0], the channels of all groups; w_out is w.shape[1], the channels of one group. The border
// is ignored.
struct TransposedRequest : ConvRequest {
    std::vector<std::int64_t> output_padding;
    std::vector<std::int64_t> output_size;  // empty: not given
};

ConvShape validate_transposed(const TransposedRequest& request);

// The shape with the result as its output, for callers that need sizes.
ConvShape with_result_as_output(ConvShape forward);

}  // namespace npconv

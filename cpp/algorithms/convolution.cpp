// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/convolution.hpp"

#include "algorithms/depthwise.hpp"
#include "algorithms/direct.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/winograd.hpp"

namespace npconv {

void convolve(const ConvExecution& execution, const Operands& io, int threads) {
    std::visit([&](const auto& e) { convolve(e, io, threads); }, execution.way);
}

std::int64_t workspace_bytes(const ConvExecution& execution, double largest, int threads) {
    return std::visit([&](const auto& e) { return workspace_bytes(e, largest, threads); }, execution.way);
}

PackedWeights pack(const ConvExecution& execution, const AnyView& w, int threads) {
    return std::visit([&](const auto& e) { return pack(e, w, threads); }, execution.way);
}

PackedFormat format_of(const ConvExecution& execution) {
    PackedFormat format;
    format.algorithm = execution.algorithm;
    format.groups = execution.problem().shape.groups;
    format.channels = execution.problem().shape.out_channels;
    std::visit([&](const auto& e) { set_format(e, format); }, execution.way);
    return format;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Convolution as a matrix product whose left operand is never materialised: read in place, or a block's part of it copied.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"
#include "plan/pixel_boxes.hpp"

namespace npconv {

// As convolution.hpp asks each algorithm.
void convolve(const GemmExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const GemmExecution& execution, double largest_weight, int threads);
PackedWeights pack(const GemmExecution& execution, const AnyView& w, int threads);
void set_format(const GemmExecution& execution, PackedFormat& format);

// Returns whether raw weights are all finite. They are taken to be: if they are not, what stands beside a border of zeros is wrong.
bool run_gemm(const GemmExecution& execution, const Operands& operands, int threads);

// The same a block at a time, bit by bit, as a part of another algorithm. Packed weights only. The execution outlives it.
class GemmBlocks {
  public:
    struct Block {
        Box pixels;  // neighbours in the output
        std::int64_t image, group, first_panel, panels;
        const void* x = nullptr;  // its input, if that is not where the operands say
        ResultBlock to;           // channels first [channel][pixel], channels last [pixel][channel]
    };
    virtual ~GemmBlocks() = default;
    virtual void compute(const Block& block, int thread) const = 0;
};

// For what another algorithm leaves: a few pixels of a row and one panel at a time. execution: of plan_gemm_pieces.
std::unique_ptr<const GemmBlocks> gemm_of_leftovers(const GemmExecution& execution, const Operands& operands, int threads);

// A flat convolution of one group, all channels at a time, whose input was just made: one of the steps between channels and between pixels
// is 1. Where that is the one between pixels, whole vectors of them may be read. x of the operands is not looked at.
std::unique_ptr<const GemmBlocks> gemm_of_made_input(const GemmExecution& execution, Operands operands, std::int64_t channel_step,
                                                     std::int64_t pixel_step, int threads);
// What both take of a thread.
std::int64_t bytes_of_gemm_blocks(const GemmExecution& execution);

// Convolutions whose results are put together, a block of each after the other: they share arrays, which the first one has. y and the
// residual of the operands are not looked at.
std::vector<std::unique_ptr<const GemmBlocks>> gemm_of_phases(const std::vector<GemmExecution>& executions,
                                                              const std::vector<Operands>& operands, int threads);
std::int64_t bytes_of_gemm_phases(const std::vector<GemmExecution>& executions);  // of a thread

}  // namespace npconv

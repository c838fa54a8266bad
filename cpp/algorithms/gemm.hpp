// SPDX-License-Identifier: BSD-3-Clause
// Convolution as a matrix product. Its left operand is never materialised: it is read in place, or copied block by block.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"
#include "plan/pixel_boxes.hpp"

namespace npconv {

// The functions that convolution.hpp requires of each algorithm.
void convolve(const GemmExecution& execution, const Operands& operands, int threads);
std::int64_t workspace_bytes(const GemmExecution& execution, double largest_weight, int threads);
PackedWeights pack(const GemmExecution& execution, const AnyView& w, int threads);
void set_format(const GemmExecution& execution, PackedFormat& format);

// Runs as if raw weights were finite. Returns whether they are; if not, results next to a border of zeros are wrong.
bool run_gemm(const GemmExecution& execution, const Operands& operands, int threads);

// Computes blocks of the same result, bit by bit, for another algorithm. Weights must be packed. The execution must outlive the object.
class GemmBlocks {
  public:
    struct Block {
        Box pixels;  // neighbours in the output
        std::int64_t image, group, first_panel, panels;
        const void* x = nullptr;  // the input of the block, if it is not x of the operands
        ResultBlock to;           // channels first [channel][pixel], channels last [pixel][channel]
    };
    virtual ~GemmBlocks() = default;
    virtual void compute(const Block& block, int thread) const = 0;
};

// For pixels that another algorithm leaves: a few pixels of a row and one panel at a time. execution: from plan_gemm_pieces.
std::unique_ptr<const GemmBlocks> gemm_of_leftovers(const GemmExecution& execution, const Operands& operands, int threads);

// For a flat convolution of one group, all channels at a time, whose input was just made. channel_step or pixel_step must be 1. If
// pixel_step is 1, whole vectors of pixels may be read. x of the operands is ignored.
std::unique_ptr<const GemmBlocks> gemm_of_made_input(const GemmExecution& execution, Operands operands, std::int64_t channel_step,
                                                     std::int64_t pixel_step, int threads);
// Bytes of a thread for either of the two.
std::int64_t bytes_of_gemm_blocks(const GemmExecution& execution);

// For phases, whose blocks are computed one after the other and then interleaved. The phases share the arrays of the first one. y and
// residual of the operands are ignored.
std::vector<std::unique_ptr<const GemmBlocks>> gemm_of_phases(const std::vector<GemmExecution>& executions,
                                                              const std::vector<Operands>& operands, int threads);
std::int64_t bytes_of_gemm_phases(const std::vector<GemmExecution>& executions);  // of a thread

}  // namespace npconv

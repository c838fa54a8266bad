// SPDX-License-Identifier: BSD-3-Clause
// Convolution as a matrix product whose left operand is never materialised: read in place, or a block's part of it copied.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "algorithms/block_of.hpp"
#include "algorithms/operands.hpp"
#include "plan/executions.hpp"
#include "plan/pixel_boxes.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Everything that run_gemm allocates; for a free batch the most that this one may.
std::int64_t gemm_workspace_bytes(const GemmExecution& execution, int threads);

// Returns whether raw weights are all finite. They are taken to be: if they are not, what stands beside a border of zeros is wrong.
template <class T>
bool run_gemm(const GemmExecution& execution, const Operands<T>& operands, int threads);

// A few pixels of a result at a time, computed as run_gemm computes them, bit by bit: for what another algorithm leaves. Packed weights
// only.
template <class T>
class GemmPieces {
  public:
    // execution: of plan_gemm_pieces; outlives this.
    GemmPieces(const GemmExecution& execution, const Operands<T>& operands, int threads);
    ~GemmPieces();

    // pixels: of one row of the output.
    void compute(const Box& pixels, std::int64_t image, std::int64_t group, std::int64_t panel, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};
std::int64_t gemm_pieces_bytes(const GemmExecution& execution);  // of a thread

// A flat convolution of one group, a block of pixels and all channels at a time, whose input was just made: one of the steps between
// channels and between pixels is 1. Where that is the one between pixels, whole vectors of them may be read. Packed weights only; of the
// operands x is not looked at.
template <class T>
class GemmBlocks {
  public:
    struct Steps {
        std::int64_t channel, pixel;
    };
    // execution: of a SeparableExecution; outlives this.
    GemmBlocks(const GemmExecution& execution, Operands<T> operands, Steps of_input, int threads);
    ~GemmBlocks();
    // Pixels first, first + 1, ... of the map.
    void compute(const T* x, std::int64_t first, std::int64_t pixels, std::int64_t image, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};
std::int64_t gemm_blocks_bytes(const GemmExecution& execution);  // of a thread

// Convolutions whose results are put together: of each a block of pixels and some panels of channels at a time, one after the other, so
// that they share arrays. Packed weights only; y and the residual of the operands are not looked at.
template <class T>
class GemmParts {
  public:
    // The executions, of a PhasesExecution, outlive this.
    GemmParts(const std::vector<GemmExecution>& executions, std::vector<Operands<T>> operands, int threads);
    ~GemmParts();
    // pixels: neighbours in the output. to: channels first [channel][pixel], channels last [pixel][channel].
    void compute(std::size_t part, const Box& pixels, std::int64_t image, std::int64_t group, std::int64_t first_panel, std::int64_t panels,
                 const BlockOf<T>& to, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};
std::int64_t gemm_parts_bytes(const std::vector<GemmExecution>& executions);  // of a thread

}  // namespace npconv

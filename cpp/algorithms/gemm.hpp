// SPDX-License-Identifier: BSD-3-Clause
// Convolution as a matrix product whose left operand is never materialised: read in place, or a block's part of it copied.
#pragma once
#include <cstdint>
#include <memory>

#include "algorithms/operands.hpp"
#include "plan/pixel_boxes.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Everything that run_gemm allocates; for a free batch the most that it may.
std::int64_t gemm_workspace_bytes(const Problem& problem, int threads);

// May weights be given that are not packed? Each panel is packed where it is used then.
bool gemm_packs_panels(const Problem& problem);

// Returns whether raw weights are all finite. They are taken to be: if they are not, what stands beside a border of zeros is wrong.
template <class T>
bool run_gemm(const Problem& problem, const Operands<T>& operands, int threads);

// A few pixels of a result at a time, computed as run_gemm computes them, bit by bit: for what another algorithm leaves. Packed weights
// only.
template <class T>
class GemmPieces {
  public:
    static constexpr std::int64_t longest = 8;  // pixels

    GemmPieces(const Problem& problem, const Operands<T>& operands, int threads);
    ~GemmPieces();

    // pixels: of one row of the output.
    void compute(const Box& pixels, std::int64_t image, std::int64_t group, std::int64_t panel, int thread) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};
std::int64_t gemm_pieces_bytes(const Problem& problem);  // of a thread

}  // namespace npconv

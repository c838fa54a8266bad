// SPDX-License-Identifier: BSD-3-Clause
// Transforms the input into V, the tiles of a block, and decides which of its tiles are left to the GEMM path.
#pragma once
#include <cstdint>

#include "algorithms/winograd_judge.hpp"
#include "algorithms/winograd_patch.hpp"
#include "kernels/registry.hpp"
#include "plan/executions.hpp"
#include "plan/winograd_arrays.hpp"

namespace npconv {

struct TileGrid;

template <class T>
class WinogradInput {
  public:
    WinogradInput(const WinogradExecution& execution, const TensorView<const T>& x, double largest_weight, bool checked,
                  const winograd_arrays::BlockArrays& blocks, const winograd_arrays::ThreadArrays& threads);

    // Makes the part of V of one task. place: index of the block's arrays.
    void transform(const TileBlock& b, std::int64_t task, int place, int thread) const;
    // Decides which tiles are left to the GEMM path.
    void judge(const TileBlock& b, int place, int thread) const;

    const WinogradPatches<T>& patches() const { return patches_; }

  private:
    struct InputPlane {
        const TileBlock& b;
        const Patch& q;
        const TileGrid& grid;
        std::int64_t image, plane;  // of tiles
        std::int64_t task;
        const Loudness<T>& kept;
        T* v;
        int thread;
    };

    JudgeArrays<T> judged(int place, int thread) const;
    TilePlanes<T> planes(int thread) const;
    void transform_vectors(const InputPlane& in) const;
    void transform_tiles(const InputPlane& in) const;
    void transform_row(const InputPlane& in, const PatchView<T>& view, std::int64_t row, int height, std::int64_t y, std::int64_t x,
                       std::int64_t unit) const;

    const WinogradTiling& t_;
    const WinogradTransforms<T>& along_columns_;
    const WinogradTransforms<T>& along_rows_;
    const winograd_arrays::BlockArrays& blocks_;
    const winograd_arrays::ThreadArrays& threads_;
    const WinogradPatches<T> patches_;
    const WinogradJudge<T> judge_;
    const bool checked_;
};

}  // namespace npconv

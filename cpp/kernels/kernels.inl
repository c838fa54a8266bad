// SPDX-License-Identifier: BSD-3-Clause
// Builds the table of one instruction set. A shim (kernels_*.cpp) includes the Vec header of its set, defines the macros below and includes
// this.
//   NPCONV_TABLE          the exported table, the only symbol that leaves the object
//   NPCONV_ISA_NAME       its name, NPCONV_ISA_FEATURES what it needs
//   NPCONV_CHANNEL_TILE   the widest register tile with lane = channel: pixels, vectors; narrower ones have max_mr pixels
//   NPCONV_PIXEL_TILE     the largest register tile with lane = pixel: channels, vectors
#include <cstdint>

#include "kernels/table.hpp"

namespace npconv {
namespace {

#include "kernels/activations.inl"
#include "kernels/copy.inl"
#include "kernels/finish.inl"
#include "kernels/gemm.inl"
#include "kernels/pack.inl"

template <class Vec>
constexpr Kernels<typename Vec::T> make_kernels() {
    Kernels<typename Vec::T> k{};
    k.lanes = Vec::lanes;
    fill_channel_tiles<Vec, NPCONV_CHANNEL_TILE>(k);
    fill_pixel_tiles<Vec, NPCONV_PIXEL_TILE>(k);
    k.transpose_sums = &transpose_sums<Vec>;
    k.pack_vectors = &pack_vectors<Vec>;
    k.copy_every = &copy_every<Vec>;
    return k;
}

}  // namespace

constinit const KernelTable NPCONV_TABLE = {NPCONV_ISA_NAME, NPCONV_ISA_FEATURES, sizeof(F32::V), make_kernels<F32>(), make_kernels<F64>()};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Builds the table of one instruction set: the GEMM path's kernels, and where the others are (winograd.cpp, depthwise.cpp, direct.cpp,
// pool.cpp, which are compiled once for each set). A shim (kernels_*.cpp) defines the macros below and includes this.
//   NPCONV_ISA_FEATURES   what the set needs
//   NPCONV_CHANNEL_TILE   the widest register tile with lane = channel: pixels, vectors; narrower ones have max_mr pixels
//   NPCONV_PIXEL_TILE     the largest register tile with lane = pixel: channels, vectors
// The build defines NPCONV_ISA, its name, and NPCONV_SIMD, its Vec header. The table is the only symbol that leaves the object.
#include <cstdint>

#include "kernels/isa.hpp"
#include "kernels/table.hpp"
#include NPCONV_SIMD

namespace npconv {
namespace {

#include "kernels/activations.inl"
#include "kernels/copy.inl"
#include "kernels/finish.inl"
#include "kernels/gemm.inl"
#include "kernels/interleave.inl"
#include "kernels/magnitude.inl"
#include "kernels/pack.inl"

template <class Vec>
constexpr Kernels<typename Vec::T> make_kernels() {
    Kernels<typename Vec::T> k{};
    k.lanes = Vec::lanes;
    fill_channel_tiles<Vec, NPCONV_CHANNEL_TILE>(k);
    fill_pixel_tiles<Vec, NPCONV_PIXEL_TILE>(k);
    k.transpose_sums = &transpose_sums<Vec>;
    k.finish_sums = &finish_sums<Vec>;
    k.pack_vectors = &pack_vectors<Vec>;
    k.copy_every = &copy_every<Vec>;
    k.interleave = &interleave<Vec>;
    k.sum_rows = &sum_rows<Vec>;
    return k;
}

}  // namespace

#define NPCONV_TEXT_OF(name) #name
#define NPCONV_TEXT(name) NPCONV_TEXT_OF(name)

constinit const KernelTable NPCONV_OF_ISA(kernels) = {NPCONV_TEXT(NPCONV_ISA),
                                                      NPCONV_ISA_FEATURES,
                                                      sizeof(F32::V),
                                                      make_kernels<F32>(),
                                                      make_kernels<F64>(),
                                                      &NPCONV_OF_ISA(winograd_kernels),
                                                      &NPCONV_OF_ISA(depthwise_kernels),
                                                      &NPCONV_OF_ISA(direct_kernels),
                                                      &NPCONV_OF_ISA(pool_kernels)};

}  // namespace npconv

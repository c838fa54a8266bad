// SPDX-License-Identifier: BSD-3-Clause
// The table of one instruction set: the kernels of the GEMM path, and where the others are. This file and those (winograd.cpp,
// depthwise.cpp, direct.cpp, pool.cpp) are compiled once for each set. The build defines NPCONV_ISA, its name, and NPCONV_SIMD, its Vec
// header. The table is the only symbol that leaves the object.
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
constexpr bool accumulates = requires(typename Vec::V v) { Vec::accumulate(v, v, v); };

constexpr VecTraits traits = NPCONV_OF_ISA(traits);
static_assert(traits.vector_bytes == sizeof(F32::V) && traits.registers == F32::registers && traits.fused == F32::fused &&
              traits.masks == F32::masks && traits.accumulates == accumulates<F32>);

template <class Vec>
constexpr Kernels<typename Vec::T> make_kernels() {
    constexpr GemmEntry entry = entries_of(traits).gemm[sizeof(typename Vec::T) == sizeof(double)];
    static_assert(entry.lanes == Vec::lanes && entry.kr == 1);  // pack_vectors packs rows of one k
    Kernels<typename Vec::T> k{};
    k.lanes = Vec::lanes;
    fill_channel_tiles<Vec, entry.mr[entry.nv - 1], entry.nv>(k);
    fill_pixel_tiles<Vec, entry.pixel_mr, entry.pixel_nv>(k);
    k.transpose_sums = &transpose_sums<Vec>;
    k.finish_sums = &finish_sums<Vec>;
    k.pack_vectors = &pack_vectors<Vec>;
    k.copy_every = &copy_every<Vec>;
    k.interleave = &interleave<Vec>;
    k.sum_rows = &sum_rows<Vec>;
    return k;
}

}  // namespace

constinit const KernelTable NPCONV_OF_ISA(kernels) = {traits.isa,
                                                      &NPCONV_OF_ISA(entries),
                                                      make_kernels<F32>(),
                                                      make_kernels<F64>(),
                                                      &NPCONV_OF_ISA(winograd_kernels),
                                                      &NPCONV_OF_ISA(depthwise_kernels),
                                                      &NPCONV_OF_ISA(direct_kernels),
                                                      &NPCONV_OF_ISA(pool_kernels)};

}  // namespace npconv

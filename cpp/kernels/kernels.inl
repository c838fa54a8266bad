// SPDX-License-Identifier: BSD-3-Clause
// Builds the table of one instruction set. A shim (kernels_*.cpp) includes the Vec header of its set, defines the macros below and includes
// this.
//   NPCONV_TABLE        the exported table, the only symbol that leaves the object
//   NPCONV_ISA_NAME     its name, NPCONV_ISA_FEATURES what it needs
//   NPCONV_MR, NPCONV_NV  the largest register tile: pixels, vectors of channels
#include <cstdint>

#include "kernels/table.hpp"

namespace npconv {
namespace {

#include "kernels/activations.inl"
#include "kernels/finish.inl"
#include "kernels/gemm.inl"

template <class Vec>
constexpr Kernels<typename Vec::T> make_kernels() {
    Kernels<typename Vec::T> k{};
    k.lanes = Vec::lanes;
    k.mr = NPCONV_MR;
    k.nv = NPCONV_NV;
    fill_gemm<Vec, NPCONV_MR, NPCONV_NV>(k);
    k.finish_channels_last = &finish_channels_last<Vec>;
    k.finish_channels_first = &finish_channels_first<Vec>;
    return k;
}

}  // namespace

constinit const KernelTable NPCONV_TABLE = {NPCONV_ISA_NAME, NPCONV_ISA_FEATURES, sizeof(F32::V), make_kernels<F32>(), make_kernels<F64>()};

}  // namespace npconv

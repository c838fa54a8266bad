// SPDX-License-Identifier: BSD-3-Clause
// The table of direct kernels of one instruction set (see gemm.cpp).
#include <cstdint>

#include "kernels/direct_table.hpp"
#include "kernels/entries.hpp"
#include "kernels/isa.hpp"
#include NPCONV_SIMD

namespace npconv {
namespace {

constexpr KernelEntries entries = entries_of(NPCONV_OF_ISA(traits));

#include "kernels/activations.inl"
#include "kernels/finish.inl"
//
#include "kernels/direct.inl"

}  // namespace

constinit const DirectTable NPCONV_OF_ISA(direct_kernels) = {make_direct_kernels<F32>(), make_direct_kernels<F64>()};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The table of Winograd's kernels of one instruction set (see gemm.cpp).
#include <cstdint>

#include "kernels/entries.hpp"
#include "kernels/isa.hpp"
#include "kernels/output.hpp"
#include "kernels/winograd_table.hpp"
#include NPCONV_SIMD

namespace npconv {
namespace {

constexpr KernelEntries entries = entries_of(NPCONV_OF_ISA(traits));

#include "kernels/activations.inl"
#include "kernels/finish.inl"
#include "kernels/magnitude.inl"
//
#include "kernels/winograd_input.inl"
//
#include "kernels/winograd.inl"

}  // namespace

constinit const WinogradTable NPCONV_OF_ISA(winograd_kernels) = {make_winograd_kernels<F32>(), make_winograd_kernels<F64>()};

}  // namespace npconv

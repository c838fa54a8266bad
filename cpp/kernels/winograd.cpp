// SPDX-License-Identifier: BSD-3-Clause
// The table of Winograd's kernels of one instruction set (see kernels.inl).
#include <cstdint>

#include "kernels/isa.hpp"
#include "kernels/output.hpp"
#include "kernels/winograd_table.hpp"
#include NPCONV_SIMD

namespace npconv {
namespace {

#include "kernels/activations.inl"
#include "kernels/finish.inl"
#include "kernels/magnitude.inl"
#include "kernels/winograd.inl"

}  // namespace

constinit const WinogradTable NPCONV_OF_ISA(winograd_kernels) = {make_winograd_kernels<F32>(), make_winograd_kernels<F64>()};

}  // namespace npconv

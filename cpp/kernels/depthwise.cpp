// SPDX-License-Identifier: BSD-3-Clause
// The table of depthwise kernels of one instruction set (see gemm.cpp).
#include <cstdint>

#include "kernels/depthwise_table.hpp"
#include "kernels/entries.hpp"
#include "kernels/isa.hpp"
#include NPCONV_SIMD

namespace npconv {
namespace {

constexpr KernelEntries entries = entries_of(NPCONV_OF_ISA(traits));

#include "kernels/activations.inl"
#include "kernels/finish.inl"
//
#include "kernels/depthwise_planes.inl"
//
#include "kernels/group_picker.inl"
//
#include "kernels/depthwise_rows.inl"
//
#include "kernels/tap_products.inl"
#include "kernels/transposed_planes.inl"
//
#include "kernels/depthwise.inl"

}  // namespace

constinit const DepthwiseTable NPCONV_OF_ISA(depthwise_kernels) = {make_depthwise_kernels<F32>(), make_depthwise_kernels<F64>()};

}  // namespace npconv

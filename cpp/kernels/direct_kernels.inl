// SPDX-License-Identifier: BSD-3-Clause
// Builds the table of the direct convolution of one instruction set, as kernels.inl does that of all else.
//   NPCONV_TABLE   the exported table, the only symbol that leaves the object
#include <cstdint>

#include "kernels/direct_table.hpp"

namespace npconv {
namespace {

#include "kernels/activations.inl"
#include "kernels/finish.inl"
//
#include "kernels/direct.inl"

}  // namespace

constinit const DirectTable NPCONV_TABLE = {make_direct_kernels<F32>(), make_direct_kernels<F64>()};

}  // namespace npconv

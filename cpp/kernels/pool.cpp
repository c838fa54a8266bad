// SPDX-License-Identifier: BSD-3-Clause
// The table of pooling kernels of one instruction set (see gemm.cpp).
#include "kernels/pool_types.hpp"

namespace npconv {

constinit const PoolTable NPCONV_OF_ISA(pool_kernels) = {
    &NPCONV_OF_ISA(pool_f32_kernels), &NPCONV_OF_ISA(pool_f64_kernels), &NPCONV_OF_ISA(pool_i8_kernels), &NPCONV_OF_ISA(pool_u8_kernels),
    &NPCONV_OF_ISA(pool_i16_kernels), &NPCONV_OF_ISA(pool_i32_kernels), &NPCONV_OF_ISA(pool_i64_kernels)};

}  // namespace npconv

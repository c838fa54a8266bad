// SPDX-License-Identifier: BSD-3-Clause
// The tables of pooling kernels of each element type, of the instruction set that is compiled. Each is defined in a file of its own.
#pragma once
#include <cstdint>

#include "kernels/isa.hpp"
#include "kernels/pool_table.hpp"

namespace npconv {

extern const PoolKernels<float> NPCONV_OF_ISA(pool_f32_kernels);
extern const PoolKernels<double> NPCONV_OF_ISA(pool_f64_kernels);
extern const PoolKernels<std::int8_t> NPCONV_OF_ISA(pool_i8_kernels);
extern const PoolKernels<std::uint8_t> NPCONV_OF_ISA(pool_u8_kernels);
extern const PoolKernels<std::int16_t> NPCONV_OF_ISA(pool_i16_kernels);
extern const PoolKernels<std::int32_t> NPCONV_OF_ISA(pool_i32_kernels);
extern const PoolKernels<std::int64_t> NPCONV_OF_ISA(pool_i64_kernels);

}  // namespace npconv

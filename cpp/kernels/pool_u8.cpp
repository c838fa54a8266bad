// SPDX-License-Identifier: BSD-3-Clause
// The pooling kernels of one element type and one instruction set.
#include "kernels/pool_kernels.inl"

namespace npconv {
constinit const PoolKernels<std::uint8_t> NPCONV_OF_ISA(pool_u8_kernels) = integer_pool_kernels<std::uint8_t, std::int32_t, DType::u8>();
}

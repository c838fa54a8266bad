// SPDX-License-Identifier: BSD-3-Clause
// The pooling kernels of one element type and one instruction set.
#include "kernels/pool_kernels.inl"

namespace npconv {
constinit const PoolKernels<std::int8_t> NPCONV_OF_ISA(pool_i8_kernels) = integer_pool_kernels<std::int8_t, std::int32_t, DType::i8>();
}

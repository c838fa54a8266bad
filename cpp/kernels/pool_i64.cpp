// SPDX-License-Identifier: BSD-3-Clause
// The pooling kernels of one element type and one instruction set.
#include "kernels/pool_kernels.inl"

namespace npconv {
constinit const PoolKernels<std::int64_t> NPCONV_OF_ISA(pool_i64_kernels) = integer_pool_kernels<std::int64_t, std::int64_t, DType::i64>();
}

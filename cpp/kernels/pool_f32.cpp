// SPDX-License-Identifier: BSD-3-Clause
// The pooling kernels of one element type and one instruction set.
#include "kernels/pool_kernels.inl"

namespace npconv {
constinit const PoolKernels<float> NPCONV_OF_ISA(pool_f32_kernels) = make_pool_kernels<F32, F32, DType::f32>();
}

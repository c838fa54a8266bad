// SPDX-License-Identifier: BSD-3-Clause
// The pooling kernels of one element type and one instruction set.
#include "kernels/pool_kernels.inl"

namespace npconv {
constinit const PoolKernels<double> NPCONV_OF_ISA(pool_f64_kernels) = make_pool_kernels<F64, F64, DType::f64>();
}

// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_TABLE kernels_avx2_direct
#include "simd/avx2.hpp"
//
#include "kernels/direct_kernels.inl"

// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_TABLE kernels_avx512_direct
#include "simd/avx512.hpp"
//
#include "kernels/direct_kernels.inl"

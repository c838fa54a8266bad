// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_TABLE kernels_avx2
#define NPCONV_ISA_NAME "avx2"
#define NPCONV_ISA_FEATURES "AVX2, FMA"
#define NPCONV_CHANNEL_TILE 6, 2
#define NPCONV_PIXEL_TILE 4, 3
#include "simd/avx2.hpp"
//
#include "kernels/kernels.inl"

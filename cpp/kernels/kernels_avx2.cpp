// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_ISA_FEATURES "AVX2, FMA"
#define NPCONV_CHANNEL_TILE 6, 2
#define NPCONV_PIXEL_TILE 4, 3
#include "kernels/kernels.inl"

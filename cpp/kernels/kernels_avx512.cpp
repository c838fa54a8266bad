// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_ISA_FEATURES "AVX-512 F, DQ, BW, VL"
#define NPCONV_CHANNEL_TILE 7, 4
#define NPCONV_PIXEL_TILE 8, 3
#include "kernels/kernels.inl"

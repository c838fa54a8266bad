// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_ISA_FEATURES "64-bit ARM: NEON"
#define NPCONV_CHANNEL_TILE 8, 2
#define NPCONV_PIXEL_TILE 8, 3
#include "kernels/kernels.inl"

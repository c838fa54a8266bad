// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_ISA_FEATURES "x86-64: SSE2"
#define NPCONV_CHANNEL_TILE 6, 2
#define NPCONV_PIXEL_TILE 4, 2
#include "kernels/kernels.inl"

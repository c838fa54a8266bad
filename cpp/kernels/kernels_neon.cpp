// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_TABLE kernels_neon
#define NPCONV_ISA_NAME "neon"
#define NPCONV_ISA_FEATURES "64-bit ARM: NEON"
#define NPCONV_MR 8
#define NPCONV_NV 2
#include "simd/neon.hpp"
//
#include "kernels/kernels.inl"

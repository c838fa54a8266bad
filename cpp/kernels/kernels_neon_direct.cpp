// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_TABLE kernels_neon_direct
#include "simd/neon.hpp"
//
#include "kernels/direct_kernels.inl"

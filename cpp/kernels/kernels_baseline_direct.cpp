// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_TABLE kernels_baseline_direct
#include "simd/baseline.hpp"
//
#include "kernels/direct_kernels.inl"

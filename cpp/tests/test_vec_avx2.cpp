// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_VEC_TESTS vec_tests_avx2
#define NPCONV_ISA_NAME "avx2"
#include "simd/avx2.hpp"
//
#include "vec_tests.inl"

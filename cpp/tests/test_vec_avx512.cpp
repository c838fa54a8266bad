// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_VEC_TESTS vec_tests_avx512
#define NPCONV_ISA_NAME "avx512"
#include "simd/avx512.hpp"
//
#include "vec_tests.inl"

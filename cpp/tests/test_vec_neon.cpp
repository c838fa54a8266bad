// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_VEC_TESTS vec_tests_neon
#define NPCONV_ISA_NAME "neon"
#include "simd/neon.hpp"
//
#include "vec_tests.inl"

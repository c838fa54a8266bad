// SPDX-License-Identifier: BSD-3-Clause
#define NPCONV_VEC_TESTS vec_tests_baseline
#define NPCONV_ISA_NAME "baseline"
#include "simd/baseline.hpp"
//
#include "vec_tests.inl"

// SPDX-License-Identifier: BSD-3-Clause
// Names of kernel tables end with the instruction set: NPCONV_OF_ISA(pool_kernels) is pool_kernels_avx512 if the build defines NPCONV_ISA
// as avx512.
#pragma once

#define NPCONV_JOINED(name, isa) name##_##isa
#define NPCONV_JOIN(name, isa) NPCONV_JOINED(name, isa)
#define NPCONV_OF_ISA(name) NPCONV_JOIN(name, NPCONV_ISA)

// SPDX-License-Identifier: BSD-3-Clause
// The FMA peak: loops of independent fused multiply-adds on registers alone, in assembly, so that no compiler can change them.
// Built by peak.py and called through ctypes. Each function returns the floating-point operations done in n rounds.
#include <cstdint>

#if defined(__x86_64__)
// 12 accumulators: half as many again as a latency of 4 cycles times 2 instructions a cycle needs, because units that are given an
// instruction at the wrong moment must be able to catch up (8 accumulators: 10% less on Zen 5). 2 x 12 instructions a round.
#define FMA(op, r, i) op " %%" r "14,%%" r "15,%%" r i "\n"
#define TWELVE(op, r)                                                                                                               \
    FMA(op, r, "0")                                                                                                                 \
    FMA(op, r, "1")                                                                                                                 \
    FMA(op, r, "2") FMA(op, r, "3") FMA(op, r, "4") FMA(op, r, "5") FMA(op, r, "6") FMA(op, r, "7") FMA(op, r, "8") FMA(op, r, "9") \
        FMA(op, r, "10") FMA(op, r, "11")
#define LOOP(name, op, r, lanes)                                                                                                           \
    extern "C" double name(std::int64_t n) {                                                                                               \
        const double flops = 2.0 * lanes * 24.0 * static_cast<double>(n);                                                                  \
        asm volatile("vxorps %%xmm14,%%xmm14,%%xmm14\nvxorps %%xmm15,%%xmm15,%%xmm15\n.p2align 5\n1:\n" TWELVE(op, r)                      \
                         TWELVE(op, r) "dec %0\njnz 1b\n"                                                                                  \
                     : "+r"(n)                                                                                                             \
                     :                                                                                                                     \
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15", \
                       "cc");                                                                                                              \
        return flops;                                                                                                                      \
    }
LOOP(fma_avx512_f32, "vfmadd231ps", "zmm", 16)
LOOP(fma_avx512_f64, "vfmadd231pd", "zmm", 8)
LOOP(fma_avx2_f32, "vfmadd231ps", "ymm", 8)
LOOP(fma_avx2_f64, "vfmadd231pd", "ymm", 4)
#endif

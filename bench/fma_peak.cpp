// SPDX-License-Identifier: BSD-3-Clause
// The FMA peak: loops of independent fused multiply-adds on registers alone, in assembly, so that no compiler can change them.
// Built by peak.py and called through ctypes. Returns the floating-point operations done.
#include <cstdint>

#if defined(__x86_64__)
// 8 accumulators: FMA latency 4 x 2 a cycle at most on the cores known.
#define EIGHT(op, r, a, b)                                                                                                                \
    op " %%" r a ",%%" r b ",%%" r "0\n" op " %%" r a ",%%" r b ",%%" r "1\n" op " %%" r a ",%%" r b ",%%" r "2\n" op " %%" r a ",%%" r b \
       ",%%" r "3\n" op " %%" r a ",%%" r b ",%%" r "4\n" op " %%" r a ",%%" r b ",%%" r "5\n" op " %%" r a ",%%" r b ",%%" r "6\n" op    \
       " %%" r a ",%%" r b ",%%" r "7\n"
#define CLOBBER "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "cc"
#define CLEAR(r) "vxorps %%xmm8,%%xmm8,%%xmm8\nvxorps %%xmm9,%%xmm9,%%xmm9\n"

extern "C" double fma_avx512_f32(std::int64_t n) {
    const std::int64_t times = n;
    asm volatile(CLEAR("zmm") ".p2align 5\n1:\n" EIGHT("vfmadd231ps", "zmm", "8", "9")
                     EIGHT("vfmadd231ps", "zmm", "8", "9") "dec %0\njnz 1b\n"
                 : "+r"(n)::CLOBBER);
    return 2.0 * 16 * 16 * static_cast<double>(times);
}
extern "C" double fma_avx512_f64(std::int64_t n) {
    const std::int64_t times = n;
    asm volatile(CLEAR("zmm") ".p2align 5\n1:\n" EIGHT("vfmadd231pd", "zmm", "8", "9")
                     EIGHT("vfmadd231pd", "zmm", "8", "9") "dec %0\njnz 1b\n"
                 : "+r"(n)::CLOBBER);
    return 2.0 * 8 * 16 * static_cast<double>(times);
}
extern "C" double fma_avx2_f32(std::int64_t n) {
    const std::int64_t times = n;
    asm volatile(CLEAR("ymm") ".p2align 5\n1:\n" EIGHT("vfmadd231ps", "ymm", "8", "9")
                     EIGHT("vfmadd231ps", "ymm", "8", "9") "dec %0\njnz 1b\n"
                 : "+r"(n)::CLOBBER);
    return 2.0 * 8 * 16 * static_cast<double>(times);
}
extern "C" double fma_avx2_f64(std::int64_t n) {
    const std::int64_t times = n;
    asm volatile(CLEAR("ymm") ".p2align 5\n1:\n" EIGHT("vfmadd231pd", "ymm", "8", "9")
                     EIGHT("vfmadd231pd", "ymm", "8", "9") "dec %0\njnz 1b\n"
                 : "+r"(n)::CLOBBER);
    return 2.0 * 4 * 16 * static_cast<double>(times);
}
#endif

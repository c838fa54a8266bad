// SPDX-License-Identifier: BSD-3-Clause
// Features of a processor that kernels need. Plain data only: kernels see this header, too (kernels/table.hpp).
#pragma once

namespace npconv {

enum class Feature : unsigned {
    avx2 = 1,         // with FMA
    avx512 = 2,       // F, DQ, BW and VL
    avx512_vnni = 4,  // products of four int8 and their sum
    avx_vnni = 8,     //   the same in vectors of 32 bytes
    avx512_bf16 = 16,
    amx_int8 = 32,
    neon = 64,
    dotprod = 128,  // as VNNI
    i8mm = 256,
    bf16 = 512,
    sve = 1024,
};

constexpr unsigned bit(Feature feature) { return static_cast<unsigned>(feature); }

}  // namespace npconv

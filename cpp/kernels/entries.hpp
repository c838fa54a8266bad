// SPDX-License-Identifier: BSD-3-Clause
// Descriptions of the kernels of each instruction set: element types, required features and sizes of register tiles. Kernels are generated
// from them, and the planner chooses by them, so it can plan for a machine whose kernels are not in this build. Plain data only, as
// table.hpp.
#pragma once
#include "core/dtype.hpp"
#include "core/features.hpp"

namespace npconv {

constexpr int max_mr = 8, max_nv = 4;  // largest register tile of the GEMM
constexpr int max_direct_channels = 8, max_direct_rows = 8, max_direct_vectors = 8;

// y = epilogue(sum of x * w). A vector holds lanes of `sum`.
struct Types {
    DType x, w, sum, y;
    bool operator==(const Types&) const = default;
};
constexpr Types all_of(DType t) { return {t, t, t, t}; }

// Register tiles of the GEMM (table.hpp). Weights are packed in panels: lane = channel [k / kr][nv * lanes][kr], lane = pixel
// [k / kr][mr][kr].
struct GemmEntry {
    Types types;
    unsigned features;  // bits of Feature; a machine must have all
    int lanes;
    int kr;          // values of k that one instruction multiplies and adds: 1; with VNNI 4
    int nv;          // lane = channel: vectors of the widest register tile
    int mr[max_nv];  //   and pixels of the tile of each width
    int pixel_mr;    // lane = pixel: channels
    int pixel_nv;    //   and vectors of the largest register tile
};

struct DepthwiseEntry {
    Types types;
    unsigned features;
    int lanes;
    int vectors;     // lane = channel: vectors of channels in the widest register tile
    bool row_tiles;  //   has kernels for tiles of three rows
    bool planes;     // lane = pixel: has kernels with masks for planes, and for gradients of their weights
};

// The register tile of the direct convolution for a number of output channels.
struct DirectTileSize {
    int rows, vectors;   // tile of several rows
    int single_vectors;  // vectors of a tile of one row
};
struct DirectEntry {
    Types types;
    unsigned features;
    int lanes;
    DirectTileSize tile[max_direct_channels];  // [channels - 1]
    bool edges;                                // has edge kernels, which need masks
};

struct WinogradEntry {
    Types types;
    unsigned features;
    int lanes;
    bool few_tiles;  // has F(4x4, 3x3) with weights that are transformed in registers
};

// Pooling reads lanes of x. With places, elements of its buffers are `placed_bytes` wide, and places are as wide.
struct PoolEntry {
    DType x;
    unsigned features;
    int lanes;
    int placed_bytes;
    bool masks;  // has kernels that load with masks
};

constexpr int real_types = 2;
constexpr DType pool_types[] = {DType::f32, DType::f64, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64};
constexpr int pool_type_count = sizeof pool_types / sizeof pool_types[0];

// An instruction set with its kernels for each operation. If several kernels serve, the planner takes the first.
struct KernelEntries {
    const char* isa;          // name, a value of NPCONV_ISA
    const char* description;  // features that all its kernels need, for messages
    unsigned features;
    int vector_bytes;
    GemmEntry gemm[real_types];
    DepthwiseEntry depthwise[real_types];
    DirectEntry direct[real_types];
    WinogradEntry winograd[real_types];
    PoolEntry pool[pool_type_count];
};

// Abilities of a Vec (simd/README.md), and the register tiles that fit in its registers.
struct VecTraits {
    const char* isa;
    const char* description;
    unsigned features;
    int vector_bytes, registers;
    bool fused, masks;
    bool accumulates;  // Vec::accumulate
    int mr, nv;        // lane = channel: the widest register tile; narrower tiles have max_mr pixels
    int pixel_mr, pixel_nv;
};

constexpr VecTraits traits_baseline{"baseline", "x86-64: SSE2", 0, 16, 16, false, false, false, 6, 2, 4, 2};
constexpr VecTraits traits_avx2{"avx2", "AVX2, FMA", bit(Feature::avx2), 32, 16, true, true, false, 6, 2, 4, 3};
constexpr VecTraits traits_avx512{
    "avx512", "AVX-512 F, DQ, BW, VL", bit(Feature::avx2) | bit(Feature::avx512), 64, 32, true, true, true, 7, 4, 8, 3};
constexpr VecTraits traits_neon{"neon", "64-bit ARM: NEON", bit(Feature::neon), 16, 32, true, false, false, 8, 2, 8, 3};

// The largest tiles whose sums, vectors of input and one vector of weights fit in the registers.
constexpr DirectTileSize direct_of_32[] = {{8, 3, 8}, {4, 3, 8}, {2, 4, 6}, {2, 3, 6}, {2, 2, 4}, {2, 2, 4}, {1, 3, 3}, {1, 3, 3}};
constexpr DirectTileSize direct_of_16[] = {{4, 3, 8}, {3, 2, 4}, {2, 2, 3}, {1, 3, 3}, {1, 2, 2}, {1, 2, 2}, {1, 1, 1}, {1, 1, 1}};
// Without FMA, a product takes a register of its own.
constexpr DirectTileSize direct_of_16_and_products[] = {{3, 3, 6}, {2, 2, 4}, {2, 2, 2}, {1, 2, 2},
                                                        {1, 2, 2}, {1, 2, 2}, {1, 1, 1}, {1, 1, 1}};

// consteval, because a kernel's object must not define a function that another one calls.
consteval KernelEntries entries_of(const VecTraits& v) {
    KernelEntries e{v.isa, v.description, v.features, v.vector_bytes, {}, {}, {}, {}, {}};
    const auto& direct = v.registers == 32 ? direct_of_32 : v.fused ? direct_of_16 : direct_of_16_and_products;
    const bool many = v.registers >= 32;
    for (int i = 0; i < real_types; ++i) {
        const DType real = i == 0 ? DType::f32 : DType::f64;
        const Types types = all_of(real);
        const int lanes = v.vector_bytes / (real == DType::f32 ? 4 : 8);
        e.gemm[i] = {types, v.features, lanes, 1, v.nv, {}, v.pixel_mr, v.pixel_nv};
        for (int n = 1; n <= v.nv; ++n) e.gemm[i].mr[n - 1] = n < v.nv ? max_mr : v.mr;
        e.depthwise[i] = {types, v.features, lanes, many ? 2 : 1, many && v.accumulates, v.masks};
        e.direct[i] = {types, v.features, lanes, {}, v.masks};
        for (int m = 0; m < max_direct_channels; ++m) e.direct[i].tile[m] = direct[m];
        e.winograd[i] = {types, v.features, lanes, many};
    }
    for (int i = 0; i < pool_type_count; ++i) {
        const DType x = pool_types[i];
        const int bytes = x == DType::i8 || x == DType::u8 ? 1 : x == DType::i16 ? 2 : x == DType::f32 || x == DType::i32 ? 4 : 8;
        const bool real = x == DType::f32 || x == DType::f64;
        e.pool[i] = {x, v.features, v.vector_bytes / bytes, bytes < 4 ? 4 : bytes, real && v.masks};
    }
    return e;
}

extern const KernelEntries entries_baseline, entries_avx2, entries_avx512, entries_neon;

// The best of all instruction sets that a machine with these features can run, whether or not this build has its kernels.
const KernelEntries& best_entries(unsigned features);

}  // namespace npconv

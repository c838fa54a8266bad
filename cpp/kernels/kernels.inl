// SPDX-License-Identifier: BSD-3-Clause
// Builds the table of one instruction set. A shim (kernels_*.cpp) includes the Vec header of its set, defines the macros below and includes
// this.
//   NPCONV_TABLE          the exported table, the only symbol that leaves the object
//   NPCONV_ISA_NAME       its name, NPCONV_ISA_FEATURES what it needs
//   NPCONV_CHANNEL_TILE   the widest register tile with lane = channel: pixels, vectors; narrower ones have max_mr pixels
//   NPCONV_PIXEL_TILE     the largest register tile with lane = pixel: channels, vectors
#include <cstdint>

#include "kernels/table.hpp"
#include "simd/integers.hpp"

namespace npconv {
namespace {

#include "kernels/activations.inl"
#include "kernels/copy.inl"
#include "kernels/finish.inl"
//
#include "kernels/depthwise_rows.inl"
#include "kernels/gemm.inl"
#include "kernels/pack.inl"
//
#include "kernels/pool_cells.inl"
//
#include "kernels/pool_slide.inl"
//
#include "kernels/pool_rows.inl"
//
#include "kernels/pool_results.inl"
//
#include "kernels/pool_direct.inl"
#include "kernels/pool_slab.inl"
#include "kernels/pool_strips.inl"
//
#include "kernels/pool.inl"
#include "kernels/pool_windows.inl"
#include "kernels/winograd.inl"

template <class Vec>
constexpr Kernels<typename Vec::T> make_kernels() {
    Kernels<typename Vec::T> k{};
    k.lanes = Vec::lanes;
    fill_channel_tiles<Vec, NPCONV_CHANNEL_TILE>(k);
    fill_pixel_tiles<Vec, NPCONV_PIXEL_TILE>(k);
    k.transpose_sums = &transpose_sums<Vec>;
    k.finish_sums = &finish_sums<Vec>;
    k.pack_vectors = &pack_vectors<Vec>;
    fill_depthwise_rows<Vec, 3, 1>(k);
    fill_depthwise_rows<Vec, 3, 2>(k);
    fill_depthwise_rows<Vec, 5, 1>(k);
    fill_depthwise_rows<Vec, 5, 2>(k);
    fill_depthwise_rows<Vec, 7, 1>(k);
    fill_depthwise_rows<Vec, 7, 2>(k);
    k.copy_every = &copy_every<Vec>;
    return k;
}

// Wide: as Vec, with elements that places fit beside.
template <class Vec, class Wide>
constexpr PoolKernels<typename Vec::T> make_pool_kernels() {
    using T = typename Vec::T;
    PoolKernels<T> k{};
    k.lanes = Vec::lanes;
    k.masks = Vec::masks;
    k.wide_lanes = Wide::lanes;
    k.power_lanes = F64::lanes;
    k.wide_bytes = sizeof(typename Wide::T);
    k.maximum = &pool<Maximum<Vec>, T>;
    k.maximum_and_place = &pool<PlacedMaximum<Wide>, T>;
    k.maximum_of_run = &maximum_of_run<Vec>;
    k.join_pixels = &join_pixels<Vec>;
    if constexpr (static_cast<T>(0.5) == 0 && sizeof(T) == 8) k.within = &within<Vec>;
    if constexpr (static_cast<T>(0.5) != 0) {
        k.sum = &pool<Sum<Vec>, T>;
        k.sum_of_powers = &pool<Sum<F64>, T>;
        k.sum_of_run = &sum_of_run<Vec>;
        k.sums_of_runs = &sums_of_runs<Vec>;
        k.sums_of_pixels = &sums_of_pixels<Vec>;
        k.add = &add_run<Vec>;
    }
    return k;
}

template <class T, class Wide>
constexpr PoolKernels<T> integer_pool_kernels() {
    return make_pool_kernels<IntegerVec<T>, IntegerVec<Wide>>();
}

}  // namespace

constinit const KernelTable NPCONV_TABLE = {NPCONV_ISA_NAME,
                                            NPCONV_ISA_FEATURES,
                                            sizeof(F32::V),
                                            make_kernels<F32>(),
                                            make_kernels<F64>(),
                                            make_winograd_kernels<F32>(),
                                            make_winograd_kernels<F64>(),
                                            make_pool_kernels<F32, F32>(),
                                            make_pool_kernels<F64, F64>(),
                                            integer_pool_kernels<std::int8_t, std::int32_t>(),
                                            integer_pool_kernels<std::uint8_t, std::int32_t>(),
                                            integer_pool_kernels<std::int16_t, std::int32_t>(),
                                            integer_pool_kernels<std::int32_t, std::int32_t>(),
                                            integer_pool_kernels<std::int64_t, std::int64_t>()};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// All that a file of pooling kernels is made of: one file for each element type, so that they compile side by side.
#pragma once
#include <cstdint>

#include "kernels/entries.hpp"
#include "kernels/pool_types.hpp"
#include NPCONV_SIMD
#include "simd/integers.hpp"

namespace npconv {
namespace {

#include "kernels/pool_cells.inl"
//
#include "kernels/pool_slide.inl"
//
#include "kernels/pool_spread.inl"
#include "kernels/pool_stage.inl"
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
#include "kernels/pool_runs.inl"

// Wide: as Vec, with elements that places fit beside.
template <class Vec, class Wide, DType type>
constexpr PoolKernels<typename Vec::T> make_pool_kernels() {
    using T = typename Vec::T;
    constexpr PoolEntry entry = entries_of(NPCONV_OF_ISA(traits)).pool[static_cast<int>(type)];
    static_assert(entry.x == type && entry.lanes == Vec::lanes && entry.masks == Vec::masks &&
                  entry.placed_bytes == sizeof(typename Wide::T) && sizeof(typename Wide::V) == sizeof(F64::V));
    PoolKernels<T> k{};
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

template <class T, class Wide, DType type>
constexpr PoolKernels<T> integer_pool_kernels() {
    return make_pool_kernels<IntegerVec<T>, IntegerVec<Wide>, type>();
}

}  // namespace
}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The kernel sets of this build, best first.
#pragma once
#include <string>
#include <type_traits>
#include <vector>

#include "core/types.hpp"
#include "kernels/table.hpp"

namespace npconv {

struct KernelSet {
    const KernelTable* table;
    bool available;  // machine and operating system have the features that it needs
};

const std::vector<KernelSet>& kernel_sets();

const KernelTable& best_kernels();  // the best available set
// The kernels of an available set. Throws std::invalid_argument, listing the available sets.
const KernelTable& kernels_of_isa(const std::string& isa);

// The kernels of a table for T, float or double.
template <class T, class Table>
const auto& kernels_for(const Table& table) {
    if constexpr (std::is_same_v<T, float>) {
        return table.f32;
    } else {
        return table.f64;
    }
}

template <class T>
const WinogradKernels<T>& winograd_kernels_of(const KernelTable& table) {
    return kernels_for<T>(*table.winograd);
}
template <class T>
const DepthwiseKernels<T>& depthwise_kernels_of(const KernelTable& table) {
    return kernels_for<T>(*table.depthwise);
}
template <class T>
const DirectKernels<T>& direct_kernels_of(const KernelTable& table) {
    return kernels_for<T>(*table.direct);
}
template <class T>
const Kernels<T>& kernels_of(const KernelTable& table) {
    return kernels_for<T>(table);
}

template <class T>
const PoolKernels<T>& pool_kernels_of(const KernelTable& table) {
    if constexpr (std::is_same_v<T, float>) return *table.pool->f32;
    if constexpr (std::is_same_v<T, double>) return *table.pool->f64;
    if constexpr (std::is_same_v<T, std::int8_t>) return *table.pool->i8;
    if constexpr (std::is_same_v<T, std::uint8_t>) return *table.pool->u8;
    if constexpr (std::is_same_v<T, std::int16_t>) return *table.pool->i16;
    if constexpr (std::is_same_v<T, std::int32_t>) return *table.pool->i32;
    if constexpr (std::is_same_v<T, std::int64_t>) return *table.pool->i64;
}
}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The kernel sets of this build, best first, and which of them is in use.
#pragma once
#include <string>
#include <type_traits>
#include <vector>

#include "core/types.hpp"
#include "kernels/direct_table.hpp"
#include "kernels/table.hpp"

namespace npconv {

struct KernelSet {
    const KernelTable* table;
    const DirectTable* direct;
    bool available;  // the machine and its operating system have what it needs
};

const std::vector<KernelSet>& kernel_sets();

// The best available set, until another is forced by name. select throws std::invalid_argument, listing what there is.
const KernelTable& active_kernels();
void select_kernels(const std::string& isa);

// Of the set that a table belongs to.
const DirectTable& direct_table_of(const KernelTable& table);

template <class T>
const DirectKernels<T>& direct_kernels_of(const KernelTable& table) {
    if constexpr (std::is_same_v<T, float>) {
        return direct_table_of(table).f32;
    } else {
        return direct_table_of(table).f64;
    }
}

template <class T>
const WinogradKernels<T>& winograd_kernels_of(const KernelTable& table) {
    if constexpr (std::is_same_v<T, float>) {
        return table.winograd_f32;
    } else {
        return table.winograd_f64;
    }
}

template <class T>
const Kernels<T>& kernels_of(const KernelTable& table);
template <class T>
const PoolKernels<T>& pool_kernels_of(const KernelTable& table) {
    if constexpr (std::is_same_v<T, float>) return table.pool_f32;
    if constexpr (std::is_same_v<T, double>) return table.pool_f64;
    if constexpr (std::is_same_v<T, std::int8_t>) return table.pool_i8;
    if constexpr (std::is_same_v<T, std::uint8_t>) return table.pool_u8;
    if constexpr (std::is_same_v<T, std::int16_t>) return table.pool_i16;
    if constexpr (std::is_same_v<T, std::int32_t>) return table.pool_i32;
    if constexpr (std::is_same_v<T, std::int64_t>) return table.pool_i64;
}
template <>
inline const Kernels<float>& kernels_of<float>(const KernelTable& table) {
    return table.f32;
}
template <>
inline const Kernels<double>& kernels_of<double>(const KernelTable& table) {
    return table.f64;
}

}  // namespace npconv

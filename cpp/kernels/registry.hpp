// SPDX-License-Identifier: BSD-3-Clause
// The kernel sets of this build, best first, and which of them is in use.
#pragma once
#include <string>
#include <vector>

#include "core/types.hpp"
#include "kernels/table.hpp"

namespace npconv {

struct KernelSet {
    const KernelTable* table;
    bool available;  // the machine and its operating system have what it needs
};

const std::vector<KernelSet>& kernel_sets();

// The best available set, until another is forced by name. select throws std::invalid_argument, listing what there is.
const KernelTable& active_kernels();
void select_kernels(const std::string& isa);

template <class T>
const Kernels<T>& kernels_of(const KernelTable& table);
template <>
inline const Kernels<float>& kernels_of<float>(const KernelTable& table) {
    return table.f32;
}
template <>
inline const Kernels<double>& kernels_of<double>(const KernelTable& table) {
    return table.f64;
}

}  // namespace npconv

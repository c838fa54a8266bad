// SPDX-License-Identifier: BSD-3-Clause
// To add an instruction set: a Vec header in simd/, its traits in entries.hpp, its flags in cmake/kernels.cmake, the names of its tables in
// table.hpp and *_table.hpp, a line here, and a test_vec_*.cpp in tests/.
#include "kernels/registry.hpp"

#include <stdexcept>

#include "core/machine.hpp"

namespace npconv {
namespace {

std::vector<KernelSet> find_kernel_sets() {
#if defined(__x86_64__)
    const KernelTable* const built[] = {&kernels_avx512, &kernels_avx2, &kernels_baseline};
#elif defined(__aarch64__)
    const KernelTable* const built[] = {&kernels_neon};
#else
#error "npconv has kernels for x86-64 and 64-bit ARM"
#endif
    std::vector<KernelSet> sets;
    for (const KernelTable* table : built) sets.push_back({table, this_machine().has_all(table->entries->features)});
    return sets;
}

}  // namespace

const std::vector<KernelSet>& kernel_sets() {
    static const auto& sets = *new const std::vector<KernelSet>(find_kernel_sets());  // never destroyed: see algorithms()
    return sets;
}

const KernelTable& best_kernels() {
    for (const KernelSet& set : kernel_sets()) {
        if (set.available) return *set.table;
    }
    throw std::logic_error("no kernel set is available");  // the last of the list always is
}

const KernelTable& kernels_of_isa(const std::string& isa) {
    std::string names;
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        if (isa == set.table->isa) return *set.table;
        names += (names.empty() ? "\"" : ", \"") + std::string(set.table->isa) + "\"";
    }
    throw std::invalid_argument("the instruction set (NPCONV_ISA) must be one that this machine has, " + names + "; got \"" + isa + "\"");
}

}  // namespace npconv

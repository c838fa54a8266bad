// SPDX-License-Identifier: BSD-3-Clause
#include "kernels/entries.hpp"

#include <initializer_list>

namespace npconv {

constinit const KernelEntries entries_baseline = entries_of(traits_baseline), entries_avx2 = entries_of(traits_avx2),
                              entries_avx512 = entries_of(traits_avx512), entries_neon = entries_of(traits_neon);

const KernelEntries& best_entries(unsigned features) {
    const bool arm = (features & bit(Feature::neon)) != 0;
    for (const KernelEntries* e : {&entries_avx512, &entries_avx2}) {
        if ((features & e->features) == e->features) return *e;
    }
    return arm ? entries_neon : entries_baseline;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "kernels/entries.hpp"

namespace npconv {

constinit const KernelEntries entries_baseline = entries_of(traits_baseline), entries_avx2 = entries_of(traits_avx2),
                              entries_avx512 = entries_of(traits_avx512), entries_neon = entries_of(traits_neon);

}  // namespace npconv

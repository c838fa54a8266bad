// SPDX-License-Identifier: BSD-3-Clause
// Counts the runs of each implementation in this process, so that a test can prove that the forced one ran.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "kernels/table.hpp"

namespace npconv {

void count_naive_run();
void count_kernel_run(const KernelTable& kernels);
void count_winograd_run();  // its kernels are counted, too
std::map<std::string, std::int64_t> kernel_runs();

}  // namespace npconv

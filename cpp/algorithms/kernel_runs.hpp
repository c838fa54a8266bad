// SPDX-License-Identifier: BSD-3-Clause
// How often each implementation has run in this process: lets a test prove that the forced one did.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "kernels/table.hpp"

namespace npconv {

void count_naive_run();
void count_kernel_run(const KernelTable& kernels);
void count_winograd_run();  // beside its kernels
std::map<std::string, std::int64_t> kernel_runs();

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/kernel_runs.hpp"

#include <array>
#include <atomic>

#include "kernels/registry.hpp"

namespace npconv {
namespace {

std::atomic<std::int64_t> naive_runs{0}, winograd_runs{0};
std::array<std::atomic<std::int64_t>, 8> vector_runs{};

}  // namespace

void count_naive_run() { ++naive_runs; }
void count_winograd_run() { ++winograd_runs; }

void count_kernel_run(const KernelTable& kernels) {
    for (std::size_t i = 0; i < kernel_sets().size(); ++i) {
        if (kernel_sets()[i].table == &kernels) ++vector_runs.at(i);
    }
}

std::map<std::string, std::int64_t> kernel_runs() {
    std::map<std::string, std::int64_t> runs{{"naive", naive_runs}, {"winograd", winograd_runs}};
    for (std::size_t i = 0; i < kernel_sets().size(); ++i) runs[kernel_sets()[i].table->isa] = vector_runs.at(i);
    return runs;
}

}  // namespace npconv

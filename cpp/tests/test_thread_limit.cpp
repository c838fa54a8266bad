// SPDX-License-Identifier: BSD-3-Clause
// A program of its own: under an address-space limit that has no room for all the threads, parallel_for does with fewer, where libgomp
// alone would end the process. (In a forked child, as a death test is, parallel_for does not use OpenMP.)
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "core/parallel.hpp"

namespace {

// Pages of address space in use, from Linux's own account.
rlim_t address_space_in_use() {
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    return pages * 4096;
}

}  // namespace

// argument: megabytes left, of which the stack of a thread takes 8
int main(int, char** arguments) {
    constexpr int tasks = 1000;
    const rlim_t room = static_cast<rlim_t>(std::atoi(arguments[1])) << 20;
    const rlimit limit{address_space_in_use() + room, address_space_in_use() + room};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    for (int round = 0; round < 2; ++round) {
        std::atomic<int> runs{0}, most{0};
        npconv::parallel_for(tasks, 64, [&](std::int64_t, int thread) {
            ++runs;
            for (int seen = most; thread > seen && !most.compare_exchange_weak(seen, thread);) {
            }
        });
        std::printf("%d of %d tasks, thread numbers up to %d\n", runs.load(), tasks, most.load());
        if (runs != tasks) return 1;
    }
    return 0;
}

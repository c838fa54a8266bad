// SPDX-License-Identifier: BSD-3-Clause
// Dividing tasks among threads. Which thread runs a task, and how many there are, never changes a result: tasks are independent.
// Workers run with the caller's floating-point environment (FTZ, DAZ, rounding) and get their own back.
#pragma once
#include <cstdint>

#include "core/interrupt.hpp"

namespace npconv {

constexpr int max_threads = 1024;

// The number of threads that the OpenMP runtime would use: threadpoolctl's limit, OMP_NUM_THREADS, the affinity mask. At least 1.
int runtime_threads();

// set_num_threads; 0: follow the runtime.
void set_process_threads(int threads);
int process_threads();

// The number of threads that can have a task at the same time, and so need a workspace.
inline int slots_of(std::int64_t tasks, int threads) { return tasks < 1 ? 1 : tasks < threads ? static_cast<int>(tasks) : threads; }

// Threads for independent work on this many elements: one if starting others would take as long as their share.
inline int threads_for(std::int64_t elements, int of_call) {
    constexpr std::int64_t few = 32 << 10;
    return elements < few ? 1 : of_call;
}

namespace detail {
void run_parallel(std::int64_t tasks, int threads, void (*body)(const void*, std::int64_t, int), const void* context);
}

// Calls body(task, slot) for every task in 0..tasks-1, or for some of them if the call is told to end (core/interrupt.hpp). A slot belongs
// to one thread at a time, and there are at most min(tasks, threads) slots. The body must not throw: allocate before the call.
template <class Body>
void parallel_for(std::int64_t tasks, int threads, const Body& body) {
    if (threads <= 1 || tasks <= 1) {
        for (std::int64_t task = 0; task < tasks && !call_stopped(); ++task) body(task, 0);
        return;
    }
    detail::run_parallel(
        tasks, threads, [](const void* b, std::int64_t task, int thread) { (*static_cast<const Body*>(b))(task, thread); }, &body);
}

}  // namespace npconv

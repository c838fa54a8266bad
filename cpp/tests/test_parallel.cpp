// SPDX-License-Identifier: BSD-3-Clause
// parallel_for: every task once whoever calls it, the caller's floating-point environment in every worker and nobody's changed, and forks.
#include <gtest/gtest.h>
#include <omp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "core/parallel.hpp"

namespace npconv::test {
namespace {

// Rounding mode and flush-to-zero of this thread, without the exception flags.
std::uint64_t control_word() {
#if defined(__x86_64__)
    return _mm_getcsr() & ~0x3Fu;
#else
    std::uint64_t fpcr = 0;
    asm volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
#endif
}

void set_control_word(std::uint64_t word) {
#if defined(__x86_64__)
    _mm_setcsr(static_cast<unsigned>(word));
#else
    asm volatile("msr fpcr, %0" : : "r"(word));
#endif
}

#if defined(__x86_64__)
constexpr std::uint64_t flush_to_zero = 0x8040;  // FTZ, DAZ
#else
constexpr std::uint64_t flush_to_zero = std::uint64_t{1} << 24;  // FPCR.FZ
#endif

// Is every task run once, each thread index used by one thread at a time?
bool runs_each_task_once(std::int64_t tasks, int threads) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks)), users(static_cast<std::size_t>(threads));
    std::atomic<bool> right{true};
    parallel_for(tasks, threads, [&](std::int64_t task, int thread) {
        if (task < 0 || task >= tasks || thread < 0 || thread >= threads) {
            right = false;
            return;
        }
        if (users[static_cast<std::size_t>(thread)]++ != 0) right = false;
        ++runs[static_cast<std::size_t>(task)];
        --users[static_cast<std::size_t>(thread)];
    });
    for (const auto& r : runs) right = right && r == 1;
    return right;
}

constexpr std::int64_t task_counts[] = {0, 1, 2, 3, 7, 100, 1000};

TEST(ParallelFor, RunsEachTaskOnce) {
    for (int threads = 1; threads <= 7; ++threads) {
        for (const std::int64_t tasks : task_counts)
            EXPECT_TRUE(runs_each_task_once(tasks, threads)) << tasks << " tasks, " << threads << " threads";
    }
}

TEST(ParallelFor, UsesSeveralThreads) {
    std::atomic<int> here{0};
    parallel_for(2, 2, [&](std::int64_t, int) {  // each task waits for the other
        ++here;
        for (int i = 0; i < 10'000 && here < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    EXPECT_EQ(here, 2);
}

TEST(ParallelFor, FromSeveralThreadsAtOnce) {
    std::atomic<int> right{0};
    std::vector<std::thread> callers;
    for (int c = 0; c < 6; ++c) {
        callers.emplace_back([&right, c] {
            bool good = true;
            for (int round = 0; round < 10; ++round) good = runs_each_task_once(task_counts[round % 7], 1 + (c + round) % 5) && good;
            right += good;
        });
    }
    for (std::thread& t : callers) t.join();
    EXPECT_EQ(right, 6);
}

TEST(ParallelFor, WithinItself) {
    std::atomic<int> right{0};
    parallel_for(4, 3, [&](std::int64_t, int) { right += runs_each_task_once(50, 3); });
    EXPECT_EQ(right, 4);
}

// The control words of all threads of the OpenMP team, in the order of their numbers.
std::vector<std::uint64_t> control_words_of_team(int threads) {
    std::vector<std::uint64_t> words(static_cast<std::size_t>(threads));
#pragma omp parallel num_threads(threads)
    words[static_cast<std::size_t>(omp_get_thread_num())] = control_word();
    return words;
}

TEST(ParallelFor, CallersFloatingPointEnvironmentHoldsInWorkers) {
    constexpr int threads = 4;
    runs_each_task_once(100, threads);  // the team exists, with the default environment
    const std::vector<std::uint64_t> team = control_words_of_team(threads);
    const std::uint64_t own = control_word();
    for (const std::uint64_t flush : {std::uint64_t{0}, flush_to_zero}) {
        for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
            std::fesetround(rounding);
            set_control_word(control_word() | flush);
            const std::uint64_t wanted = control_word();
            std::atomic<int> wrong{0}, waiting{0};
            parallel_for(threads, threads, [&](std::int64_t, int) {
                ++waiting;  // long enough for every worker to get a task
                for (int i = 0; i < 1000 && waiting < threads; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                volatile float tiny = 0x1p-126F, third = 1.0F;
                tiny = tiny * 0.5F;
                third = third / 3.0F;
                wrong += control_word() != wanted || std::fegetround() != rounding || (tiny == 0.0F) != (flush != 0) ||
                         (third > 0x1.555554p-2F) != (rounding == FE_TONEAREST || rounding == FE_UPWARD);
            });
            const std::uint64_t after = control_word();
            set_control_word(own);
            std::fesetround(FE_TONEAREST);
            EXPECT_EQ(wrong, 0) << "flush " << flush << ", rounding " << rounding;
            EXPECT_EQ(after, wanted) << "the caller's environment was changed";
            EXPECT_EQ(control_words_of_team(threads), team) << "a worker did not get its own environment back";
        }
    }
    EXPECT_EQ(control_word(), own);
}

// The program that the kernel runs is then the emulator.
bool under_qemu() {
    std::ifstream comm("/proc/self/comm");
    std::string name;
    std::getline(comm, name);
    return name.rfind("qemu-", 0) == 0;
}

// Runs f in a forked child; true if it returned true there within 20 seconds.
template <class F>
bool in_child(const F& f) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(f() ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ParallelFor, InAChildOfForkAfterACallInTheParent) {
    if (under_qemu())
        GTEST_SKIP()
            << "qemu's user mode cannot start threads in a forked child of a process that had threads (an assertion of qemu's fails)";
    ASSERT_TRUE(runs_each_task_once(100, 4));
    EXPECT_TRUE(in_child([] {
        bool right = true;
        for (int threads = 1; threads <= 7; ++threads) right = runs_each_task_once(100, threads) && right;
        set_control_word(control_word() | flush_to_zero);
        const std::uint64_t wanted = control_word();
        std::atomic<int> wrong{0};
        parallel_for(100, 4, [&](std::int64_t, int) { wrong += control_word() != wanted; });
        return right && wrong == 0 && control_word() == wanted;
    }));
    EXPECT_TRUE(in_child([] { return in_child([] { return runs_each_task_once(100, 3); }); })) << "the child of a child";
    EXPECT_TRUE(runs_each_task_once(100, 4)) << "the parent, afterwards";
}

TEST(ThreadCounts, AreWithinBounds) {
    EXPECT_GE(runtime_threads(), 1);
    EXPECT_LE(runtime_threads(), max_threads);
    EXPECT_EQ(process_threads(), 0);
    set_process_threads(3);
    EXPECT_EQ(process_threads(), 3);
    set_process_threads(0);
}

}  // namespace
}  // namespace npconv::test

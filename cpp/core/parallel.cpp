// SPDX-License-Identifier: BSD-3-Clause
// OpenMP in the ordinary case. Three things it cannot do well are done around it:
// - After fork, the child has the OpenMP runtime's memory but none of its threads, and a parallel region would wait for them for ever.
//   A forked child therefore starts plain threads for each call.
// - Both spin at the begin and the end of a region. Where a thread of the team is to run on the core of one that spins for it (systems wake
//   threads where the last call left them), that costs time slices: 8 ms for tasks of 0.2 ms. So a thread of the team that finds itself on
//   the caller's core leaves it, and a thread that has nothing left to do gives its core away for a while, until the whole team is through.
// - libgomp and libomp end the process where they cannot start a thread (an address-space or process limit). Before a team grows, the
//   address space is counted, and as many plain threads and some more are started and joined as a trial. Where there is not enough, the
//   call takes as many plain threads as there are to be had. One lock holds trial and growth together: no other call takes what was found.
#include "core/parallel.hpp"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "core/split.hpp"
#include "core/thread_local.hpp"

namespace npconv {
namespace {

std::atomic<int> chosen_threads{0};
std::atomic<bool> forked{false};
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });

using Function = void (*)(const void*, std::int64_t, int);

// Held while threads are started. A forked child does not take it: the thread that held it may not exist there.
std::mutex starting;

// Plain threads that all call f; as many as can be started. By pthread_create, which returns an error: where memory is short an exception
// is one more thing to allocate.
template <class F>
class PlainThreads {
  public:
    PlainThreads(int count, const F& f, std::size_t stack_bytes = 0)
        : threads_(new(std::nothrow) pthread_t[static_cast<std::size_t>(count)]) {
        pthread_attr_t attributes;
        if (!threads_ || pthread_attr_init(&attributes) != 0) return;
        if (stack_bytes > 0) pthread_attr_setstacksize(&attributes, stack_bytes);
        const auto body = [](void* context) -> void* {
            (*static_cast<const F*>(context))();
            return nullptr;
        };
        while (started_ < static_cast<std::size_t>(count) &&
               pthread_create(&threads_[started_], &attributes, body, const_cast<void*>(static_cast<const void*>(&f))) == 0)
            ++started_;
        pthread_attr_destroy(&attributes);
    }
    int started() const { return static_cast<int>(started_); }
    void join() {
        for (; started_ > 0; --started_) pthread_join(threads_[started_ - 1], nullptr);
    }

  private:
    std::unique_ptr<pthread_t[]> threads_;
    std::size_t started_ = 0;
};

// Runs f here and on up to `count` threads more, as many as can be started.
template <class F>
void with_threads(int count, const F& f) {
    std::unique_lock lock(starting, std::defer_lock);
    if (!forked) lock.lock();
    PlainThreads<F> threads(count, f);
    if (lock) lock.unlock();
    f();
    threads.join();
}

// Neighbouring tasks belong to the same thread, call after call: what it has read and written is in its own cache. Who has done his share
// takes from the others'.
struct alignas(64) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
};

constexpr std::size_t megabyte = std::size_t{1} << 20;

// Is there address space for the threads of a team, and a reserve for what the rest of the process maps meanwhile: threads, and the arena
// of 128 MB that malloc may map for one? Beyond its stack a thread takes about 8 MB in libgomp, 24 MB in libomp, for arenas of malloc and
// tables (measured with teams of 64). Counted, not tried: what a trial holds is missing elsewhere, and ends the process there.
bool spare_address_space(int threads) {
    constexpr std::size_t beyond_the_stack = 24 * megabyte, reserve = 256 * megabyte;
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
    std::size_t stack = 8 * megabyte, pages = 0;
#if defined(__GLIBC__)
    pthread_attr_t attributes;
    if (pthread_getattr_default_np(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &stack);
        pthread_attr_destroy(&attributes);
    }
#endif
    std::FILE* const sizes = std::fopen("/proc/self/statm", "r");
    const bool known = sizes && std::fscanf(sizes, "%zu", &pages) == 1;
    if (sizes) std::fclose(sizes);
    const std::size_t used = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return known && used + static_cast<std::size_t>(threads) * (stack + beyond_the_stack) + reserve <= limit.rlim_cur;
}

// Can `wanted` threads be started? Tried with threads of small stacks, and some more that the rest of the process may start before the team
// is made.
bool spare_threads(int wanted) {
    constexpr int reserve = 8;
    constexpr std::size_t stack = megabyte / 2;
    std::mutex mutex;
    std::condition_variable tried;
    bool done = false;
    const auto wait = [&] {
        std::unique_lock lock(mutex);
        tried.wait(lock, [&] { return done; });
    };
    PlainThreads<decltype(wait)> threads(wanted - 1 + reserve, wait, stack);
    const bool all = threads.started() == wanted - 1 + reserve;
    {
        const std::lock_guard lock(mutex);
        done = true;
    }
    tried.notify_all();
    threads.join();
    return all;
}

// The calling thread's team of the OpenMP runtime, of `wanted` threads from now on; false where the system cannot spare them.
bool grow_team(int wanted) {
    const std::lock_guard lock(starting);
    if (!spare_address_space(wanted) || !spare_threads(wanted)) return false;
    std::atomic<int> started{0};  // the region must have an effect, or compilers may leave it out
#pragma omp parallel num_threads(wanted)
    ++started;
    return started.load() > 0;
}

// A thread of a team that stands on the caller's core goes to another one that it may use, at once and not at the next tick.
void leave_core([[maybe_unused]] int core) {
#if defined(__linux__)
    cpu_set_t own;
    if (core < 0 || core >= CPU_SETSIZE || sched_getcpu() != core || sched_getaffinity(0, sizeof own, &own) != 0) return;
    cpu_set_t others = own;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0) sched_setaffinity(0, sizeof own, &own);
#endif
}

int current_core() {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

// Waits until `count` has reached `wanted`: awake for as long as threads are usually apart, then giving the core away, and not for ever,
// because where priorities keep the others from this core only sleep would help.
void wait_for(const std::atomic<int>& count, int wanted) {
    constexpr int awake = 2'000, patience = 10'000;  // some 20 us, some 5 ms
    for (int i = 0; i < awake + patience && count.load(std::memory_order_acquire) < wanted; ++i) {
        if (i >= awake) {
            sched_yield();
        } else {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    }
}

}  // namespace

NPCONV_THREAD_LOCAL Interrupt* Interrupt::current_ = nullptr;

int runtime_threads() { return std::clamp(omp_get_max_threads(), 1, max_threads); }
void set_process_threads(int threads) { chosen_threads = threads; }
int process_threads() { return chosen_threads; }

namespace detail {

void run_parallel(std::int64_t tasks, int threads, Function body, const void* context) {
    std::fenv_t callers{};
    std::fegetenv(&callers);
    const auto workers = static_cast<int>(std::min<std::int64_t>(threads, tasks));
    std::vector<Share> shares(static_cast<std::size_t>(workers));
    const EvenSplit split(tasks, workers);
    for (int i = 0; i < workers; ++i) {
        shares[static_cast<std::size_t>(i)].next = split.begin(i);
        shares[static_cast<std::size_t>(i)].end = split.begin(i + 1);
    }
    Interrupt* const interrupt = Interrupt::current();
    const auto work = [&](int worker) {
        if (worker >= workers) return;
        const Interrupt::Helper helper(interrupt);
        std::fenv_t own{};
        std::fegetenv(&own);
        std::fesetenv(&callers);
        for (int i = 0; i < workers; ++i) {
            Share& share = shares[static_cast<std::size_t>((worker + i) % workers)];
            for (std::int64_t task = share.next++; task < share.end && !call_stopped(); task = share.next++) body(context, task, worker);
        }
        std::fesetenv(&own);
    };
    NPCONV_THREAD_LOCAL static int team = 1;  // the size of the calling thread's last team: its threads exist
    if (forked || (threads > team && !grow_team(threads))) {
        std::atomic<int> arrived{0};
        with_threads(workers - 1, [&] { work(arrived++); });
        return;
    }
    // Always the whole team, also where there are fewer tasks: a runtime that shrinks a team ends its threads, and the next call starts
    // them anew.
    team = threads;
    using Clock = std::chrono::steady_clock;
    constexpr auto until_they_sleep = std::chrono::milliseconds(1);
    NPCONV_THREAD_LOCAL static Clock::time_point last{};
    const bool asleep = Clock::now() - last > until_they_sleep;
    const int core = current_core();
    std::atomic<int> through{0};
#pragma omp parallel num_threads(threads)
    {
        const int worker = omp_get_thread_num();
        if (worker != 0) leave_core(core);
        if (asleep && worker == 0) sched_yield();  // perhaps one that was woken is waiting for this core
        work(worker);
        ++through;
        wait_for(through, omp_get_num_threads());
    }
    last = Clock::now();
}

}  // namespace detail
}  // namespace npconv

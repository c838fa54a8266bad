// SPDX-License-Identifier: BSD-3-Clause
// Ending a call early, as Ctrl-C asks. The calling thread polls between tasks, about ten times a second. Once the poll says so, no thread
// starts another task of the call, and long tasks end at their next block. The result is then incomplete, and the caller must not use it.
#pragma once
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/thread_local.hpp"

namespace npconv {

class Interrupt {
  public:
    // Should the call end? Called by the thread that made the Interrupt.
    using Poll = bool (*)(void* context);

    // Applies to the calls that this thread makes during the lifetime of the Interrupt. A nested Interrupt (of a signal handler that calls
    // the library) replaces it until the nested one is destroyed.
    Interrupt(Poll poll, void* context) : poll_(poll), context_(context), owner_(pthread_self()), outer_(current_) { current_ = this; }
    ~Interrupt() { current_ = outer_; }
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    // The Interrupt of the call that this thread makes or has a task of; null: the call cannot be interrupted.
    static Interrupt* current() { return current_; }

    // For a worker thread: during the lifetime of the Helper, its tasks belong to a call.
    class Helper {
      public:
        explicit Helper(Interrupt* of_call) : outer_(current_) { current_ = of_call; }
        ~Helper() { current_ = outer_; }
        Helper(const Helper&) = delete;
        Helper& operator=(const Helper&) = delete;

      private:
        Interrupt* outer_;
    };

    // Has the call been told to end? May poll, in the thread that made the Interrupt.
    bool stopped() {
        if (pthread_equal(owner_, pthread_self()) && ++asked_ >= next_look_) look();
        return stopped_.load(std::memory_order_relaxed);
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr auto between_polls = std::chrono::milliseconds(100);
    static constexpr auto between_looks = std::chrono::milliseconds(1);

    // Reading the clock costs as much as the smallest tasks. It is read every stride_ tasks, which take about a millisecond.
    void look() {
        const Clock::time_point now = Clock::now();
        const bool early = now - last_look_ < between_looks;
        stride_ = early ? std::min<std::int64_t>(2 * stride_, 1 << 20) : std::max<std::int64_t>(stride_ / 4, 1);
        next_look_ = asked_ + stride_;
        last_look_ = now;
        if (last_poll_ == Clock::time_point{}) last_poll_ = now;
        if (now - last_poll_ < between_polls) return;
        if (poll_(context_)) stopped_.store(true, std::memory_order_relaxed);
        last_poll_ = Clock::now();
    }

    Poll poll_;
    void* context_;
    pthread_t owner_;
    std::atomic<bool> stopped_{false};
    std::int64_t asked_ = 0, next_look_ = 2, stride_ = 1;  // the first task does not count: a call of one task reads no clock
    Clock::time_point last_look_{}, last_poll_{};
    Interrupt* outer_;
    NPCONV_THREAD_LOCAL static Interrupt* current_;
};

// Has the call of this thread been told to end? If so, tasks were left out, and their results must not be read. Serial work after a
// parallel_for asks, and tasks that may take seconds ask at each of their blocks.
inline bool call_stopped() {
    Interrupt* const interrupt = Interrupt::current();
    return interrupt && interrupt->stopped();
}

}  // namespace npconv

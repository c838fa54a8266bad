// SPDX-License-Identifier: BSD-3-Clause
// Ending a call before it is through, as Ctrl-C asks. The calling thread polls between tasks, some ten times a second; from then on no
// thread starts another task of the call, and long tasks end at their next block. What is left undone is left as it was: whoever asked for
// the call must not use the result.
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
    // Called by the thread that made the Interrupt: is the call to end?
    using Poll = bool (*)(void* context);

    // Belongs to the calls that this thread makes as long as it lives. One within another one (a signal handler that calls the library)
    // takes over until its end.
    Interrupt(Poll poll, void* context) : poll_(poll), context_(context), owner_(pthread_self()), outer_(current_) { current_ = this; }
    ~Interrupt() { current_ = outer_; }
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    // That of the call which this thread makes, or has a task of; null: it runs to its end.
    static Interrupt* current() { return current_; }

    // For a thread that helps: its tasks are those of a call, as long as this lives.
    class Helper {
      public:
        explicit Helper(Interrupt* of_call) : outer_(current_) { current_ = of_call; }
        ~Helper() { current_ = outer_; }
        Helper(const Helper&) = delete;
        Helper& operator=(const Helper&) = delete;

      private:
        Interrupt* outer_;
    };

    // Is the call over? The thread that made the Interrupt may poll.
    bool stopped() {
        if (pthread_equal(owner_, pthread_self()) && ++asked_ >= next_look_) look();
        return stopped_.load(std::memory_order_relaxed);
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr auto between_polls = std::chrono::milliseconds(100);
    static constexpr auto between_looks = std::chrono::milliseconds(1);

    // Reading the clock costs as much as the smallest tasks. So it is read every `stride_` tasks, which take about a millisecond.
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
    std::int64_t asked_ = 0, next_look_ = 2, stride_ = 1;  // not at a first task: a call of one task reads no clock
    Clock::time_point last_look_{}, last_poll_{};
    Interrupt* outer_;
    NPCONV_THREAD_LOCAL static Interrupt* current_;
};

// Has the call of this thread been told to end? Then tasks were left out, and what they should have written cannot be read. Asked by serial
// work after a parallel_for, and by tasks that may take seconds, at each block of theirs.
inline bool call_stopped() {
    Interrupt* const interrupt = Interrupt::current();
    return interrupt && interrupt->stopped();
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// A cache of one answer, for a question that is often repeated, such as the tiling for a batch.
#pragma once
#include <memory>
#include <mutex>
#include <utility>

namespace npconv {

template <class Question, class Answer>
class LastAnswer {
  public:
    // If the cache is locked, answer without it: in a forked child, the thread that holds the lock may not exist. make() returns a shared
    // pointer.
    template <class Make>
    std::shared_ptr<const Answer> get(const Question& question, const Make& make) const {
        {
            const std::unique_lock lock(mutex_, std::try_to_lock);
            if (lock && answer_ && question_ == question) return answer_;
        }
        std::shared_ptr<const Answer> made = make();
        std::shared_ptr<const Answer> previous = made;  // freed after the lock is released
        const std::unique_lock lock(mutex_, std::try_to_lock);
        if (lock) {
            std::swap(answer_, previous);
            question_ = question;
        }
        return made;
    }

  private:
    mutable std::mutex mutex_;
    mutable Question question_{};
    mutable std::shared_ptr<const Answer> answer_;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The last answer to a question that comes again and again, such as how a batch is cut up.
#pragma once
#include <memory>
#include <mutex>
#include <utility>

namespace npconv {

template <class Question, class Answer>
class LastAnswer {
  public:
    // If another thread has the lock, or in a child process a thread that is not there, answer without it. make() returns a shared pointer.
    template <class Make>
    std::shared_ptr<const Answer> get(const Question& question, const Make& make) const {
        {
            const std::unique_lock lock(mutex_, std::try_to_lock);
            if (lock && answer_ && question_ == question) return answer_;
        }
        std::shared_ptr<const Answer> made = make();
        std::shared_ptr<const Answer> previous = made;  // freed when the lock is
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

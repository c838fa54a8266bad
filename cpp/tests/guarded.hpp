// SPDX-License-Identifier: BSD-3-Clause
// Arrays for tests, one side of which is an inaccessible page and the other a stretch of NaN that must not change: a kernel that touches
// one element too far crashes, or spoils its result or the canaries.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/buffer.hpp"

namespace npconv::test {

constexpr GuardPages guard_sides[] = {GuardPages::after, GuardPages::before};

// Sets the mode of the process for a scope.
class GuardScope {
  public:
    explicit GuardScope(GuardPages mode) : before_(guard_pages()) { set_guard_pages(mode); }
    ~GuardScope() { set_guard_pages(before_); }
    GuardScope(const GuardScope&) = delete;
    GuardScope& operator=(const GuardScope&) = delete;

  private:
    GuardPages before_;
};

// n elements, all NaN (every bit set) until they are written.
template <class T>
class Guarded {
  public:
    Guarded(std::int64_t n, GuardPages side) : n_(n), buffer_(allocate(n, side)) {
        T* first = buffer_.template as<T>();
        data_ = side == GuardPages::after ? first + margin : first;
        canaries_ = reinterpret_cast<const unsigned char*>(side == GuardPages::after ? first : first + n);
    }

    T* data() const { return data_; }
    T* begin() const { return data_; }
    T* end() const { return data_ + n_; }
    std::int64_t size() const { return n_; }
    T& operator[](std::int64_t i) const { return data_[i]; }
    bool canaries_intact() const {
        return std::all_of(canaries_, canaries_ + margin * sizeof(T), [](unsigned char c) { return c == 0xFF; });
    }

  private:
    static constexpr std::int64_t margin = 64;
    static Buffer allocate(std::int64_t n, GuardPages side) {
        const GuardScope scope(side);
        return Buffer(static_cast<std::size_t>(n + margin) * sizeof(T));
    }

    std::int64_t n_;
    Buffer buffer_;
    T* data_;
    const unsigned char* canaries_;
};

}  // namespace npconv::test

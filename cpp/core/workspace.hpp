// SPDX-License-Identifier: BSD-3-Clause
// The memory of a run beside its output: a few arrays for each thread, allocated in one piece before the parallel region. A piece of at
// most 1 KB is part of the object, because malloc would cost more than the call. With guard pages on, each array gets pages of its
// own.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/buffer.hpp"

namespace npconv {

template <std::size_t Slots>
class Workspace {
  public:
    using Sizes = std::array<std::int64_t, Slots>;  // bytes

    static constexpr std::int64_t rounded(std::int64_t bytes) {
        constexpr auto line = static_cast<std::int64_t>(Buffer::alignment);
        return (bytes + line - 1) / line * line;
    }
    static constexpr std::int64_t bytes_per_thread(const Sizes& sizes) {
        std::int64_t sum = 0;
        for (const std::int64_t s : sizes) sum += rounded(s);
        return sum;
    }

    Workspace(const Sizes& sizes, int threads) {
        if (guard_pages() == GuardPages::off) {
            for (std::size_t s = 1; s < Slots; ++s) offsets_[s] = offsets_[s - 1] + rounded(sizes[s - 1]);
            bytes_per_thread_ = bytes_per_thread(sizes);
            const auto bytes = static_cast<std::size_t>(bytes_per_thread_ * threads);
            if (bytes > few_.size())
                whole_ = Buffer(bytes);
            else
                count_buffer(bytes);
            begin_ = bytes > few_.size() ? whole_.as<char>() : few_.data();
            return;
        }
        for (int t = 0; t < threads; ++t) {
            for (const std::int64_t s : sizes) pieces_.emplace_back(static_cast<std::size_t>(s));
        }
    }

    template <class T>
    T* get(int thread, std::size_t slot) const {
        if (!pieces_.empty()) return pieces_[static_cast<std::size_t>(thread) * Slots + slot].template as<T>();
        return reinterpret_cast<T*>(begin_ + bytes_per_thread_ * thread + offsets_[slot]);
    }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

  private:
    Sizes offsets_{};
    std::int64_t bytes_per_thread_ = 0;
    alignas(Buffer::alignment) mutable std::array<char, 1024> few_;  // uninitialised
    char* begin_ = nullptr;
    Buffer whole_;
    std::vector<Buffer> pieces_;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What one run needs beside its output: a few arrays for each thread, allocated before the parallel region in one piece.
// With guard pages on, each array gets pages of its own.
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

    Workspace(const Sizes& sizes, int threads) : sizes_(sizes) {
        if (guard_pages() == GuardPages::off) {
            whole_ = Buffer(static_cast<std::size_t>(bytes_per_thread(sizes) * threads));
            return;
        }
        for (int t = 0; t < threads; ++t) {
            for (const std::int64_t s : sizes) pieces_.emplace_back(static_cast<std::size_t>(s));
        }
    }

    template <class T>
    T* get(int thread, std::size_t slot) const {
        if (!pieces_.empty()) return pieces_[static_cast<std::size_t>(thread) * Slots + slot].template as<T>();
        std::int64_t offset = bytes_per_thread(sizes_) * thread;
        for (std::size_t s = 0; s < slot; ++s) offset += rounded(sizes_[s]);
        return reinterpret_cast<T*>(whole_.as<char>() + offset);
    }

  private:
    Sizes sizes_;
    Buffer whole_;
    std::vector<Buffer> pieces_;
};

}  // namespace npconv

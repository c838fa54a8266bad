// SPDX-License-Identifier: BSD-3-Clause
// Memory that the library allocates for itself: workspace and packed weights. Under test it can be put against an inaccessible page, so
// that touching one element too far is a fault and not luck.
#pragma once
#include <cstddef>
#include <utility>

namespace npconv {

enum class GuardPages { off, after, before };
void set_guard_pages(GuardPages mode);
GuardPages guard_pages();

// The sum of the sizes of all buffers that this process has made so far, those within a workspace included.
std::size_t buffer_bytes_made();
void count_buffer(std::size_t bytes);

class Buffer {
  public:
    static constexpr std::size_t alignment = 64;  // a cache line, an AVX-512 register

    Buffer() = default;
    explicit Buffer(std::size_t bytes);  // uninitialised; std::bad_alloc
    ~Buffer();
    Buffer(Buffer&& other) noexcept { *this = std::move(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        std::swap(mapping_, other.mapping_);
        std::swap(mapped_bytes_, other.mapped_bytes_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    template <class T>
    T* as() const {
        return static_cast<T*>(data_);
    }
    std::size_t bytes() const { return bytes_; }

  private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    void* mapping_ = nullptr;  // with guard pages: the whole mapping
    std::size_t mapped_bytes_ = 0;
};

}  // namespace npconv

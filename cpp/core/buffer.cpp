// SPDX-License-Identifier: BSD-3-Clause
#include "core/buffer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

namespace npconv {
namespace {

std::atomic<GuardPages> mode{GuardPages::off};
std::atomic<std::size_t> bytes_made{0};

// What the interpreter shows: std::bad_alloc itself says nothing.
class OutOfMemory : public std::bad_alloc {
  public:
    explicit OutOfMemory(std::size_t bytes) { std::snprintf(text_, sizeof text_, "npconv cannot allocate %zu bytes", bytes); }
    const char* what() const noexcept override { return text_; }

  private:
    char text_[64];
};

// Of many megabytes, as packed weights are that a call reads from end to end, pages of 2 MB leave few addresses to translate. A wish, no
// need.
constexpr std::size_t large = 8 << 20;
void advise([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)), begin = reinterpret_cast<std::uintptr_t>(data);
    const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + bytes) / page * page;
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

}  // namespace

void set_guard_pages(GuardPages wanted) { mode = wanted; }
GuardPages guard_pages() { return mode; }
std::size_t buffer_bytes_made() { return bytes_made; }
void count_buffer(std::size_t bytes) { bytes_made.fetch_add(bytes, std::memory_order_relaxed); }

Buffer::Buffer(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    count_buffer(bytes);
    const GuardPages guard = mode;
    if (guard == GuardPages::off) {
        data_ = ::operator new(bytes, std::align_val_t{alignment}, std::nothrow);
        if (!data_) throw OutOfMemory(bytes);
        if (bytes >= large) advise(data_, bytes);
        return;
    }
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inner = (bytes + page - 1) / page * page;
    mapped_bytes_ = inner + 2 * page;
    mapping_ = mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping_ == MAP_FAILED) throw OutOfMemory(bytes);
    char* first = static_cast<char*>(mapping_) + page;
    if (mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping_, mapped_bytes_);
        throw OutOfMemory(bytes);
    }
    std::memset(first, 0xFF, inner);  // NaN: what is read before it is written shows
    data_ = guard == GuardPages::after ? first + (inner - bytes) : first;
}

Buffer::~Buffer() {
    if (mapping_) {
        munmap(mapping_, mapped_bytes_);
    } else if (data_) {
        ::operator delete(data_, std::align_val_t{alignment});
    }
}

}  // namespace npconv

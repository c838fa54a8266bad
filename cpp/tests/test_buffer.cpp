// SPDX-License-Identifier: BSD-3-Clause
// Memory: alignment, guard pages that really end the process, workspace slots that do not overlap.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "core/buffer.hpp"
#include "core/workspace.hpp"
#include "guarded.hpp"

namespace npconv::test {
namespace {

#if defined(__has_feature)
constexpr bool under_address_sanitizer = __has_feature(address_sanitizer);  // Clang
#elif defined(__SANITIZE_ADDRESS__)
constexpr bool under_address_sanitizer = true;  // GCC
#else
constexpr bool under_address_sanitizer = false;
#endif

std::uintptr_t address(const Buffer& b) { return reinterpret_cast<std::uintptr_t>(b.as<char>()); }

// Reads a byte and ends; the forked child of a death test leaves no core file.
void read(const volatile char* p) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    _exit(*p == 0 ? 0 : 1);
}

constexpr std::size_t sizes[] = {1, 4, 63, 64, 65, 4095, 4096, 4097, 100000};

TEST(BufferDeathTest, OnePastTheEndIsAFault) {
    const GuardScope guard(GuardPages::after);
    for (const std::size_t bytes : sizes) {
        const Buffer b(bytes);
        std::memset(b.as<char>(), 0, bytes);
        EXPECT_EXIT(read(b.as<char>() + bytes - 1), ::testing::ExitedWithCode(0), "") << bytes;
        EXPECT_DEATH(read(b.as<char>() + bytes), "") << bytes;
    }
}

TEST(BufferDeathTest, OneBeforeTheBeginningIsAFault) {
    const GuardScope guard(GuardPages::before);
    for (const std::size_t bytes : sizes) {
        const Buffer b(bytes);
        std::memset(b.as<char>(), 0, bytes);
        EXPECT_EXIT(read(b.as<char>()), ::testing::ExitedWithCode(0), "") << bytes;
        EXPECT_DEATH(read(b.as<char>() - 1), "") << bytes;
    }
}

TEST(BufferDeathTest, EverySlotOfAWorkspaceHasItsOwnGuardPages) {
    for (const GuardPages side : guard_sides) {
        const GuardScope guard(side);
        const Workspace<2> workspace({100, 20}, 2);
        for (const int thread : {0, 1}) {
            for (const std::size_t slot : {0U, 1U}) {
                const char* p = workspace.get<char>(thread, slot);
                EXPECT_DEATH(read(side == GuardPages::after ? p + (slot == 0 ? 100 : 20) : p - 1), "");
            }
        }
    }
}

TEST(Buffer, Alignment) {
    for (const std::size_t bytes : sizes) {
        const Buffer plain(bytes);
        EXPECT_EQ(address(plain) % Buffer::alignment, 0U);
        EXPECT_EQ(plain.bytes(), bytes);
        const GuardScope before(GuardPages::before);
        EXPECT_EQ(address(Buffer(bytes)) % Buffer::alignment, 0U);
        const GuardScope after(GuardPages::after);
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        EXPECT_EQ((address(Buffer(bytes)) + bytes) % page, 0U);
    }
}

TEST(Buffer, GuardedMemoryBeginsAsNaN) {
    for (const GuardPages side : guard_sides) {
        const GuardScope guard(side);
        const Buffer b(40);
        for (int i = 0; i < 10; ++i) EXPECT_NE(b.as<float>()[i], b.as<float>()[i]);
        for (int i = 0; i < 5; ++i) EXPECT_NE(b.as<double>()[i], b.as<double>()[i]);
    }
}

TEST(Buffer, EmptyAndMoved) {
    for (const GuardPages mode : {GuardPages::off, GuardPages::after, GuardPages::before}) {
        const GuardScope guard(mode);
        EXPECT_EQ(guard_pages(), mode);
        EXPECT_EQ(Buffer(0).as<char>(), nullptr);
        Buffer a(10), b(20);
        char* const from_a = a.as<char>();
        b = std::move(a);
        EXPECT_EQ(b.as<char>(), from_a);
        EXPECT_EQ(b.bytes(), 10U);
        const Buffer c(std::move(b));
        EXPECT_EQ(c.as<char>(), from_a);
        set_guard_pages(GuardPages::off);  // how a buffer is released does not depend on the mode then
    }
}

TEST(Buffer, TooMuchIsBadAlloc) {
    for (const GuardPages mode : {GuardPages::after, GuardPages::before, GuardPages::off}) {
        if (mode == GuardPages::off && under_address_sanitizer)
            GTEST_SKIP() << "AddressSanitizer's operator new ends the process instead of throwing";
        const GuardScope guard(mode);
        EXPECT_THROW(Buffer{std::size_t{1} << 62}, std::bad_alloc);
        EXPECT_THROW(Buffer{std::size_t{1} << 63}, std::bad_alloc);
    }
}

TEST(Workspace, SlotsDoNotOverlap) {
    // Up to 1024 bytes are a part of the object: 2 x 512 just fit, 2 x 576 and 3 x 1280 do not.
    const struct {
        std::int64_t last;
        int threads;
    } cases[] = {{1, 3}, {256, 2}, {300, 2}, {1000, 3}};
    for (const auto& [last, threads] : cases) {
        const std::int64_t bytes[] = {0, 1, 64, 65, last};
        for (const GuardPages mode : {GuardPages::off, GuardPages::after, GuardPages::before}) {
            const GuardScope guard(mode);
            const std::size_t made = buffer_bytes_made();
            const Workspace<5> workspace({bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]}, threads);
            if (mode == GuardPages::off) {
                const std::int64_t of_thread = Workspace<5>::bytes_per_thread({0, 1, 64, 65, last});
                EXPECT_EQ(buffer_bytes_made() - made, static_cast<std::size_t>(of_thread * threads));
            }
            unsigned char mark = 0;
            for (int t = 0; t < threads; ++t) {
                for (std::size_t s = 1; s < 5; ++s) {
                    auto* p = workspace.get<unsigned char>(t, s);
                    EXPECT_TRUE(mode != GuardPages::off || reinterpret_cast<std::uintptr_t>(p) % Buffer::alignment == 0);
                    std::memset(p, ++mark, static_cast<std::size_t>(bytes[s]));
                }
            }
            mark = 0;
            for (int t = 0; t < threads; ++t) {
                for (std::size_t s = 1; s < 5; ++s) {
                    const auto* p = workspace.get<unsigned char>(t, s);
                    const std::vector<unsigned char> expected(static_cast<std::size_t>(bytes[s]), ++mark);
                    EXPECT_EQ(std::memcmp(p, expected.data(), expected.size()), 0) << "thread " << t << ", slot " << s;
                }
            }
        }
    }
    EXPECT_EQ(Workspace<5>::bytes_per_thread({0, 1, 64, 65, 1000}), 0 + 64 + 64 + 128 + 1024);
}

}  // namespace
}  // namespace npconv::test

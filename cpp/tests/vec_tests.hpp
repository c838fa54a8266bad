// SPDX-License-Identifier: BSD-3-Clause
// The tests of Vec live in objects compiled for one instruction set each, as the kernels do, and leave them as one table. Plain data only:
// see kernels/table.hpp for why.
#pragma once

namespace npconv::test {

struct VecContext {
    void* sink;
    void (*fail)(void* sink, const char* what, int lane, double got, double expected);
    char* after_guard;   // a page of memory that begins where an inaccessible page ends
    char* before_guard;  // the end of a page of memory, where an inaccessible page begins
};

struct VecTest {
    const char* name;
    void (*run)(const VecContext&);
};

struct VecTests {
    const char* isa;
    const VecTest* test;
    int count;
};

extern const VecTests vec_tests_baseline, vec_tests_avx2, vec_tests_avx512, vec_tests_neon;

}  // namespace npconv::test

// SPDX-License-Identifier: BSD-3-Clause
// Vec for integers, for any instruction set: vectors of GCC and Clang as long as those of F32, which a Vec header has defined before this
// one. Just what pooling needs; the interface is described in simd/README.md.
#pragma once

namespace npconv {
namespace {

template <int... I>
struct LaneNumbers {};
template <int N, int... I>
struct MakeLaneNumbers : MakeLaneNumbers<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLaneNumbers<0, I...> {
    using Type = LaneNumbers<I...>;
};

template <class Integer>
struct IntegerVec {
    using T = Integer;
    typedef Integer V __attribute__((vector_size(sizeof(F32::V))));
    static constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(T));

    static constexpr bool masks = false;

    static V set1(T a) { return V{} + a; }
    static V load(const T* p) {
        V v;
        __builtin_memcpy(&v, p, sizeof v);
        return v;
    }
    static void store(T* p, V a) { __builtin_memcpy(p, &a, sizeof a); }
    static V load_n(const T* p, int n) {
        T copy[lanes] = {};
        for (int i = 0; i < n; ++i) copy[i] = p[i];
        return load(copy);
    }
    static void store_n(T* p, V a, int n) {
        T copy[lanes];
        store(copy, a);
        for (int i = 0; i < n; ++i) p[i] = copy[i];
    }
    static V later(V first, V second) { return second > first ? second : first; }
    static V even(V a, V b) { return pick<0>(a, b, typename MakeLaneNumbers<lanes>::Type{}); }
    static V odd(V a, V b) { return pick<1>(a, b, typename MakeLaneNumbers<lanes>::Type{}); }

  private:
    template <int First, int... I>
    static V pick(V a, V b, LaneNumbers<I...>) {
        return __builtin_shufflevector(a, b, (2 * I + First)...);
    }
};

}  // namespace
}  // namespace npconv

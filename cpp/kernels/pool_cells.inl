// SPDX-License-Identifier: BSD-3-Clause
// What pooling pools: vectors of values, or vectors of values with their places; and how two are joined. Joining follows the order of the
// window in memory, the earlier one first: of equal maxima the first stays (of -0 and 0, too), of NaNs the last. Sums are added in that
// order as well.

template <class Element>
constexpr Element lowest() {
    if constexpr (static_cast<Element>(0.5) != 0) {
        return -static_cast<Element>(__builtin_inf());
    } else if constexpr (static_cast<Element>(-1) > 0) {
        return 0;
    } else {
        return static_cast<Element>(static_cast<unsigned long long>(1) << (8 * sizeof(Element) - 1));
    }
}

template <class Vec_>
struct Maximum {
    using Vec = Vec_;
    using T = typename Vec::T;
    using Cell = typename Vec::V;
    using Cells = T*;
    static constexpr bool placed = false, idempotent = true;
    static constexpr T nothing = lowest<T>();
    [[gnu::always_inline]] static Cell load(const T* p) { return Vec::load(p); }
    [[gnu::always_inline]] static void store(T* p, Cell c) { Vec::store(p, c); }
    [[gnu::always_inline]] static Cell join(Cell first, Cell second) { return Vec::later(first, second); }
    static Cells cells(const PoolBuffer& b) { return static_cast<T*>(b.values); }
    static T* values(Cells c) { return c; }
};

// The same without a NaN: in fewer operations, for cells among which none has been seen.
template <class Vec_>
struct OrderedMaximum : Maximum<Vec_> {
    using Cell = typename Vec_::V;
    [[gnu::always_inline]] static Cell join(Cell first, Cell second) { return Vec_::larger(first, second); }
};

template <class Op>
struct OrderedOf {
    using Type = Op;
};
template <>
struct OrderedOf<Maximum<F32>> {
    using Type = OrderedMaximum<F32>;
};
template <>
struct OrderedOf<Maximum<F64>> {
    using Type = OrderedMaximum<F64>;
};
template <class Op>
using Ordered = typename OrderedOf<Op>::Type;

template <class A, class B>
struct SameType {
    static constexpr bool value = false;
};
template <class A>
struct SameType<A, A> {
    static constexpr bool value = true;
};

template <class Vec_>
struct Sum {
    using Vec = Vec_;
    using T = typename Vec::T;
    using Cell = typename Vec::V;
    using Cells = T*;
    static constexpr bool placed = false, idempotent = false;
    static constexpr T nothing = 0;
    [[gnu::always_inline]] static Cell load(const T* p) { return Vec::load(p); }
    [[gnu::always_inline]] static void store(T* p, Cell c) { Vec::store(p, c); }
    [[gnu::always_inline]] static Cell join(Cell first, Cell second) { return Vec::add(first, second); }
    static Cells cells(const PoolBuffer& b) { return static_cast<T*>(b.values); }
    static T* values(Cells c) { return c; }
};

template <int Bytes>
struct PlaceOf {
    using Type = std::int32_t;
};
template <>
struct PlaceOf<8> {
    using Type = std::int64_t;
};

// Values with their places in the plane; what is not in it has the place -1 and gives way to anything.
template <class Vec_>
struct PlacedMaximum {
    using Vec = Vec_;
    using T = typename Vec::T;
    using Place = typename PlaceOf<sizeof(T)>::Type;
    typedef Place Places __attribute__((vector_size(sizeof(typename Vec::V))));
    struct Cell {
        typename Vec::V value;
        Places place;
    };
    struct Cells {
        T* value;
        Place* place;
        Cells operator+(std::int64_t n) const { return {value + n, place + n}; }
        Cells operator-(std::int64_t n) const { return {value - n, place - n}; }
    };
    static constexpr bool placed = true, idempotent = true;
    static constexpr T nothing = lowest<T>();
    [[gnu::always_inline]] static Cell load(Cells p) {
        Cell c{Vec::load(p.value), {}};
        __builtin_memcpy(&c.place, p.place, sizeof c.place);
        return c;
    }
    [[gnu::always_inline]] static void store(Cells p, Cell c) {
        Vec::store(p.value, c.value);
        __builtin_memcpy(p.place, &c.place, sizeof c.place);
    }
    [[gnu::always_inline]] static Cell join(Cell first, Cell second) {
        Places taken = first.place < 0;
        if constexpr (static_cast<T>(0.5) != 0) {
            const auto newer = (second.value > first.value) | (second.value != second.value);
            taken |= (Places)newer;
        } else {
            taken |= (Places)(second.value > first.value);
        }
        return {(typename Vec::V)(taken ? (Places)second.value : (Places)first.value), taken ? second.place : first.place};
    }
    static Cells cells(const PoolBuffer& b) { return {static_cast<T*>(b.values), static_cast<Place*>(b.places)}; }
    static T* values(Cells c) { return c.value; }
};

// To and from buffers, a whole number of vectors; n is rounded up.
template <class Op>
[[gnu::always_inline]] inline void copy_cells(typename Op::Cells to, typename Op::Cells from, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += Op::Vec::lanes) Op::store(to + i, Op::load(from + i));
}

template <class Op>
[[gnu::always_inline]] inline void join_cells(typename Op::Cells to, typename Op::Cells first, typename Op::Cells second, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += Op::Vec::lanes) Op::store(to + i, Op::join(Op::load(first + i), Op::load(second + i)));
}

template <class Op>
inline void fill_nothing(typename Op::Cells to, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) Op::values(to)[i] = Op::nothing;
    if constexpr (Op::placed) {
        for (std::int64_t i = 0; i < n; ++i) to.place[i] = -1;
    }
}

// SPDX-License-Identifier: BSD-3-Clause
// Cells: vectors of values, or vectors of values with their places; and the join of two cells. Joins follow the order of the window in
// memory: of equal maxima (and of -0 and 0) the first stays, of NaNs the last. Sums are added in the same order.

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

// Reverses the order of values, so that maxima become minima: -v for floats, ~v for integers. It is its own inverse. V: T or a vector of T.
template <class T, class V>
[[gnu::always_inline]] constexpr V reversed(V v) {
    if constexpr (static_cast<T>(0.5) != 0)
        return -v;
    else
        return static_cast<V>(~v);
}

// Vectors of values. taken(v): the values to pool from a vector of x; given(v): the values to write to y from a result.
template <class Vec_>
struct Values {
    using Vec = Vec_;
    using T = typename Vec::T;
    using Cell = typename Vec::V;
    using Cells = T*;
    static constexpr bool placed = false;
    [[gnu::always_inline]] static Cell load(const T* p) { return Vec::load(p); }
    [[gnu::always_inline]] static void store(T* p, Cell c) { Vec::store(p, c); }
    [[gnu::always_inline]] static Cell taken(Cell v) { return v; }
    [[gnu::always_inline]] static Cell given(Cell v) { return v; }
    static Cells cells(const PoolBuffer& b) { return static_cast<T*>(b.values); }
    static T* values(Cells c) { return c; }
};

template <class Vec>
struct Sum : Values<Vec> {
    using Cell = typename Vec::V;
    static constexpr bool idempotent = false, nan_matters = false;
    static constexpr typename Vec::T nothing = 0;
    [[gnu::always_inline]] static Cell join(Cell first, Cell second) { return Vec::add(first, second); }
};

// nan_matters: is there a faster join for cells without NaN?
template <class Vec>
struct Maximum : Values<Vec> {
    using Cell = typename Vec::V;
    static constexpr bool idempotent = true, nan_matters = static_cast<typename Vec::T>(0.5) != 0;
    static constexpr typename Vec::T nothing = lowest<typename Vec::T>();
    [[gnu::always_inline]] static Cell join(Cell first, Cell second) { return Vec::later(first, second); }
};

// Minima, for kernels that read x in place. Other kernels read values that are already reversed (PoolBefore::flip).
template <class Vec>
struct Minimum : Maximum<Vec> {
    using Cell = typename Vec::V;
    [[gnu::always_inline]] static Cell taken(Cell v) { return reversed<typename Vec::T>(v); }
    [[gnu::always_inline]] static Cell given(Cell v) { return reversed<typename Vec::T>(v); }
};

// The join for cells without NaN, in fewer operations.
template <class Op, bool NanMatters>
struct OrderedOf {
    using Type = Op;
};
template <class Op>
struct OrderedOf<Op, true> {
    struct Type : Op {
        using Cell = typename Op::Cell;
        [[gnu::always_inline]] static Cell join(Cell first, Cell second) { return Op::Vec::larger(first, second); }
    };
};
template <class Op>
using Ordered = typename OrderedOf<Op, Op::nan_matters>::Type;

template <int Bytes>
struct PlaceOf {
    using Type = std::int32_t;
};
template <>
struct PlaceOf<8> {
    using Type = std::int64_t;
};

// Values with their places in the plane. A value outside the plane has place -1 and loses to any other.
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
    static constexpr bool placed = true, idempotent = true, nan_matters = false;
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

// Copies between buffers, in whole vectors: n is rounded up.
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

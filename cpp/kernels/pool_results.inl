// SPDX-License-Identifier: BSD-3-Clause
// Writes joined lines to y.

// Operations on a vector that is written to y. They are types, not lambdas, so that functions for lines are compiled once for each.
template <class Vec>
struct Unchanged {
    [[gnu::always_inline]] typename Vec::V operator()(typename Vec::V v) const { return v; }
};
template <class Vec>
struct ReversedAgain {
    [[gnu::always_inline]] typename Vec::V operator()(typename Vec::V v) const { return reversed<typename Vec::T>(v); }
};
template <class Vec>
struct TimesFactor {
    typename Vec::V factor;
    [[gnu::always_inline]] typename Vec::V operator()(typename Vec::V v) const { return Vec::mul(v, factor); }
};
template <class Vec>
struct OverDivisor {
    typename Vec::V divisor;
    [[gnu::always_inline]] typename Vec::V operator()(typename Vec::V v) const { return Vec::div(v, divisor); }
};

template <class Op, class X>
struct Results {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    using Cells = typename Op::Cells;
    static constexpr std::int64_t L = Vec::lanes;
    static constexpr bool same_type = sizeof(X) == sizeof(T) && !Op::placed;
    static constexpr bool sums = !Op::idempotent;

    const PoolBlock<X>& b;
    const std::int64_t outputs, unit, length;

    explicit Results(const PoolBlock<X>& block)
        : b(block), outputs(block.end[2] - block.begin[2]), unit(block.unit), length(outputs * block.unit) {}

    std::int64_t row_at(std::int64_t d, std::int64_t h) const {
        return ((d * b.axis[1].output + h) * b.axis[2].output + b.begin[2]) * b.y_pixel;
    }
    X row_divisor(std::int64_t d, std::int64_t h) const {
        return static_cast<X>((b.counted[0] ? b.counted[0][d] : X(1)) * (b.counted[1] ? b.counted[1][h] : X(1)) * b.divisor);
    }
    static bool power_of_two(double v) {
        std::uint64_t bits;
        __builtin_memcpy(&bits, &v, sizeof bits);
        return (bits & ((std::uint64_t{1} << 52) - 1)) == 0;
    }

    // Calls run(v -> v / divisor), with a product if that is exact.
    template <class Run>
    [[gnu::always_inline]] static void divided(X divisor, const Run& run) {
        if (power_of_two(static_cast<double>(divisor)))
            run(TimesFactor<Vec>{Vec::set1(1 / divisor)});
        else
            run(OverDivisor<Vec>{Vec::set1(divisor)});
    }

    // Calls run(v -> v); for minima, the function reverses v again.
    template <class Run>
    [[gnu::always_inline]] void as_it_is(const Run& run) const {
        if constexpr (Op::idempotent) {
            if (b.before == PoolBefore::flip) return run(ReversedAgain<Vec>{});
        }
        run(Unchanged<Vec>{});
    }

    // Row (d, h) of y: the join of n lines.
    void operator()(std::int64_t d, std::int64_t h, const Cells* lines, int n) const {
        X* y = b.y + row_at(d, h);
        if constexpr (same_type) {
            if (n > 0 && b.after == PoolAfter::nothing && b.y_pixel == unit) {
                return as_it_is([&](const auto& then) { joined<Op>(lines, n, y, then); });
            }
            if constexpr (sums) {
                if (n > 0 && b.after == PoolAfter::divide && b.y_pixel == unit && !b.counted[2]) {
                    return divided(row_divisor(d, h), [&](const auto& then) { joined<Op>(lines, n, y, then); });
                }
            }
        }
        const Cells result = Op::cells(b.result);
        if (n == 0)
            fill_nothing<Op>(result, length);
        else
            for (std::int64_t i = 0; i < length; i += L) Op::store(result + i, joined_at<Op>(lines, n, i));
        put(d, h, Op::values(result), y);
        if constexpr (Op::placed) {
            std::int64_t* places = b.places + row_at(d, h);
            if (b.y_pixel == unit) {
                for (std::int64_t i = 0; i < length; ++i) places[i] = result.place[i];
                return;
            }
            for (std::int64_t o = 0; o < outputs; ++o) {
                for (std::int64_t c = 0; c < unit; ++c) places[o * b.y_pixel + c] = result.place[o * unit + c];
            }
        }
    }

    void put(std::int64_t d, std::int64_t h, const T* values, X* y) const {
        if constexpr (sums) {
            if (b.after == PoolAfter::divide) {
                const X divisor = row_divisor(d, h);
                for (std::int64_t o = 0; o < outputs; ++o) {
                    const X by = b.counted[2] ? divisor * b.counted[2][b.begin[2] + o] : divisor;
                    for (std::int64_t c = 0; c < unit; ++c) y[o * b.y_pixel + c] = static_cast<X>(values[o * unit + c]) / by;
                }
                return;
            }
            if (b.after == PoolAfter::root) {
                for (std::int64_t o = 0; o < outputs; ++o) {
                    for (std::int64_t c = 0; c < unit; ++c)
                        y[o * b.y_pixel + c] = static_cast<X>(root(static_cast<double>(values[o * unit + c])));
                }
                return;
            }
        }
        constexpr bool narrow = sizeof(X) < sizeof(T);  // an empty window gives the lowest value of X, not of T
        const bool flipped = b.before == PoolBefore::flip;
        const auto given = [flipped](T v) {
            const X x = narrow && v == Op::nothing ? lowest<X>() : static_cast<X>(v);
            return flipped ? reversed<X>(x) : x;
        };
        if (!narrow && b.y_pixel == unit) {  // two loops, which the compiler vectorises
            for (std::int64_t i = 0; !flipped && i < length; ++i) y[i] = static_cast<X>(values[i]);
            for (std::int64_t i = 0; flipped && i < length; ++i) y[i] = reversed<X>(static_cast<X>(values[i]));
            return;
        }
        for (std::int64_t o = 0; o < outputs; ++o) {
            for (std::int64_t c = 0; c < unit; ++c) y[o * b.y_pixel + c] = given(values[o * unit + c]);
        }
    }

    double root(double v) const {
        return b.power == 1 ? v : b.power == 2 ? __builtin_sqrt(v) : b.power == 3 ? __builtin_cbrt(v) : __builtin_pow(v, 1 / b.power);
    }

    // y = the join of n lines. With several rows of y, line l of row i is at lines[l] + i * step.
    template <class Join, class Then>
    [[gnu::always_inline]] void joined(const T* const* lines, int n, T* y, const Then& then, std::int64_t rows = 1,
                                       std::int64_t step = 0) const {
        switch (n) {
            case 1: return joined_n<Join, 1>(lines, 1, y, then, rows, step);
            case 2: return joined_n<Join, 2>(lines, 2, y, then, rows, step);
            case 3: return joined_n<Join, 3>(lines, 3, y, then, rows, step);
            case 5: return joined_n<Join, 5>(lines, 5, y, then, rows, step);
            default: return joined_n<Join, 0>(lines, n, y, then, rows, step);
        }
    }

    template <class Join, int N, class Then>
    void joined_n(const T* const* lines, int some, T* y, const Then& then, std::int64_t rows, std::int64_t step) const {
        const int n = N > 0 ? N : some;
        const T* line[N > 0 ? N : most_lines] = {};  // a copy in registers, because a store to y might change the array
#pragma GCC unroll 8
        for (int l = 0; l < n; ++l) line[l] = lines[l];
        const std::int64_t end = length, y_step = b.axis[2].output;
        for (std::int64_t row = 0; row < rows; ++row, y += y_step) {
            const auto at = [&](std::int64_t i) {
                auto v = Vec::load(line[0] + i);
#pragma GCC unroll 8
                for (int l = 1; l < n; ++l) v = Join::join(v, Vec::load(line[l] + i));
                return then(v);
            };
            std::int64_t i = 0;
            for (; i + L <= end; i += L) Vec::store(y + i, at(i));
            if (i < end) {
                if (end >= L)
                    Vec::store(y + end - L, at(end - L));  // some again
                else
                    Vec::store_n(y, at(0), static_cast<int>(end));
            }
#pragma GCC unroll 8
            for (int l = 0; l < n; ++l) line[l] += step;
        }
    }
};

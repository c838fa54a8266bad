// SPDX-License-Identifier: BSD-3-Clause
// One block of a pooling: rows, slices and volumes of lines, and what becomes of the joined lines in y.

template <class Op, class X>
struct Results {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    using Cells = typename Op::Cells;
    static constexpr std::int64_t L = Vec::lanes;
    static constexpr bool same_type = sizeof(X) == sizeof(T) && !Op::placed;
    static constexpr bool real = static_cast<T>(0.5) != 0;

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

    // y's row (d, h) from the n lines that are joined in it.
    void operator()(std::int64_t d, std::int64_t h, const Cells* lines, int n) const {
        X* y = b.y + row_at(d, h);
        if constexpr (same_type) {
            if (n > 0 && b.after == PoolAfter::nothing && b.y_pixel == unit) return joined(lines, n, y, [](auto v) { return v; });
            if constexpr (real) {
                if (n > 0 && b.after == PoolAfter::divide && b.y_pixel == unit && !b.counted[2]) {
                    const X divisor = row_divisor(d, h);
                    if (power_of_two(static_cast<double>(divisor))) {
                        const auto factor = Vec::set1(1 / divisor);
                        return joined(lines, n, y, [factor](auto v) { return Vec::mul(v, factor); });
                    }
                    const auto by = Vec::set1(divisor);
                    return joined(lines, n, y, [by](auto v) { return Vec::div(v, by); });
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
            for (std::int64_t o = 0; o < outputs; ++o) {
                for (std::int64_t c = 0; c < unit; ++c) places[o * b.y_pixel + c] = result.place[o * unit + c];
            }
        }
    }

    void put(std::int64_t d, std::int64_t h, const T* values, X* y) const {
        if constexpr (real) {
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
                    for (std::int64_t c = 0; c < unit; ++c) y[o * b.y_pixel + c] = static_cast<X>(root(static_cast<double>(values[o * unit + c])));
                }
                return;
            }
        }
        for (std::int64_t o = 0; o < outputs; ++o) {
            for (std::int64_t c = 0; c < unit; ++c) y[o * b.y_pixel + c] = static_cast<X>(values[o * unit + c]);
        }
    }

    double root(double v) const {
        return b.power == 1 ? v : b.power == 2 ? __builtin_sqrt(v) : b.power == 3 ? __builtin_cbrt(v) : __builtin_pow(v, 1 / b.power);
    }

    template <class Then>
    [[gnu::always_inline]] inline void joined(const Cells* lines, int n, X* y, const Then& then) const {
        switch (n) {
            case 1: return joined_n<1>(lines, 1, y, then);
            case 2: return joined_n<2>(lines, 2, y, then);
            case 3: return joined_n<3>(lines, 3, y, then);
            case 5: return joined_n<5>(lines, 5, y, then);
            default: return joined_n<0>(lines, n, y, then);
        }
    }

    template <int N, class Then>
    void joined_n(const Cells* lines, int n, X* y, const Then& then) const {
        if constexpr (same_type) {
            const T* line[N > 0 ? N : most_lines];  // in registers: no store to y can alter them
#pragma GCC unroll 8
            for (int l = 0; l < (N > 0 ? N : n); ++l) line[l] = lines[l];
            const auto at = [&line, n, &then](std::int64_t i) {
                auto v = Vec::load(line[0] + i);
#pragma GCC unroll 8
                for (int l = 1; l < (N > 0 ? N : n); ++l) v = Op::join(v, Vec::load(line[l] + i));
                return then(v);
            };
            const std::int64_t end = length;
            std::int64_t i = 0;
            for (; i + L <= end; i += L) Vec::store(y + i, at(i));
            if (i == end) return;
            if (end >= L)
                Vec::store(y + end - L, at(end - L));  // some again
            else
                Vec::store_n(y, at(0), static_cast<int>(end));
        }
    }
};

// The rows of x that output row (d, h) pools, as offsets; how many.
template <class X>
int rows_of(const PoolBlock<X>& b, std::int64_t d, std::int64_t h, std::int64_t* row) {
    int n = 0;
    const Taps depth(b.axis[0]), height(b.axis[1]);
    for (std::int64_t t = 0; t < depth.count; ++t) {
        const std::int64_t i = depth.at(d, t);
        for (std::int64_t u = 0; i >= 0 && u < height.count; ++u) {
            const std::int64_t j = height.at(h, u);
            if (j >= 0) row[n++] = i * b.x_step[0] + j * b.x_step[1];
        }
    }
    return n;
}

constexpr int most_rows = 32;  // that rows_of is asked for

// One vector of outputs of windows side by side; All: all of its values are there, not just `left`.
template <class Op, int Step, int N, bool All>
[[gnu::always_inline]] inline typename Op::Cell step_cell(const typename Op::T* x, const std::int64_t* row, int n, std::int64_t left) {
    using Vec = typename Op::Vec;
    constexpr int L = Vec::lanes;
    typename Op::Cell all = Vec::set1(Op::nothing);
#pragma GCC unroll 4
    for (int r = 0; r < (N > 0 ? N : n); ++r) {
        typename Op::Cell v[Step];
        for (int s = 0; s < Step; ++s) {
            const typename Op::T* p = x + row[r] + s * L;
            const std::int64_t here = left - s * L;
            if constexpr (All)
                v[s] = Vec::load(p);
            else
                v[s] = here >= L ? Vec::load(p) : here > 0 ? Vec::load_n(p, static_cast<int>(here)) : Vec::set1(0);
        }
        const auto even = Vec::even(v[0], v[1]), odd = Vec::odd(v[0], v[1]);
        typename Op::Cell cell;
        if constexpr (Step == 2) {
            cell = Op::join(even, odd);
        } else {
            const auto e = Vec::even(v[2], v[3]), o = Vec::odd(v[2], v[3]);
            cell = Op::join(Op::join(Vec::even(even, e), Vec::even(odd, o)), Op::join(Vec::odd(even, e), Vec::odd(odd, o)));
        }
        all = r == 0 ? cell : Op::join(all, cell);
    }
    return all;
}

// Windows that stand side by side, channels first: outputs of a whole vector from all their rows at once, without lines between.
template <class Op, int Step, int N, class Then>
[[gnu::always_inline]] inline void step_row_of(const typename Op::T* x, const std::int64_t* row, int n, std::int64_t outputs,
                                            typename Op::T* y, const Then& then) {
    using Vec = typename Op::Vec;
    constexpr int L = Vec::lanes;
    std::int64_t i = 0;
    for (; i + L <= outputs; i += L) Vec::store(y + i, then(step_cell<Op, Step, N, true>(x + Step * i, row, n, Step * L)));
    if (i == outputs) return;
    if (outputs >= L) {
        i = outputs - L;  // some again
        Vec::store(y + i, then(step_cell<Op, Step, N, true>(x + Step * i, row, n, Step * L)));
        return;
    }
    const int left = static_cast<int>(outputs);
    Vec::store_n(y, then(step_cell<Op, Step, N, false>(x, row, n, Step * left)), left);
}

template <int N>
struct Number {};

// `count` rows of y, of windows that all have the same n rows of x.
template <class Op, int Step, class Then>
void step_rows(const typename Op::T* x, std::int64_t x_step, const std::int64_t* row, int n, std::int64_t count, std::int64_t outputs,
               typename Op::T* y, std::int64_t y_step, const Then& then) {
    const auto all = [&]<int N>(Number<N>) {
        for (std::int64_t i = 0; i < count; ++i) step_row_of<Op, Step, N>(x + i * x_step, row, n, outputs, y + i * y_step, then);
    };
    switch (n) {
        case 1: return all(Number<1>{});
        case 2: return all(Number<2>{});
        case 4: return all(Number<4>{});
        default: return all(Number<0>{});
    }
}

template <class Op, int Step>
void pool_steps(const PoolBlock<typename Op::T>& b) {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    const Results<Op, T> results(b);
    const PoolAxis& a = b.axis[1];
    const std::int64_t width = b.axis[2].output;
    for (std::int64_t d = b.begin[0]; d < b.end[0]; ++d) {
        for (std::int64_t h = b.begin[1], count = 1; h < b.end[1]; h += count) {
            std::int64_t row[most_rows];
            const int n = rows_of(b, d, h, row);
            // How many rows from here on lie inside altogether, and count alike?
            const std::int64_t top = h * a.stride - a.pad_before, inside = (a.input - a.kernel - top) / a.stride + 1;
            const std::int64_t left = b.end[1] - h;
            count = top < 0 || inside < 1 || b.counted[1] ? 1 : inside < left ? inside : left;
            const T* x = b.x + b.begin[2] * Step;
            T* y = b.y + results.row_at(d, h);
            const std::int64_t x_step = a.stride * b.x_step[1];
            if constexpr (static_cast<T>(0.5) != 0) {
                if (b.after == PoolAfter::divide) {
                    const T divisor = results.row_divisor(d, h);
                    const auto factor = Vec::set1(1 / divisor), by = Vec::set1(divisor);
                    if (results.power_of_two(static_cast<double>(divisor)))
                        step_rows<Op, Step>(x, x_step, row, n, count, results.outputs, y, width, [factor](auto v) { return Vec::mul(v, factor); });
                    else
                        step_rows<Op, Step>(x, x_step, row, n, count, results.outputs, y, width, [by](auto v) { return Vec::div(v, by); });
                    continue;
                }
            }
            step_rows<Op, Step>(x, x_step, row, n, count, results.outputs, y, width, [](auto v) { return v; });
        }
    }
}

// Channels last, windows of few taps: each output pixel at once from all its taps.
template <class Op>
void pool_taps(const PoolBlock<typename Op::T>& b) {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    constexpr std::int64_t L = Vec::lanes;
    const Results<Op, T> results(b);
    const PoolAxis& a = b.axis[2];
    for (std::int64_t d = b.begin[0]; d < b.end[0]; ++d) {
        for (std::int64_t h = b.begin[1]; h < b.end[1]; ++h) {
            const T* taps[most_rows];
            std::int64_t row[most_rows];
            const int rows = rows_of(b, d, h, row);
            T* y = b.y + results.row_at(d, h);
            const T row_divisor = b.after == PoolAfter::divide ? results.row_divisor(d, h) : T(1);
            for (std::int64_t w = b.begin[2]; w < b.end[2]; ++w, y += b.y_pixel) {
                int n = 0;
                const std::int64_t first = w * a.stride - a.pad_before;
                for (int r = 0; r < rows; ++r) {
                    for (std::int64_t t = 0; t < a.kernel; ++t) {
                        const std::int64_t i = first + t * a.dilation;
                        if (i >= 0 && i < a.input) taps[n++] = b.x + row[r] + i * b.x_step[2];
                    }
                }
                T divisor = row_divisor, factor = 1;
                if constexpr (static_cast<T>(0.5) != 0) {
                    if (b.counted[2]) divisor *= b.counted[2][w];
                    if (results.power_of_two(static_cast<double>(divisor))) {
                        factor = 1 / divisor;
                        divisor = 1;
                    }
                }
                const auto finished = [&](typename Vec::V v) {
                    if constexpr (static_cast<T>(0.5) != 0) {
                        if (factor != 1) return Vec::mul(v, Vec::set1(factor));
                        if (divisor != 1) return Vec::div(v, Vec::set1(divisor));
                    }
                    return v;
                };
                std::int64_t c = 0;
                if (n == 0) {
                    for (; c < b.unit; ++c) {
                        T v[L];
                        Vec::store(v, finished(Vec::set1(Op::nothing)));
                        y[c] = v[0];
                    }
                }
                for (; c + 4 * L <= b.unit; c += 4 * L) {
                    typename Vec::V v[4];
                    for (int u = 0; u < 4; ++u) v[u] = Vec::load(taps[0] + c + u * L);
                    for (int t = 1; t < n; ++t) {
#pragma GCC unroll 4
                        for (int u = 0; u < 4; ++u) v[u] = Op::join(v[u], Vec::load(taps[t] + c + u * L));
                    }
                    for (int u = 0; u < 4; ++u) Vec::store(y + c + u * L, finished(v[u]));
                }
                for (; c < b.unit; c += L) {
                    const int m = b.unit - c < L ? static_cast<int>(b.unit - c) : static_cast<int>(L);
                    const auto load = [m](const T* p) { return m == L ? Vec::load(p) : Vec::load_n(p, m); };
                    auto v = load(taps[0] + c);
                    for (int t = 1; t < n; ++t) v = Op::join(v, load(taps[t] + c));
                    if (m == L)
                        Vec::store(y + c, finished(v));
                    else
                        Vec::store_n(y + c, finished(v), m);
                }
            }
        }
    }
}

// Channels first, slice by slice: some output rows at once. Rows of x stand in slots, those of the same phase of the stride side by side, so
// that the taps of all outputs are runs in both directions.
template <class Op, class X>
struct Slab {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    using Cells = typename Op::Cells;
    static constexpr std::int64_t L = Vec::lanes;

    const PoolBlock<X>& b;
    const PoolAxis& a;
    const Rows<Op, X> row;
    const Results<Op, X> results;
    const Cells staged, pooled;
    const std::int64_t span, used, phases;  // of the height; phases of rows, and of the width
    std::int64_t slots = 0, apart = 0;      // of one phase

    explicit Slab(const PoolBlock<X>& block)
        : b(block),
          a(block.axis[1]),
          row(block),
          results(block),
          staged(Op::cells(block.staged)),
          pooled(Op::cells(block.rows)),
          span((a.kernel - 1) * a.dilation + 1),
          used(a.stride < span ? a.stride : span),
          phases(block.dense ? 1 : block.axis[2].stride < row.span || block.axis[2].stride <= 4 ? block.axis[2].stride : row.span) {}

    void run() {
        const PoolAxis& depth = b.axis[0];
        for (std::int64_t o = b.begin[0]; o < b.end[0]; ++o) {
            const std::int64_t d = o * depth.stride - depth.pad_before;
            const bool there = d >= 0 && d < depth.input;
            if (!there) {
                for (std::int64_t h = b.begin[1]; h < b.end[1]; ++h) results(o, h, nullptr, 0);
            }
            for (std::int64_t first = b.begin[1]; there && first < b.end[1]; first += b.slab_rows) {
                const std::int64_t count = b.end[1] - first < b.slab_rows ? b.end[1] - first : b.slab_rows;
                slots = count + (span - 1) / a.stride;
                apart = slots * b.slot + L;
                if constexpr (Results<Op, X>::same_type && Vec::masks) {
                    if (b.direct) {
                        if (pool_rows<Ordered<Op>>(d, first)) {
                            pool_rows<Op>(d, first);
                            finish<Op>(o, first, count);
                        } else {
                            finish<Ordered<Op>>(o, first, count);
                        }
                        continue;
                    }
                }
                const bool nan = stage(d, first);
                if (nan) {
                    pool_staged<Op>();
                    finish<Op>(o, first, count);
                } else {
                    pool_staged<Ordered<Op>>();
                    finish<Ordered<Op>>(o, first, count);
                }
            }
        }
    }

    // Is there a NaN among the rows?
    bool stage(std::int64_t d, std::int64_t first) const {
        if constexpr (Results<Op, X>::same_type) {
            if (b.before == PoolBefore::nothing && b.x_step[2] == 1) {
                const std::int64_t step = b.dense ? 1 : b.axis[2].stride;
                if (step == 1) return stage_directly<1>(d, first);
                if (step == 2) return stage_directly<2>(d, first);
                if (step == 4) return stage_directly<4>(d, first);
            }
        }
        bool nan = false;
        for (std::int64_t f = 0; f < used; ++f) {
            for (std::int64_t q = 0; q < slots; ++q) {
                const std::int64_t h = (first + q) * a.stride - a.pad_before + f;
                const Cells to = staged + (f * apart + q * b.slot);
                if (h >= 0 && h < a.input) {
                    nan |= row.put(d, h, to);
                } else {
                    for (std::int64_t p = 0; p < phases; ++p) fill_nothing<Op>(to + p * b.row_pitch, b.slot);
                }
            }
        }
        return nan;
    }

    // The same for rows that stand in x as they are pooled, with everything in registers.
    template <int Step>
    bool stage_directly(std::int64_t d, std::int64_t first) const {
        const std::int64_t low = row.low, before = row.low - row.start, n = row.high - row.low, pitch = b.row_pitch, length = b.slot;
        const std::int64_t rows = slots, x_step = b.x_step[1], stride = a.stride, input = a.input;
        const T* x = reinterpret_cast<const T*>(b.x) + d * b.x_step[0] + low;
        NanWatch<Op> watch;
        for (std::int64_t f = 0; f < used; ++f) {
            T* to = Op::values(staged + f * apart);
            std::int64_t h = first * stride - a.pad_before + f;
            for (std::int64_t q = 0; q < rows; ++q, h += stride, to += length) {
                if (h < 0 || h >= input) {
                    for (int p = 0; p < Step; ++p) {
                        for (std::int64_t i = 0; i < length; i += L) Vec::store(to + p * pitch + i, Vec::set1(Op::nothing));
                    }
                } else if constexpr (Step == 1) {
                    put_dense<Op>(x + h * x_step, before, n, to, length, watch);
                } else {
                    put_phases<Op, Step>(x + h * x_step, before, n, to, pitch, length, watch);
                }
            }
        }
        return watch.seen();
    }

    template <class Join>
    void pool_staged() const {
        if (b.dense)
            row.template every_place<Join>(staged, used * apart, pooled);
        else
            row.template join_phases<Join>(staged, used * apart, pooled);
    }

    // Rows of x, pooled along the width where they stand. Is there a NaN?
    template <class Join>
    bool pool_rows(std::int64_t d, std::int64_t first) const {
        const std::int64_t k = b.axis[2].kernel;
        if (b.axis[2].stride == 1) return k == 2 ? pool_rows_of<Join, 1, 2>(d, first) : k == 3 ? pool_rows_of<Join, 1, 3>(d, first) : k == 5 ? pool_rows_of<Join, 1, 5>(d, first) : pool_rows_of<Join, 1, 0>(d, first);
        return k == 2 ? pool_rows_of<Join, 2, 2>(d, first) : k == 3 ? pool_rows_of<Join, 2, 3>(d, first) : pool_rows_of<Join, 2, 0>(d, first);
    }

    // One vector of outputs: the windows that begin at x. Load: (place, number of the load) -> vector.
    template <class Join, int Step, class Load>
    [[gnu::always_inline]] static typename Vec::V window_cell(std::int64_t k, std::int64_t dilation, NanWatch<Op>& watch, const Load& load) {
        typename Vec::V cell;
        if constexpr (Step == 1) {
            cell = load(0, 0);
            watch.see(cell);
#pragma GCC unroll 8
            for (std::int64_t t = 1; t < k; ++t) {
                const auto v = load(t * dilation, t);
                if (t == k - 1) watch.see(v);
                cell = Join::join(cell, v);
            }
        } else {
#pragma GCC unroll 8
            for (std::int64_t t = 0; t < k; t += 2) {
                const auto low = load(t, t), high = load(t + L, t + 1);
                if (t == 0 || t + 2 >= k) {
                    watch.see(low);
                    watch.see(high);
                }
                cell = t == 0 ? Vec::even(low, high) : Join::join(cell, Vec::even(low, high));
                if (t + 1 < k) cell = Join::join(cell, Vec::odd(low, high));
            }
        }
        return cell;
    }

    template <class Join, int Step, int K>
    bool pool_rows_of(std::int64_t d, std::int64_t first) const {
        constexpr std::int64_t most_loads = 10;
        const PoolAxis& w = b.axis[2];
        const std::int64_t k = K > 0 ? K : w.kernel, dilation = w.dilation, n = row.outputs, input = w.input;
        const std::int64_t start = row.start, vectors = (n + L - 1) / L, rows = slots, slot = b.slot;
        // Vectors that may see the border: the first, and the last two. Which of their lanes are in the row, load by load.
        typename Vec::Mask mask[3][most_loads];
        std::int64_t edge[3] = {0, vectors - 2, vectors - 1};
        for (int e = 0; e < 3; ++e) {
            const std::int64_t i = edge[e] * L + L <= n ? edge[e] * L : n - L;
            edge[e] = n < L || i < 0 ? 0 : i;
            for (std::int64_t l = 0; l < (Step == 1 ? k : k + k % 2); ++l) {
                const std::int64_t place = start + edge[e] * Step + (Step == 1 ? l * dilation : l - l % 2 + l % 2 * L);
                const std::int64_t low = place < 0 ? -place : 0, high = input - place;
                mask[e][l] = Vec::between(static_cast<int>(low < L ? low : L), static_cast<int>(high < low ? (low < L ? low : L) : high < L ? high : L));
            }
        }
        const auto nothing = Vec::set1(Op::nothing);
        const T* x = reinterpret_cast<const T*>(b.x) + d * b.x_step[0] + start;
        const std::int64_t x_step = b.x_step[1], stride = a.stride, height = a.input;
        NanWatch<Op> watch;
        for (std::int64_t f = 0; f < used; ++f) {
            T* to = Op::values(pooled + f * apart);
            std::int64_t h = first * stride - a.pad_before + f;
            for (std::int64_t q = 0; q < rows; ++q, h += stride, to += slot) {
                if (h < 0 || h >= height) {
                    for (std::int64_t i = 0; i < slot; i += L) Vec::store(to + i, nothing);
                    continue;
                }
                const T* from = x + h * x_step;
                const auto at_edge = [&](int e) {
                    const T* p = from + edge[e] * Step;
                    Vec::store(to + edge[e], window_cell<Join, Step>(k, dilation, watch, [&](std::int64_t at, std::int64_t l) {
                                   return Vec::load_masked(p + at, mask[e][l], nothing);
                               }));
                };
                at_edge(0);
                for (std::int64_t i = L; i < (vectors - 2) * L; i += L) {
                    const T* p = from + i * Step;
                    Vec::store(to + i,
                               window_cell<Join, Step>(k, dilation, watch, [&](std::int64_t at, std::int64_t) { return Vec::load(p + at); }));
                }
                if (vectors > 2) at_edge(1);
                if (vectors > 1) at_edge(2);
            }
        }
        return watch.seen();
    }

    template <class Join>
    void finish(std::int64_t d, std::int64_t first, std::int64_t count) const {
        if constexpr (Results<Op, X>::same_type) {
            if (b.after == PoolAfter::nothing) return put<Join>(d, first, count, [](auto v) { return v; });
            if constexpr (Results<Op, X>::real) {
                if (b.after == PoolAfter::divide && !b.counted[2] && !b.counted[1]) {
                    const T divisor = results.row_divisor(d, first);
                    const auto factor = Vec::set1(1 / divisor), by = Vec::set1(divisor);
                    if (results.power_of_two(static_cast<double>(divisor)))
                        return put<Join>(d, first, count, [factor](auto v) { return Vec::mul(v, factor); });
                    return put<Join>(d, first, count, [by](auto v) { return Vec::div(v, by); });
                }
            }
        }
        for (std::int64_t i = 0; i < count; ++i) {
            Cells lines[most_lines];
            int n = 0;
            for (std::int64_t t = 0; t < a.kernel; ++t) lines[n++] = pooled + (line_at(t) + i * b.slot);
            results(d, first + i, lines, n);
        }
    }

    std::int64_t line_at(std::int64_t tap) const {
        const std::int64_t at = tap * a.dilation;
        return at % a.stride * apart + at / a.stride * b.slot;
    }

    template <class Join, class Then>
    void put(std::int64_t d, std::int64_t first, std::int64_t count, const Then& then) const {
        switch (a.kernel) {
            case 1: return put_n<Join, 1>(d, first, count, then);
            case 2: return put_n<Join, 2>(d, first, count, then);
            case 3: return put_n<Join, 3>(d, first, count, then);
            case 5: return put_n<Join, 5>(d, first, count, then);
            default: return put_n<Join, 0>(d, first, count, then);
        }
    }

    template <class Join, int N, class Then>
    void put_n(std::int64_t d, std::int64_t first, std::int64_t count, const Then& then) const {
        const int n = N > 0 ? N : static_cast<int>(a.kernel);
        const T* line[N > 0 ? N : most_lines];
#pragma GCC unroll 8
        for (int t = 0; t < n; ++t) line[t] = Op::values(pooled) + line_at(t);
        const std::int64_t length = results.length, slot = b.slot, y_step = b.axis[2].output;
        T* y = b.y + results.row_at(d, first);
        for (std::int64_t i = 0; i < count; ++i, y += y_step) {
            const auto at = [&line, n, &then](std::int64_t j) {
                auto v = Vec::load(line[0] + j);
#pragma GCC unroll 8
                for (int t = 1; t < n; ++t) v = Join::join(v, Vec::load(line[t] + j));
                return then(v);
            };
            std::int64_t j = 0;
            for (; j + L <= length; j += L) Vec::store(y + j, at(j));
            if (j < length) {
                if (length >= L)
                    Vec::store(y + length - L, at(length - L));  // some again
                else
                    Vec::store_n(y, at(0), static_cast<int>(length));
            }
#pragma GCC unroll 8
            for (int t = 0; t < n; ++t) line[t] += slot;
        }
    }
};

template <class Op, class X>
void pool(const PoolBlock<X>& b) {
    if (b.slab_rows > 0) return Slab<Op, X>(b).run();
    using Cells = typename Op::Cells;
    if constexpr (!Op::placed && sizeof(X) == sizeof(typename Op::T)) {
        if (b.whole_steps) return b.axis[2].stride == 2 ? pool_steps<Op, 2>(b) : pool_steps<Op, 4>(b);
        if (b.few_taps) return pool_taps<Op>(b);
    }
    const Rows<Op, X> row(b);
    const Results<Op, X> results(b);
    const PoolAxis &depth = b.axis[0], &height = b.axis[1];
    const std::int64_t pitch = b.lead + b.line, length = results.length;
    const Cells rows = Op::cells(b.rows) + b.lead, rows_so_far = Op::cells(b.rows_so_far);
    const auto slice = [&](std::int64_t d, const auto& emit) {
        slide<Op>(height, b.begin[1], b.end[1], rows, rows_so_far, pitch, length, b.row_tag,
                  [&](std::int64_t h, Cells line) { row(d, h, line); }, emit);
    };
    if (depth.kernel == 1 && !depth.spread) {
        for (std::int64_t o = b.begin[0]; o < b.end[0]; ++o) {
            const std::int64_t d = o * depth.stride - depth.pad_before;
            if (d >= 0 && d < depth.input) {
                slice(d, [&](std::int64_t h, const Cells* lines, int n) { results(o, h, lines, n); });
            } else {
                for (std::int64_t h = b.begin[1]; h < b.end[1]; ++h) results(o, h, nullptr, 0);
            }
        }
        return;
    }
    const std::int64_t lines_of_slice = b.end[1] - b.begin[1];
    slide<Op>(
        depth, b.begin[0], b.end[0], Op::cells(b.slices), Op::cells(b.slices_so_far), lines_of_slice * b.line, lines_of_slice * b.line,
        b.slice_tag,
        [&](std::int64_t d, Cells to) {
            slice(d, [&](std::int64_t h, const Cells* lines, int n) {
                const Cells line = to + (h - b.begin[1]) * b.line;
                if (n == 0) return fill_nothing<Op>(line, length);
                for (std::int64_t i = 0; i < length; i += Op::Vec::lanes) Op::store(line + i, joined_at<Op>(lines, n, i));
            });
        },
        [&](std::int64_t o, const Cells* slices, int n) {
            for (std::int64_t h = b.begin[1]; h < b.end[1]; ++h) {
                Cells lines[most_lines];
                for (int l = 0; l < n; ++l) lines[l] = slices[l] + (h - b.begin[1]) * b.line;
                results(o, h, lines, n);
            }
        });
}

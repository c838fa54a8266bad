// SPDX-License-Identifier: BSD-3-Clause
// Channels first, small square windows at stride 1 or 2: strips of one vector of outputs walk down the rows. Rows of x are pooled along the
// width when they are loaded, and stay in registers as long as windows need them. Loads are masked if a strip sees the border.

template <class Op, int S, int K>
struct Strips {
    using Vec = typename Op::Vec;
    using V = typename Vec::V;
    using T = typename Op::T;
    static constexpr std::int64_t L = Vec::lanes;
    static constexpr int loads = S == 1 ? K : K + K % 2;  // vectors of x for one vector of windows

    const PoolBlock<T>& b;
    const PoolAxis &w, &h;
    const Results<Op, T> results;

    explicit Strips(const PoolBlock<T>& block) : b(block), w(block.axis[2]), h(block.axis[1]), results(block) {}

    // The place at which load l begins, counted from the first window.
    static constexpr std::int64_t place(int l) { return S == 1 ? l : l - l % 2 + l % 2 * L; }

    void run() const {
        for (std::int64_t d = b.begin[0]; d < b.end[0]; ++d) {
            const std::int64_t depth = d * b.axis[0].stride - b.axis[0].pad_before;
            for (std::int64_t first = b.begin[1]; first < b.end[1]; first += b.slab_rows) {
                const std::int64_t count = b.end[1] - first < b.slab_rows ? b.end[1] - first : b.slab_rows;
                if (depth < 0 || depth >= b.axis[0].input) {
                    for (std::int64_t i = 0; i < count; ++i) results(d, first + i, nullptr, 0);
                } else if constexpr (Op::idempotent) {
                    const auto given = [](V v) { return Op::given(v); };
                    if (rows<Ordered<Op>>(d, depth, first, count, given)) rows<Op>(d, depth, first, count, given);
                } else {
                    results.divided(results.row_divisor(d, first), [&](const auto& then) { rows<Op>(d, depth, first, count, then); });
                }
            }
        }
    }

    // Returns whether there was a NaN.
    template <class Join, class Then>
    bool rows(std::int64_t d, std::int64_t depth, std::int64_t first, std::int64_t count, const Then& then) const {
        const std::int64_t n = results.outputs, start = b.begin[2] * S - w.pad_before, top = first * S - h.pad_before;
        const T* x = b.x + depth * b.x_step[0] + top * b.x_step[1] + start;
        T* y = b.y + results.row_at(d, first);
        NanWatch<Op> watch;
        for (std::int64_t i = 0; i < n; i += L) {
            const std::int64_t at = n < L ? 0 : i + L <= n ? i : n - L;  // the last strip computes some outputs again
            const std::int64_t low = start + at * S, high = low + place(loads - 1) + L;
            const int lanes = n < L ? static_cast<int>(n) : static_cast<int>(L);
            const Column column{x + at * S, b.x_step[1], -top, h.input - top, count, y + at, b.axis[2].output, lanes};
            if (low >= 0 && high <= w.input) {
                column.template run<Join>(watch, then, [](const T* p, int) { return Op::taken(Vec::load(p)); });
                continue;
            }
            typename Vec::Mask mask[loads];
#pragma GCC unroll 8
            for (int l = 0; l < loads; ++l) {
                const std::int64_t from = low + place(l), begin = clamped(-from), end = clamped(w.input - from);
                mask[l] = Vec::between(static_cast<int>(begin < end ? begin : end), static_cast<int>(end));
            }
            const V nothing = Op::taken(Vec::set1(Op::nothing));
            column.template run<Join>(watch, then,
                                      [&mask, nothing](const T* p, int l) { return Op::taken(Vec::load_masked(p, mask[l], nothing)); });
        }
        return watch.seen();
    }

    static std::int64_t clamped(std::int64_t n) { return n < 0 ? 0 : n < L ? n : L; }

    // One strip. Rows begin..end - 1 of x exist, counted from the first row of the first window.
    struct Column {
        const T* x;
        std::int64_t x_step, begin, end, count;
        T* y;
        std::int64_t y_step;
        int lanes;

        template <class Join, class Load>
        [[gnu::always_inline]] V row(std::int64_t r, NanWatch<Op>& watch, const Load& load) const {
            if (r < begin || r >= end) return Vec::set1(Op::nothing);
            const T* from = x + r * x_step;
            V cell;
            if constexpr (S == 1) {
                cell = load(from, 0);
                watch.see(cell);
#pragma GCC unroll 8
                for (int t = 1; t < K; ++t) {
                    const V v = load(from + t, t);
                    if (t == K - 1) watch.see(v);
                    cell = Join::join(cell, v);
                }
            } else {
#pragma GCC unroll 8
                for (int t = 0; t < K; t += 2) {
                    const V one = load(from + place(t), t), other = load(from + place(t + 1), t + 1);
                    if (t == 0 || t + 2 >= K) {
                        watch.see(one);
                        watch.see(other);
                    }
                    cell = t == 0 ? Vec::even(one, other) : Join::join(cell, Vec::even(one, other));
                    if (t + 1 < K) cell = Join::join(cell, Vec::odd(one, other));
                }
            }
            return cell;
        }

        template <class Join, class Then, class Load>
        [[gnu::always_inline]] void run(NanWatch<Op>& watch, const Then& then, const Load& load) const {
            constexpr int kept = K > S ? K - S : 0;  // rows that a window shares with the next one
            V line[K];
#pragma GCC unroll 8
            for (int t = 0; t < kept; ++t) line[t] = row<Join>(t, watch, load);
            for (std::int64_t o = 0; o < count; ++o) {
#pragma GCC unroll 8
                for (int t = kept; t < K; ++t) line[t] = row<Join>(o * S + t, watch, load);
                V v = line[0];
#pragma GCC unroll 8
                for (int t = 1; t < K; ++t) v = Join::join(v, line[t]);
                if (lanes == L)
                    Vec::store(y + o * y_step, then(v));
                else
                    Vec::store_n(y + o * y_step, then(v), lanes);
#pragma GCC unroll 8
                for (int t = 0; t < kept; ++t) line[t] = line[t + S];
            }
        }
    };
};

template <class Op>
void pool_strips(const PoolBlock<typename Op::T>& b) {
    if constexpr (Op::Vec::masks) {
        const std::int64_t k = b.axis[2].kernel;
        if (b.axis[2].stride == 1)
            k == 2 ? Strips<Op, 1, 2>(b).run() : k == 3 ? Strips<Op, 1, 3>(b).run() : Strips<Op, 1, 5>(b).run();
        else
            k == 2 ? Strips<Op, 2, 2>(b).run() : Strips<Op, 2, 3>(b).run();
    }
}

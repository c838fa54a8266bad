// SPDX-License-Identifier: BSD-3-Clause
// Channels first, slice by slice: several output rows at once. Rows of x are put in slots. Rows of the same phase of the stride are
// neighbours, so that the taps of all outputs are runs in both directions.
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
    const std::int64_t span, used, phases;  // height: span of a window, phases of rows that it uses; width: phases of a row
    std::int64_t slots = 0, apart = 0;      // slots of one phase of rows; elements between such phases

    explicit Slab(const PoolBlock<X>& block)
        : b(block),
          a(block.axis[1]),
          row(block),
          results(block),
          staged(Op::cells(block.staged)),
          pooled(Op::cells(block.rows)),
          span((a.kernel - 1) * a.dilation + 1),
          used(a.stride < span ? a.stride : span),
          phases(block.dense                                                    ? 1
                 : block.axis[2].stride < row.span || block.axis[2].stride <= 4 ? block.axis[2].stride
                                                                                : row.span) {}

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
                stage(d, first) ? pool_staged<Op>(o, first, count) : pool_staged<Ordered<Op>>(o, first, count);
            }
        }
    }

    // Fills the slots. Returns whether a row has a NaN.
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

    // The same for rows that need no conversion, with all values in registers.
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
    void pool_staged(std::int64_t o, std::int64_t first, std::int64_t count) const {
        if (b.dense)
            row.template every_place<Join>(staged, used * apart, pooled);
        else
            row.template join_phases<Join>(staged, used * apart, pooled);
        finish<Join>(o, first, count);
    }

    template <class Join>
    void finish(std::int64_t d, std::int64_t first, std::int64_t count) const {
        if constexpr (Results<Op, X>::same_type) {
            const int n = static_cast<int>(a.kernel);
            const T* lines[most_lines];
            for (int t = 0; t < n; ++t) lines[t] = Op::values(pooled) + line_at(t);
            T* y = b.y + results.row_at(d, first);
            const auto put = [&](const auto& then) { results.template joined<Join>(lines, n, y, then, count, b.slot); };
            if (b.after == PoolAfter::nothing) return results.as_it_is(put);
            if constexpr (Results<Op, X>::sums) {
                if (b.after == PoolAfter::divide && !b.counted[2] && !b.counted[1]) {
                    return results.divided(results.row_divisor(d, first), put);
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
};

// SPDX-License-Identifier: BSD-3-Clause
// Pools one block in the way that the plan has chosen; in general as rows, slices and volumes of lines.

// Windows that are pooled from x in place, all rows of a window at once.
template <class Op>
void pool_in_place(const PoolBlock<typename Op::T>& b) {
    if (b.strips) return pool_strips<Op>(b);
    if (b.few_taps) return pool_taps<Op>(b);
    b.axis[2].stride == 2 ? pool_steps<Op, 2>(b) : pool_steps<Op, 4>(b);
}

template <class Op, class X>
void pool(const PoolBlock<X>& b) {
    using Cells = typename Op::Cells;
    if constexpr (!Op::placed && sizeof(X) == sizeof(typename Op::T)) {
        if (b.strips || b.whole_steps || b.few_taps) {
            if constexpr (Op::idempotent) {
                if (b.before == PoolBefore::flip) return pool_in_place<Minimum<typename Op::Vec>>(b);
            }
            return pool_in_place<Op>(b);
        }
    }
    if (b.slab_rows > 0) return Slab<Op, X>(b).run();
    const Rows<Op, X> row(b);
    const Results<Op, X> results(b);
    const PoolAxis &depth = b.axis[0], &height = b.axis[1];
    const std::int64_t pitch = b.lead + b.line, length = results.length;
    const Cells rows = Op::cells(b.rows) + b.lead, rows_so_far = Op::cells(b.rows_so_far);
    const auto slice = [&](std::int64_t d, const auto& emit) {
        slide<Op>(
            height, b.begin[1], b.end[1], rows, rows_so_far, pitch, length, b.row_tag, [&](std::int64_t h, Cells line) { row(d, h, line); },
            emit);
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

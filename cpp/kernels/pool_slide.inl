// SPDX-License-Identifier: BSD-3-Clause
// Pooling along an axis of lines of cells: rows of a slice, or slices of a volume. produce(i, line) makes line i, only once if there are
// enough slots. emit(o, lines, n) gets n lines, in order, whose join is output o.

constexpr int most_lines = 8;

// The inputs that output o pools: at(o, t) for t = 0, 1, ..., ascending; -1 if there is no such input.
struct Taps {
    const PoolAxis& a;
    std::int64_t count;
    explicit Taps(const PoolAxis& axis)
        : a(axis),
          count(!axis.spread         ? axis.kernel
                : axis.dilation == 1 ? (axis.kernel - 1) / axis.stride + 1
                                     : axis.kernel) {}
    std::int64_t at(std::int64_t o, std::int64_t t) const {
        std::int64_t i;
        if (!a.spread) {
            i = o * a.stride - a.pad_before + t * a.dilation;
        } else {
            const std::int64_t from = o + a.pad_before;  // == i * stride + tap * dilation
            if (a.dilation == 1) {
                i = from / a.stride - (count - 1) + t;
                if (from - i * a.stride >= a.kernel) return -1;
            } else {
                const std::int64_t start = from - (count - 1 - t) * a.dilation;
                if (start < 0 || start % a.stride != 0) return -1;
                i = start / a.stride;
            }
        }
        return i >= 0 && i < a.input ? i : -1;
    }
};

// Pools each window anew, from lines that stay in their slots as long as windows need them. There is one slot for each line from the first
// to the last of a window. If there is not enough memory for that, there is one slot, and each window makes its lines again.
template <class Op, class Produce, class Emit>
[[gnu::always_inline]] inline void slide_windows(const PoolAxis& a, std::int64_t begin, std::int64_t end, typename Op::Cells slot,
                                                 typename Op::Cells so_far, std::int64_t pitch, std::int64_t length, std::int64_t* tag,
                                                 const Produce& produce, const Emit& emit) {
    using Cells = typename Op::Cells;
    const Taps taps(a);
    const int most = a.slots == 1 ? 1 : most_lines;
    for (std::int64_t s = 0; s < a.slots; ++s) tag[s] = -1;
    for (std::int64_t o = begin; o < end; ++o) {
        Cells lines[most_lines];
        int n = 0;
        for (std::int64_t t = 0; t < taps.count; ++t) {
            const std::int64_t i = taps.at(o, t);
            if (i < 0) continue;
            if (n == most) {  // `lines` is full
                copy_cells<Op>(so_far, lines[0], Op::values(lines[0]) == Op::values(so_far) ? 0 : length);
                for (int l = 1; l < n; ++l) join_cells<Op>(so_far, so_far, lines[l], length);
                lines[0] = so_far;
                n = 1;
            }
            const std::int64_t s = i % a.slots;
            const Cells line = slot + s * pitch;
            if (tag[s] != i) {
                produce(i, line);
                tag[s] = i;
            }
            if (most > 1 || n == 0) {
                lines[n++] = line;
            } else {
                join_cells<Op>(so_far, so_far, line, length);
            }
        }
        emit(o, lines, n);
    }
}

// Windows of k neighbours at a cost that does not grow with k (van Herk 1992; Gil and Werman 1993): a window is a suffix of one block of k
// lines and a prefix of the next. The prefix grows in so_far while the block's lines replace the suffixes that are no longer needed.
template <class Op, class Produce, class Emit>
[[gnu::always_inline]] inline void slide_blocks(const PoolAxis& a, std::int64_t begin, std::int64_t end, typename Op::Cells slot,
                                                typename Op::Cells so_far, std::int64_t pitch, std::int64_t length, const Produce& produce,
                                                const Emit& emit) {
    using Cells = typename Op::Cells;
    const std::int64_t k = a.kernel, first = begin * a.stride - a.pad_before;
    const auto make = [&](std::int64_t i, Cells line) {
        if (i >= 0 && i < a.input)
            produce(i, line);
        else
            fill_nothing<Op>(line, length);
    };
    const auto suffixes = [&] {
        for (std::int64_t t = k - 2; t >= 0; --t) join_cells<Op>(slot + t * pitch, slot + t * pitch, slot + (t + 1) * pitch, length);
    };
    for (std::int64_t t = 0; t < k; ++t) make(first + t, slot + t * pitch);
    suffixes();
    Cells lines[2] = {slot, so_far};
    emit(begin, lines, 1);
    std::int64_t o = begin + 1, next = a.stride;  // the window of o starts `next` lines after the first
    for (std::int64_t block = k; o < end; block += k) {
        Cells prefix = slot;  // the prefix of one line is that line
        for (std::int64_t t = 0; t < k && o < end; ++t) {
            const Cells line = slot + t * pitch;
            make(first + block + t, line);
            if (t > 0) {
                join_cells<Op>(so_far, prefix, line, length);
                prefix = so_far;
            }
            if (block - k + t + 1 != next) continue;
            next += a.stride;
            lines[0] = t + 1 < k ? slot + (t + 1) * pitch : prefix;
            lines[1] = prefix;
            emit(o++, lines, t + 1 < k ? 2 : 1);
        }
        if (o < end) suffixes();
    }
}

template <class Op, class Produce, class Emit>
[[gnu::always_inline]] inline void slide(const PoolAxis& a, std::int64_t begin, std::int64_t end, typename Op::Cells slot,
                                         typename Op::Cells so_far, std::int64_t pitch, std::int64_t length, std::int64_t* tag,
                                         const Produce& produce, const Emit& emit) {
    if (a.blocks)
        slide_blocks<Op>(a, begin, end, slot, so_far, pitch, length, produce, emit);
    else
        slide_windows<Op>(a, begin, end, slot, so_far, pitch, length, tag, produce, emit);
}

// The join of the vectors at cell i of n lines.
template <class Op>
[[gnu::always_inline]] inline typename Op::Cell joined_at(const typename Op::Cells* lines, int n, std::int64_t i) {
    typename Op::Cell c = Op::load(lines[0] + i);
    for (int l = 1; l < n; ++l) c = Op::join(c, Op::load(lines[l] + i));
    return c;
}

// SPDX-License-Identifier: BSD-3-Clause
// Pooling along the width: one row of x becomes one line of cells.

template <class Op, class X>
struct Rows {
    using Vec = typename Op::Vec;
    using T = typename Op::T;
    using Cells = typename Op::Cells;
    static constexpr std::int64_t L = Vec::lanes;

    const PoolBlock<X>& b;
    const PoolAxis& a;
    const std::int64_t unit, outputs, span;
    // The places of a row of x that the outputs of this block see: `places` of them from `start` on, which may be in the border.
    std::int64_t start, places;
    std::int64_t low, high;  // the places among them that are in x: low..high - 1

    explicit Rows(const PoolBlock<X>& block)
        : b(block), a(block.axis[2]), unit(block.unit), outputs(block.end[2] - block.begin[2]), span((a.kernel - 1) * a.dilation + 1) {
        if (a.spread) {
            const std::int64_t back = (span - 1) / a.stride;
            start = (b.begin[2] + a.pad_before) / a.stride - back;
            places = (b.end[2] - 1 + a.pad_before) / a.stride - start + 1;
        } else {
            start = b.begin[2] * a.stride - a.pad_before;
            places = (outputs - 1) * a.stride + span;
        }
        // The outputs of a gradient may see nothing of the row, if it ends before them. low and high stay within the places even so.
        const std::int64_t end = start + places;
        low = start > 0 ? start : end > 0 ? 0 : end;
        high = end < a.input ? end : a.input;
        if (high < low) high = low;
    }

    // Values low..high - 1 of the row of x that begins at `row`, ready to pool: in place, or made in the buffer. Returns a pointer to place
    // 0. pixel: elements between pixels; channels are adjacent.
    [[gnu::always_inline]] const T* source(const X* row, std::int64_t d, std::int64_t h, std::int64_t& pixel) const {
        if constexpr (sizeof(X) == sizeof(T)) {
            if (b.before == PoolBefore::nothing && (unit == 1 ? b.x_step[2] == 1 : b.x_channel == 1)) {
                pixel = b.x_step[2];
                return reinterpret_cast<const T*>(row);
            }
        }
        return made(row, d, h, pixel);
    }

    [[gnu::noinline]] const T* made(const X* row, std::int64_t d, std::int64_t h, std::int64_t& pixel) const {
        pixel = unit;
        T* to = static_cast<T*>(b.raw.values);
        const std::int64_t step = b.x_step[2], channel = unit == 1 ? 0 : b.x_channel;
        if (b.before == PoolBefore::divide) {
            if constexpr (static_cast<X>(0.5) != 0) {
                const X count = (b.counted[0] ? b.counted[0][d] : X(1)) * (b.counted[1] ? b.counted[1][h] : X(1)) * b.divisor;
                for (std::int64_t w = low; w < high; ++w) {
                    const X divisor = b.counted[2] ? count * b.counted[2][w] : count;
                    for (std::int64_t c = 0; c < unit; ++c)
                        to[(w - low) * unit + c] = static_cast<T>(row[w * step + c * channel] / divisor);
                }
            }
        } else if (b.before == PoolBefore::flip) {
            if constexpr (Op::idempotent) flip(row, step, channel, to);
        } else {
            if (unit == 1 && step == 1) {
                for (std::int64_t w = low; w < high; ++w) to[w - low] = static_cast<T>(row[w]);
            } else {
                for (std::int64_t w = low; w < high; ++w) {
                    for (std::int64_t c = 0; c < unit; ++c) to[(w - low) * unit + c] = static_cast<T>(row[w * step + c * channel]);
                }
            }
            if (b.before == PoolBefore::power) raise(to, (high - low) * unit);
        }
        return to - low * unit;
    }

    // Makes the row with values in reverse order (PoolBefore::flip). With many channels, only pixels that are in a window are made.
    void flip(const X* row, std::int64_t step, std::int64_t channel, T* to) const {
        const bool apart = unit > 1 && a.stride > span;
        for (std::int64_t o = 0; o < (apart ? outputs : 1); ++o) {
            const std::int64_t at = start + o * a.stride;
            const std::int64_t begin = apart && at > low ? at : low, end = apart && at + span < high ? at + span : high;
            if (begin >= end) continue;
            T* const first = to + (begin - low) * unit;
            if (step == unit && (unit == 1 || channel == 1)) {
                flip_run(row + begin * step, 1, (end - begin) * unit, first);
            } else if (unit == 1) {
                flip_run(row + begin * step, step, end - begin, first);
            } else {
                for (std::int64_t w = begin; w < end; ++w) flip_run(row + w * step, channel, unit, to + (w - low) * unit);
            }
        }
    }

    static void flip_run(const X* __restrict from, std::int64_t step, std::int64_t n, T* __restrict to) {
        if (step == 1) {
            for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(reversed<X>(from[i]));
        } else {
            for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(reversed<X>(from[i * step]));
        }
    }

    void raise(T* v, std::int64_t n) const {
        if constexpr (static_cast<T>(0.5) != 0) {
            const double p = b.power;
            for (std::int64_t i = 0; i < n; ++i) v[i] = v[i] < 0 ? -v[i] : v[i];
            if (p == 1) return;
            if (p == 2) {
                for (std::int64_t i = 0; i < n; ++i) v[i] *= v[i];
            } else if (p == 3) {
                for (std::int64_t i = 0; i < n; ++i) v[i] *= v[i] * v[i];
            } else if (p == 4) {
                for (std::int64_t i = 0; i < n; ++i) v[i] = (v[i] * v[i]) * (v[i] * v[i]);
            } else {
                for (std::int64_t i = 0; i < n; ++i) v[i] = static_cast<T>(__builtin_pow(static_cast<double>(v[i]), p));
            }
        }
    }

    // Pools row (d, h) of x along the width, or spreads it.
    void operator()(std::int64_t d, std::int64_t h, Cells to) const {
        std::int64_t pixel;
        const T* from = source(b.x + d * b.x_step[0] + h * b.x_step[1], d, h, pixel);
        const std::int64_t place = (d * b.axis[1].input + h) * a.input;
        if (a.spread) {
            if constexpr (!Op::idempotent) {
                const Cells staged = Op::cells(b.staged);
                stage(from, pixel, 0, staged, b.row_pitch - L);
                spread_row<Op>(b, places, staged, to);
            }
        } else if (b.dense) {
            dense(from, pixel, place, to);
        } else if (unit == 1) {
            strided(from, place, to);
        } else {
            pixels(from, pixel, place, to);
        }
    }

    // Puts row (d, h) of x, with its border, in a slot of a slab. Returns whether it has a NaN.
    [[gnu::always_inline]] bool put(std::int64_t d, std::int64_t h, Cells to) const {
        std::int64_t pixel;
        const T* from = source(b.x + d * b.x_step[0] + h * b.x_step[1], d, h, pixel);
        const std::int64_t place = (d * b.axis[1].input + h) * a.input;
        if (b.dense) return stage(from, pixel, place, to, b.slot);
        return stage_phases(from, place, to, b.slot);
    }

    // Puts the row with its border in staged[0 .. places * unit), and border up to `length`. May write up to one vector beyond `length`.
    // Returns whether the row has a NaN.
    [[gnu::always_inline]] bool stage(const T* from, std::int64_t pixel, std::int64_t place, Cells staged, std::int64_t length) const {
        T* v = Op::values(staged);
        const std::int64_t before = (low - start) * unit, n = (high - low) * unit;
        NanWatch<Op> watch;
        if (pixel == unit) {
            put_dense<Op>(from + low * unit, before, n, v, length, watch);
        } else {
            for (std::int64_t i = 0; i < before; ++i) v[i] = Op::nothing;
            for (std::int64_t w = low; w < high; ++w) {
                for (std::int64_t c = 0; c < unit; ++c) {
                    v[(w - start) * unit + c] = from[w * pixel + c];
                    watch.see_one(from[w * pixel + c]);
                }
            }
            for (std::int64_t i = before + n; i < length; ++i) v[i] = Op::nothing;
        }
        if constexpr (Op::placed) {
            for (std::int64_t i = 0; i < length; ++i) staged.place[i] = -1;
            for (std::int64_t w = low; unit == 1 && w < high; ++w) staged.place[w - start] = static_cast<typename Op::Place>(place + w);
            for (std::int64_t w = low; unit > 1 && w < high; ++w) {
                for (std::int64_t c = 0; c < unit; ++c) staged.place[(w - start) * unit + c] = static_cast<typename Op::Place>(place + w);
            }
        }
        return watch.seen();
    }

    // Pools windows at every place: tap by tap, or by doubling the window length, which takes log2(k) steps.
    void dense(const T* from, std::int64_t pixel, std::int64_t place, Cells to) const {
        const Cells staged = Op::cells(b.staged);
        const bool nan = stage(from, pixel, place, staged, b.row_pitch - L);
        const std::int64_t n = (places - span + 1) * unit;  // results at every place
        const bool picked = a.stride > 1;
        const Cells result = picked ? Op::cells(b.picked) : to;
        if (nan)
            every_place<Op>(staged, n, result);
        else
            every_place<Ordered<Op>>(staged, n, result);
        if (!picked) return;
        for (std::int64_t o = 0; o < outputs; ++o) {
            for (std::int64_t c = 0; c < unit; ++c) {
                Op::values(to)[o * unit + c] = Op::values(result)[o * a.stride * unit + c];
                if constexpr (Op::placed) to.place[o * unit + c] = result.place[o * a.stride * unit + c];
            }
        }
    }

    // With at most `few` taps, joins in registers are faster than doubling, which goes through memory.
    static constexpr std::int64_t few = Op::idempotent ? 5 : 8;

    template <class Join>
    void every_place(Cells staged, std::int64_t n, Cells to) const {
        if (a.kernel <= few || a.dilation > 1)
            taps_of<Join>(staged, n, to);
        else
            doubled<Join>(staged, n, to);
    }

    template <class Join>
    void taps_of(Cells staged, std::int64_t n, Cells to) const {
        const std::int64_t step = a.dilation * unit;
        const auto at = [step](std::int64_t t) { return t * step; };
        switch (a.kernel) {
            case 1: return copy_cells<Op>(to, staged, n);
            case 2: return join_runs<Join, 2>(staged, at, n, to);
            case 3: return join_runs<Join, 3>(staged, at, n, to);
            case 4: return join_runs<Join, 4>(staged, at, n, to);
            case 5: return join_runs<Join, 5>(staged, at, n, to);
            default: break;
        }
        for (std::int64_t i = 0; i < n; i += L) {
            typename Op::Cell c = Op::load(staged + i);
            for (std::int64_t t = 1; t < a.kernel; ++t) c = Join::join(c, Op::load(staged + (i + t * step)));
            Op::store(to + i, c);
        }
    }

    // to[i] = the join of staged[i], staged[i + at(1)], ..., K taps.
    template <class Join, int K, class At>
    static void join_runs(Cells staged, const At& at, std::int64_t n, Cells to) {
        std::int64_t offset[K];
#pragma GCC unroll 8
        for (int t = 0; t < K; ++t) offset[t] = at(t);
        for (std::int64_t i = 0; i < n; i += L) {
            typename Op::Cell c = Op::load(staged + i);
#pragma GCC unroll 8
            for (int t = 1; t < K; ++t) c = Join::join(c, Op::load(staged + (offset[t] + i)));
            Op::store(to + i, c);
        }
    }

    // For maxima, a window of k is the join of two windows of 2^p, one at each end. For sums, it is the join of a window for each power of
    // two in k, longer ones first: a value is rounded no more often than in a pairwise sum.
    template <class Join>
    void doubled(Cells s, std::int64_t n, Cells to) const {
        const std::int64_t k = a.kernel;
        std::int64_t w = 1, length = n + (k - 1) * unit;
        if constexpr (Op::idempotent) {
            for (; 2 * w <= k; w *= 2) {
                length -= w * unit;
                join_cells<Join>(s, s, s + w * unit, length);
            }
            join_cells<Join>(to, s, s + (k - w) * unit, n);
        } else {
            const Cells part = Op::cells(b.partial);
            std::int64_t covered = 0;  // by `part`
            for (; w <= k; w *= 2) {
                if ((k & w) != 0) {
                    const bool last = 2 * w > k;
                    const std::int64_t m = n + (last ? 0 : (k - covered - w) * unit);
                    const Cells into = last ? to : part;
                    if (covered == 0)
                        copy_cells<Op>(into, s, m);
                    else
                        join_cells<Join>(into, s, part + w * unit, m);
                    covered += w;
                }
                if (2 * w > k) break;
                length -= w * unit;
                join_cells<Join>(s, s, s + w * unit, length);
            }
        }
    }

    // Pools from the phases of the row with its border: phase f is at f * row_pitch.
    void strided(const T* from, std::int64_t place, Cells to) const {
        const Cells staged = Op::cells(b.staged);
        const bool nan = stage_phases(from, place, staged, b.row_pitch - L);
        if (nan)
            join_phases<Op>(staged, outputs, to);
        else
            join_phases<Ordered<Op>>(staged, outputs, to);
    }

    // Puts `length` elements of each phase. May write up to one vector beyond. Returns whether the row has a NaN.
    [[gnu::always_inline]] bool stage_phases(const T* from, std::int64_t place, Cells staged, std::int64_t length) const {
        const std::int64_t s = a.stride, pitch = b.row_pitch;
        T* v = Op::values(staged);
        NanWatch<Op> watch;
        if (s == 2)
            put_phases<Op, 2>(from + low, low - start, high - low, v, pitch, length, watch);
        else if (s == 4)
            put_phases<Op, 4>(from + low, low - start, high - low, v, pitch, length, watch);
        else
            phases_of_any(v, from, length, watch);
        if constexpr (Op::placed) {
            for (std::int64_t f = 0; f < s && f < span; ++f) {
                const auto until = [&](std::int64_t w) {  // places of this phase before w
                    const std::int64_t n = w - start - f;
                    const std::int64_t q = n <= 0 ? 0 : (n + s - 1) / s;
                    return q < length ? q : length;
                };
                typename Op::Place* const at = staged.place + f * pitch;
                const std::int64_t begin = until(low), end = until(high), first = place + start + f;
                for (std::int64_t q = 0; q < begin; ++q) at[q] = -1;
                for (std::int64_t q = begin; q < end; ++q) at[q] = static_cast<typename Op::Place>(first + q * s);
                for (std::int64_t q = end; q < length; ++q) at[q] = -1;
            }
        }
        return watch.seen();
    }

    template <class Join>
    void join_phases(Cells staged, std::int64_t n, Cells to) const {
        const std::int64_t s = a.stride, pitch = b.row_pitch;
        const auto at = [s, pitch](std::int64_t t) { return t % s * pitch + t / s; };
        if (a.dilation == 1 && a.kernel == 2) return join_runs<Join, 2>(staged, at, n, to);
        if (a.dilation == 1 && a.kernel == 3) return join_runs<Join, 3>(staged, at, n, to);
        const std::int64_t k = a.kernel, phase_step = a.dilation % s, place_step = a.dilation / s;
        for (std::int64_t i = 0; i < n; i += L) {
            typename Op::Cell c = Op::load(staged + i);
            std::int64_t f = 0, q = i;
            for (std::int64_t t = 1; t < k; ++t) {
                f += phase_step;
                q += place_step;
                if (f >= s) {
                    f -= s;
                    ++q;
                }
                c = Join::join(c, Op::load(staged + (f * pitch + q)));
            }
            Op::store(to + i, c);
        }
    }

    void phases_of_any(T* v, const T* from, std::int64_t length, NanWatch<Op>& watch) const {
        for (std::int64_t f = 0; f < a.stride && f < span; ++f) {
            T* p = v + f * b.row_pitch;
            std::int64_t w = start + f, q = 0;
            for (; w < low && q < length; w += a.stride) p[q++] = Op::nothing;
            for (; w < high && q < length; w += a.stride) p[q++] = from[w], watch.see_one(from[w]);
            while (q < length) p[q++] = Op::nothing;
        }
    }

    // Channels last with a stride: pools each pixel from its taps that are in the row.
    void pixels(const T* from, std::int64_t pixel, std::int64_t place, Cells to) const {
        for (std::int64_t o = 0; o < outputs; ++o) {
            const std::int64_t w0 = start + o * a.stride;
            const std::int64_t t0 = w0 >= 0 ? 0 : (-w0 + a.dilation - 1) / a.dilation;
            const std::int64_t fit = a.input > w0 ? (a.input - 1 - w0) / a.dilation + 1 : 0, t1 = fit < a.kernel ? fit : a.kernel;
            const Cells at = to + o * unit;
            if (t0 >= t1) {
                fill_nothing<Op>(at, unit);
                continue;
            }
            for (std::int64_t c = 0; c < unit; c += L) {
                const int n = unit - c < L ? static_cast<int>(unit - c) : static_cast<int>(L);
                typename Op::Cell cell = pixel_cell(from + (w0 + t0 * a.dilation) * pixel + c, n, place + w0 + t0 * a.dilation);
                for (std::int64_t t = t0 + 1; t < t1; ++t) {
                    const std::int64_t w = w0 + t * a.dilation;
                    cell = Op::join(cell, pixel_cell(from + w * pixel + c, n, place + w));
                }
                Op::store(at + c, cell);  // lanes beyond the channels are written over by the next pixel
            }
        }
    }

    static typename Op::Cell pixel_cell(const T* p, int n, std::int64_t place) {
        const auto v = n == L ? Vec::load(p) : Vec::load_n(p, n);
        if constexpr (Op::placed)
            return {v, typename Op::Places{} + static_cast<typename Op::Place>(place)};
        else
            return v;
    }
};

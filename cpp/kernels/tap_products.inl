// SPDX-License-Identifier: BSD-3-Clause
// The gradient of depthwise weights, lane = channel. For each tap, the products of gradient and x are summed in registers over a rectangle
// of pixels. A few rows of neighbouring taps are summed at a time, so that the gradient is loaded once for them. The taps of a row have a
// constant distance: with an offset for each, addresses would not fit in the registers.

// 9 or 10 sums, 1 gradient: two products a cycle need 8 independent sums.
template <class Vec, int Rows, int Taps, bool Whole, class Pick>
[[gnu::always_inline]] inline void sum_taps(const TapProducts<typename Vec::T>& p, const std::int64_t* offset, typename Vec::T* sums,
                                            const Pick& pick) {
    using V = typename Vec::V;
    using T = typename Vec::T;
    V sum[Rows][Taps];
#pragma GCC unroll 10
    for (int t = 0; t < Rows * Taps; ++t) sum[t / Taps][t % Taps] = Vec::load(sums + t * p.sum_step);
    const std::int64_t g_pixel = p.g_pixel, x_pixel = p.x_pixel, tap = p.tap;
    for (std::int64_t row = 0; row < p.rows; ++row) {
        const T *g = p.g + row * p.g_row, *x[Rows];
#pragma GCC unroll 3
        for (int r = 0; r < Rows; ++r) x[r] = p.x + row * p.x_row + offset[r];
        for (std::int64_t i = p.columns; i > 0; --i, g += g_pixel) {
            const V gradient = Whole ? Vec::load(g) : Vec::load_n(g, p.channels);
#pragma GCC unroll 3
            for (int r = 0; r < Rows; ++r) {
                const T* at = x[r];
#pragma GCC unroll 7
                for (int t = 0; t < Taps; ++t, at += tap) sum[r][t] = Vec::fma(gradient, pick(Vec::load(at)), sum[r][t]);
                x[r] += x_pixel;
            }
        }
    }
#pragma GCC unroll 10
    for (int t = 0; t < Rows * Taps; ++t) Vec::store(sums + t * p.sum_step, sum[t / Taps][t % Taps]);
}

// The same for three taps, if neighbouring pixels meet elements of x that are one or two taps apart (Step). Each element is loaded once for
// all gradients that it meets. Each sum runs in the order of the pixels, as above.
template <class Vec, int Rows, int Step, bool Whole, class Pick>
[[gnu::always_inline]] inline void slide_taps(const TapProducts<typename Vec::T>& p, const std::int64_t* offset, typename Vec::T* sums,
                                              const Pick& pick) {
    using V = typename Vec::V;
    using T = typename Vec::T;
    constexpr int Taps = sliding_taps;
    V sum[Rows][Taps];
#pragma GCC unroll 9
    for (int t = 0; t < Rows * Taps; ++t) sum[t / Taps][t % Taps] = Vec::load(sums + t * p.sum_step);
    const std::int64_t g_pixel = p.g_pixel, tap = p.tap;
    for (std::int64_t row = 0; row < p.rows; ++row) {
        const T *g = p.g + row * p.g_row, *x[Rows];
#pragma GCC unroll 3
        for (int r = 0; r < Rows; ++r) x[r] = p.x + row * p.x_row + offset[r];
        V gradient[Taps] = {Vec::zero(), Vec::zero(), Vec::zero()};  // [tap that meets x here]
        // The next element of x meets the taps First, First + Step, ..., Last. New: it is the first to meet another gradient.
        const auto element = [&]<int First, int Last, bool New>() {
            if constexpr (New) {
#pragma GCC unroll 3
                for (int t = Taps - 1; t >= Step; --t) gradient[t] = gradient[t - Step];
            }
            if constexpr (New && First == 0) gradient[0] = Whole ? Vec::load(g) : Vec::load_n(g, p.channels);
            if constexpr (New && First == 0) g += g_pixel;
            if constexpr (New && First == 0 && Step == 2) gradient[1] = gradient[0];
#pragma GCC unroll 3
            for (int r = 0; r < Rows; ++r) {
                const V v = pick(Vec::load(x[r]));
                x[r] += tap;
#pragma GCC unroll 3
                for (int t = First; t <= Last; t += Step) sum[r][t] = Vec::fma(gradient[t], v, sum[r][t]);
            }
        };
        if constexpr (Step == 1) {
            element.template operator()<0, 0, true>();
            if (p.columns == 1) {
                element.template operator()<1, 1, true>();
            } else {
                element.template operator()<0, 1, true>();
                for (std::int64_t i = p.columns - 2; i > 0; --i) element.template operator()<0, 2, true>();
                element.template operator()<1, 2, true>();
            }
        } else {
            element.template operator()<0, 0, true>();
            element.template operator()<1, 1, false>();
            for (std::int64_t i = p.columns - 1; i > 0; --i) {
                element.template operator()<0, 2, true>();
                element.template operator()<1, 1, false>();
            }
        }
        element.template operator()<2, 2, true>();
    }
#pragma GCC unroll 9
    for (int t = 0; t < Rows * Taps; ++t) Vec::store(sums + t * p.sum_step, sum[t / Taps][t % Taps]);
}

template <class Vec, int Rows, int Taps, class Pick>
void sum_tap_rows(const TapProducts<typename Vec::T>& p, const std::int64_t* offset, typename Vec::T* sums, const Pick& pick) {
    if constexpr (Taps == sliding_taps) {
        if (p.x_pixel == p.tap) {
            if (p.channels == Vec::lanes) return slide_taps<Vec, Rows, 1, true>(p, offset, sums, pick);
            return slide_taps<Vec, Rows, 1, false>(p, offset, sums, pick);
        }
        if (p.x_pixel == 2 * p.tap) {
            if (p.channels == Vec::lanes) return slide_taps<Vec, Rows, 2, true>(p, offset, sums, pick);
            return slide_taps<Vec, Rows, 2, false>(p, offset, sums, pick);
        }
    }
    if (p.channels == Vec::lanes) {
        sum_taps<Vec, Rows, Taps, true>(p, offset, sums, pick);
    } else {
        sum_taps<Vec, Rows, Taps, false>(p, offset, sums, pick);
    }
}

// Sums `Rows` tap rows at a time, then the remaining tap rows one by one.
template <class Vec, int Rows, int Taps, class Pick>
void sum_rows_of(const TapProducts<typename Vec::T>& p, typename Vec::T* sums, const Pick& pick) {
    std::int64_t r = 0;
    for (; r + Rows <= p.tap_rows; r += Rows) sum_tap_rows<Vec, Rows, Taps>(p, p.offset + r, sums + r * Taps * p.sum_step, pick);
    for (; r < p.tap_rows; ++r) sum_tap_rows<Vec, 1, Taps>(p, p.offset + r, sums + r * Taps * p.sum_step, pick);
}

template <class Vec, class Pick>
void sum_all_rows(const TapProducts<typename Vec::T>& p, typename Vec::T* sums, const Pick& pick) {
    switch (p.taps) {
        case 1: return sum_rows_of<Vec, 3, 1>(p, sums, pick);
        case 2: return sum_rows_of<Vec, 3, 2>(p, sums, pick);
        case 3: return sum_rows_of<Vec, 3, 3>(p, sums, pick);
        case 4: return sum_rows_of<Vec, 2, 4>(p, sums, pick);
        case 5: return sum_rows_of<Vec, 2, 5>(p, sums, pick);
        case 6: return sum_rows_of<Vec, 1, 6>(p, sums, pick);
        case 7: return sum_rows_of<Vec, 1, 7>(p, sums, pick);
        default: break;
    }
}

template <class Vec>
void tap_products(const TapProducts<typename Vec::T>& p) {
    if (p.group == 1) return sum_all_rows<Vec>(p, p.sums, NoPicker());
    for (std::int64_t i = 0; i < p.group; ++i) sum_all_rows<Vec>(p, p.sums + i * Vec::lanes, GroupPicker<Vec>(p.group, i));
}

// to[i] = the sum of the lanes of vector i.
template <class Vec>
void sum_lanes(const typename Vec::T* vectors, std::int64_t n, typename Vec::T* to) {
    constexpr int L = Vec::lanes;
    for (std::int64_t i = 0; i < n; i += L) {
        const int count = n - i < L ? static_cast<int>(n - i) : L;
        typename Vec::V v[L];
        for (int j = 0; j < L; ++j) v[j] = j < count ? Vec::load(vectors + (i + j) * L) : Vec::zero();
        Vec::transpose(v);
        for (int step = 1; step < L; step *= 2) {  // in pairs
            for (int j = 0; j + step < L; j += 2 * step) v[j] = Vec::add(v[j], v[j + step]);
        }
        Vec::store_n(to + i, v[0], count);
    }
}

// The same for one channel and 3x3 taps, lane = pixel, in place. Each input row is loaded once for each tap column and multiplied by the
// gradient rows that it meets, which rotate through registers. Columns outside are masked. (5x5 taps have more sums than registers, and
// copies with lane = channel are faster.)
constexpr std::int64_t rows_ahead = 12;  // the processor does not prefetch the next strip of columns or the next channel

template <class Vec>
void plane_products(const PlaneProducts<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes, Rows = plane_taps, Taps = plane_taps;
    V sum[Rows][Taps];
#pragma GCC unroll 9
    for (int t = 0; t < Rows * Taps; ++t) sum[t / Taps][t % Taps] = Vec::load(p.sums + t * L);
    // With tap row 0, input row h meets gradient row h + top.
    const std::int64_t begin = p.top < 0 ? -p.top : 0, last = p.g_rows + Rows - 1 - p.top, end = last < p.x_rows ? last : p.x_rows;
    for (std::int64_t j = 0; j < p.g_columns; j += L) {
        const auto clamped = [](std::int64_t n) { return static_cast<int>(n < 0 ? 0 : n > L ? L : n); };
        const int columns = clamped(p.g_columns - j);
        typename Vec::Mask of_x[Taps];
#pragma GCC unroll 7
        for (int t = 0; t < Taps; ++t) of_x[t] = Vec::between(clamped(p.left - t - j), clamped(p.x_columns - (j + t - p.left)));
        for (std::int64_t plane = 0; plane < p.planes; ++plane) {
            const T* of_plane = p.g + plane * p.g_plane + j;
            const auto gradient = [&](std::int64_t row) {
                const int n = row >= 0 && row < p.g_rows ? columns : 0;  // a branch would be mispredicted at both ends
                return Vec::load_masked(of_plane + row * p.g_row, Vec::between(0, n));
            };
            V g[Rows];
#pragma GCC unroll 7
            for (int r = 1; r < Rows; ++r) g[r - 1] = gradient(begin + p.top - r);
            const T* x = p.x + plane * p.x_plane + begin * p.x_row + j - p.left;
            for (std::int64_t h = begin; h < end; ++h, x += p.x_row) {
                __builtin_prefetch(x + rows_ahead * p.x_row);
                __builtin_prefetch(of_plane + (h + p.top + rows_ahead) * p.g_row);
#pragma GCC unroll 7
                for (int r = Rows - 1; r > 0; --r) g[r] = g[r - 1];
                g[0] = gradient(h + p.top);
#pragma GCC unroll 7
                for (int t = 0; t < Taps; ++t) {
                    const V v = Vec::load_masked(x + t, of_x[t]);
#pragma GCC unroll 7
                    for (int r = 0; r < Rows; ++r) sum[r][t] = Vec::fma(g[r], v, sum[r][t]);
                }
            }
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < Rows * Taps; ++t) Vec::store(p.sums + t * L, sum[t / Taps][t % Taps]);
}

// The same with stride 2. Pairs of vectors of x become vectors of even and odd columns. The input row that meets the last tap row for one
// gradient row meets the first tap row for the next.
template <class Vec>
void strided_plane_products(const PlaneProducts<typename Vec::T>& given) {
    using V = typename Vec::V;
    constexpr int L = Vec::lanes, Rows = plane_taps, Taps = plane_taps;
    const auto p = given;
    V sum[Rows][Taps];
#pragma GCC unroll 9
    for (int t = 0; t < Rows * Taps; ++t) sum[t / Taps][t % Taps] = Vec::load(p.sums + t * L);
    for (std::int64_t j = 0; j < p.g_columns; j += L) {
        const auto clamped = [](std::int64_t n) { return static_cast<int>(n < 0 ? 0 : n > L ? L : n); };
        const typename Vec::Mask of_g = Vec::between(0, clamped(p.g_columns - j));
        const std::int64_t column = 2 * j - p.left;  // of the first tap
        typename Vec::Mask of_x[2][2];               // [from the first tap on, from the last one][half]
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const std::int64_t first = column + i / 2 * 2 + i % 2 * L;
            of_x[i / 2][i % 2] = Vec::between(clamped(-first), clamped(p.x_columns - first));
        }
        for (std::int64_t plane = 0; plane < p.planes; ++plane) {
            const auto* x = p.x + plane * p.x_plane + column;
            const auto* g = p.g + plane * p.g_plane + j;
            V last[Taps];
            const auto load_row = [&](std::int64_t row, V(&to)[Taps]) {
                if (row < 0 || row >= p.x_rows) {
#pragma GCC unroll 3
                    for (int t = 0; t < Taps; ++t) to[t] = Vec::zero();
                    return;
                }
                const auto* from = x + row * p.x_row;
                const V low = Vec::load_masked(from, of_x[0][0]), high = Vec::load_masked(from + L, of_x[0][1]);
                to[0] = Vec::even(low, high);
                to[1] = Vec::odd(low, high);
                to[2] = Vec::even(Vec::load_masked(from + 2, of_x[1][0]), Vec::load_masked(from + 2 + L, of_x[1][1]));
            };
            const auto add_products = [&](int r, V gradient, const V(&input)[Taps]) {
#pragma GCC unroll 3
                for (int t = 0; t < Taps; ++t) sum[r][t] = Vec::fma(gradient, input[t], sum[r][t]);
            };
            load_row(-p.top, last);
            for (std::int64_t row = 0; row < p.g_rows; ++row, g += p.g_row) {
                const V gradient = Vec::load_masked(g, of_g);
                V middle[Taps];
                add_products(0, gradient, last);
                load_row(2 * row + 1 - p.top, middle);
                add_products(1, gradient, middle);
                load_row(2 * row + 2 - p.top, last);
                add_products(2, gradient, last);
            }
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < Rows * Taps; ++t) Vec::store(p.sums + t * L, sum[t / Taps][t % Taps]);
}

// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution of planes, channels first, lane = column. Strips of NX vectors of columns walk down the rows. All output rows that
// an input row contributes to are in registers at the same time. A step takes S input rows (S: the stride), loads each once per tap column,
// and finishes one output row:
//
//   3 x 3, stride 1                     age 0    age 1    age 2          ages: the newest row begins in this step, the oldest is
//   input row r, times the weights of   row 0    row 1    row 2          finished by it. Then every row is one step older: a move of
//   is a part of output row             r        r - 1    r - 2          registers, which the processor does by renaming
//
// A sum runs in the order of the taps, row by row, for every strip. Tap rows outside the plane are left out. Columns outside are masked
// loads of zeros (Masked) in the first and the last vector of a strip, or zeros in memory.
//
// Continued: an output row begins with the sums over the previous planes of taps, not with zeros.
//
// With stride 2, pairs of vectors become vectors of even and of odd columns. If lanes can be shifted in from a neighbouring vector, each
// input row is loaded just once, beginning at the middle tap (aligned, if rows are aligned and the padding is half of the kernel).
//
// Registers, avx512: 3 x 3 has 12 sums, 4 of the input, 9 weights, 3 of the epilogue; 5 x 5 20 sums, 4 of the input, 1 weight; the masks
// are elsewhere. avx2: 3 x 3 has 9 sums, 3 of the input, 1 weight, 3 of the epilogue.

// Vectors of the widest strip.
template <class Vec, int K, int S>
constexpr int depthwise_vectors() {
    constexpr int alive = (K + S - 1) / S;
    int n = 4;
    while (n > 1 && (alive + S) * n + 4 > Vec::registers) --n;
    return n;
}

// The input is prefetched four rows ahead, but at least depthwise_bytes_ahead bytes, which on narrow maps reaches into the next channel.
constexpr std::int64_t depthwise_bytes_ahead = 1024;

template <class Vec, int K, int S>
constexpr bool shifts_columns = false;
template <class Vec, int K>
    requires requires(typename Vec::V v) { Vec::shift_up(v, v); }
constexpr bool shifts_columns<Vec, K, 2> = K <= 5;

// within[first or last vector][tap column][half of the pair]; before, after: masks of the lanes that are shifted in.
template <class Vec, int K, int S, bool Masked>
struct DepthwiseMasks {
    DepthwiseMasks(std::int64_t, std::int64_t, int) {}
};

template <class Vec, int K, int S>
struct DepthwiseMasks<Vec, K, S, true> {
    static constexpr int taps = shifts_columns<Vec, K, S> ? 1 : K, middle = shifts_columns<Vec, K, S> ? K / 2 : 0;
    typename Vec::Mask within[2][taps][S], before[2], after;

    // column: where the first tap meets the first vector
    DepthwiseMasks(std::int64_t column, std::int64_t columns, int vectors) {
        constexpr int L = Vec::lanes;
        const auto lanes = [&](std::int64_t first) {
            const auto lane = [](std::int64_t i) { return static_cast<int>(i < 0 ? 0 : i < L ? i : L); };
            return Vec::between(lane(-first), lane(columns - first));
        };
#pragma GCC unroll 2
        for (int side = 0; side < 2; ++side) {
#pragma GCC unroll 8
            for (int s = 0; s < taps; ++s) {
#pragma GCC unroll 2
                for (int h = 0; h < S; ++h) within[side][s][h] = lanes(column + side * (vectors - 1) * S * L + middle + s + h * L);
            }
            before[side] = lanes(column + middle - L - side);
        }
        after = lanes(column + middle + vectors * S * L);
    }
};

// One strip of one channel.
template <class Vec, int K, int S, int NX, bool Masked, bool Continued>
struct DepthwiseStrip {
    using T = typename Vec::T;
    using V = typename Vec::V;
    using Masks = DepthwiseMasks<Vec, K, S, Masked>;
    static constexpr int L = Vec::lanes;
    static constexpr int A = (K + S - 1) / S;  // ages
    static constexpr bool shifted = shifts_columns<Vec, K, S>;
    static constexpr bool kept = K * K + (A + S) * NX + 4 <= Vec::registers;  // are the weights, in registers?

    const T* x;  // the first tap of the step
    std::int64_t x_row, row, input_rows, ahead;
    const T* w;
    V weights[kept ? K * K : 1];
    Masks masks;
    V sum[A][NX];
    V bias;
    Limits<Vec> limits;
    T* y;
    const T *residual, *start;
    std::int64_t y_row, residual_row, start_row;
    int tail;  // columns of the last vector

    [[gnu::always_inline]] V load(const T* p, int vector, int s, int half) const {
        if constexpr (Masked) {
            if (vector == 0) return Vec::load_masked(p, masks.within[0][s][half]);
            if (vector == NX - 1) return Vec::load_masked(p, masks.within[1][s][half]);
        }
        return Vec::load(p);
    }

    // Adds the products of input row q of the step and tap column s. All: output rows of all ages are in registers; else newest to oldest.
    template <bool All>
    [[gnu::always_inline]] void add_products(const V (&input)[NX], const T* from, int q, int s, std::int64_t newest, std::int64_t oldest) {
#pragma GCC unroll 8
        for (int age = A - 1; age >= 0; --age) {
            const int t = S * age + q;
            if (t >= K || (!All && (age < newest || age > oldest))) continue;
            V weight;
            if constexpr (kept) {
                weight = weights[t * K + s];
            } else {
                weight = Vec::set1(from[t * K + s]);
            }
#pragma GCC unroll 4
            for (int j = 0; j < NX; ++j) sum[age][j] = Vec::fma(weight, input[j], sum[age][j]);
        }
    }

    // Keeps the compiler from holding weights for which there are no registers, and from loading an input vector again for each product.
    [[gnu::always_inline]] static void loaded() { asm volatile("" ::: "memory"); }

    template <bool All>
    [[gnu::always_inline]] void take_row(int q, std::int64_t newest, std::int64_t oldest) {
        const T* from = w;
        if constexpr (!kept) asm volatile("" : "+r"(from));
        if constexpr (shifted) {
            take_shifted<All>(from, q, newest, oldest);
        } else {
#pragma GCC unroll 8
            for (int s = 0; s < K; s += S) {
                V input[S][NX];
#pragma GCC unroll 4
                for (int j = 0; j < NX; ++j) {
                    const V low = load(x + S * j * L + s, j, s, 0);
                    if constexpr (S == 1) {
                        input[0][j] = low;
                    } else {
                        const V high = load(x + (S * j + 1) * L + s, j, s, 1);
                        input[0][j] = Vec::even(low, high);
                        input[1][j] = Vec::odd(low, high);
                    }
                }
                loaded();
                add_products<All>(input[0], from, q, s, newest, oldest);
                if constexpr (S == 2) {
                    if (s + 1 < K) add_products<All>(input[1], from, q, s + 1, newest, oldest);
                }
            }
        }
    }

    // before: lane L - 1 is the element `back` places before the one at the middle tap. after: lane 0 is the element after the last vector.
    [[gnu::always_inline]] V before(int back) const {
        if constexpr (Masked) return Vec::load_masked(x + K / 2 - L - (back - 1), masks.before[back - 1]);
        return Vec::set1(x[K / 2 - back]);
    }
    [[gnu::always_inline]] V after() const {
        const T* p = x + K / 2 + S * NX * L;
        if constexpr (Masked) return Vec::load_masked(p, masks.after);
        return Vec::set1(*p);
    }

    template <bool All>
    [[gnu::always_inline]] void take_shifted(const T* from, int q, std::int64_t newest, std::int64_t oldest) {
        constexpr int middle = K / 2;
        V even[NX], odd[NX], moved[NX];
#pragma GCC unroll 4
        for (int j = 0; j < NX; ++j) {
            const V low = load(x + 2 * j * L + middle, j, 0, 0), high = load(x + (2 * j + 1) * L + middle, j, 0, 1);
            even[j] = Vec::even(low, high);
            odd[j] = Vec::odd(low, high);
        }
        loaded();
        if constexpr (K == 5) {
#pragma GCC unroll 4
            for (int j = 0; j < NX; ++j) moved[j] = Vec::shift_up(j == 0 ? before(2) : even[j - 1], even[j]);
            add_products<All>(moved, from, q, 0, newest, oldest);
        }
#pragma GCC unroll 4
        for (int j = 0; j < NX; ++j) moved[j] = Vec::shift_up(j == 0 ? before(1) : odd[j - 1], odd[j]);
        add_products<All>(moved, from, q, middle - 1, newest, oldest);
        add_products<All>(even, from, q, middle, newest, oldest);
        add_products<All>(odd, from, q, middle + 1, newest, oldest);
        if constexpr (K == 5) {
#pragma GCC unroll 4
            for (int j = 0; j < NX; ++j) moved[j] = Vec::shift_down(even[j], j == NX - 1 ? after() : even[j + 1]);
            add_products<All>(moved, from, q, 4, newest, oldest);
        }
    }

    [[gnu::always_inline]] void grow_older() {
#pragma GCC unroll 8
        for (int age = A - 1; age > 0; --age) {
#pragma GCC unroll 4
            for (int j = 0; j < NX; ++j) sum[age][j] = sum[age - 1][j];
        }
    }

    // Stores the oldest row.
    [[gnu::always_inline]] void finish() {
        V v[NX];
#pragma GCC unroll 4
        for (int j = 0; j < NX; ++j) v[j] = Vec::add(sum[A - 1][j], bias);
        if (residual) {
#pragma GCC unroll 4
            for (int j = 0; j < NX; ++j) {
                v[j] = Vec::add(v[j], j < NX - 1 ? Vec::load(residual + j * L) : Vec::load_n(residual + j * L, tail));
            }
            residual += residual_row;
        }
#pragma GCC unroll 4
        for (int j = 0; j < NX; ++j) v[j] = limits(v[j]);
#pragma GCC unroll 4
        for (int j = 0; j < NX - 1; ++j) Vec::store(y + j * L, v[j]);
        if (tail == L) {
            Vec::store(y + (NX - 1) * L, v[NX - 1]);
        } else {
            Vec::store_n(y + (NX - 1) * L, v[NX - 1], tail);
        }
        y += y_row;
    }

    // Begins the newest row. It begins with zeros, not with a product, in every step and at edges, so that no sum is -0 wherever blocks are
    // cut.
    [[gnu::always_inline]] void begin() {
#pragma GCC unroll 4
        for (int j = 0; j < NX; ++j) {
            sum[0][j] = !Continued ? Vec::zero() : j < NX - 1 ? Vec::load(start + j * L) : Vec::load_n(start + j * L, tail);
        }
        if constexpr (Continued) start += start_row;
    }

    // A step that lacks rows of the input or of the output: only the ages from newest to oldest are in use.
    [[gnu::always_inline]] void step_at_edge(std::int64_t newest, std::int64_t oldest) {
        if (newest == 0) begin();
#pragma GCC unroll 2
        for (int q = 0; q < S; ++q, ++row, x += x_row) {
            if (row >= 0 && row < input_rows) take_row<false>(q, newest, oldest);
        }
    }

    [[gnu::always_inline]] void step() {
        begin();
#pragma GCC unroll 2
        for (int q = 0; q < S; ++q, ++row, x += x_row) {
            take_row<true>(q, 0, A - 1);
            const char* next = reinterpret_cast<const char*>(x) + ahead;
#pragma GCC unroll 8
            for (int j = 0; j < S * NX; ++j) __builtin_prefetch(next + j * static_cast<std::int64_t>(L * sizeof(T)));
        }
    }

    // Step i begins output row i and finishes row i - (A - 1). Steps whole_from to whole_to - 1 have all of their input rows.
    [[gnu::always_inline]] void run(std::int64_t rows, std::int64_t whole_from, std::int64_t whole_to) {
        const std::int64_t steps = rows + A - 1;
        if (whole_from < A - 1) whole_from = A - 1;
        if (whole_to > rows) whole_to = rows;
        std::int64_t edge = whole_from < whole_to ? whole_from : steps;
        for (std::int64_t i = 0;;) {
            for (; i < edge; ++i) {
                step_at_edge(i < rows ? 0 : i - rows + 1, i);
                if (i >= A - 1) finish();
                grow_older();
            }
            if (i == steps) return;
            for (; i < whole_to; ++i) {
                step();
                finish();
                grow_older();
            }
            edge = steps;
        }
    }
};

// The strip of columns that begins at `column`, for `channels` channels from `channel` on.
template <class Vec, int K, int S, int NX, bool Masked, bool Continued>
[[gnu::noinline]] void depthwise_strip(const DepthwisePlanes<typename Vec::T>& given, std::int64_t column, std::int64_t channel,
                                       std::int64_t channels) {
    using Strip = DepthwiseStrip<Vec, K, S, NX, Masked, Continued>;
    using T = typename Vec::T;
    constexpr int L = Vec::lanes;
    const DepthwisePlanes<T> p = given;  // the compiler must assume that a vector store changes the original
    const Output<T>& o = p.output;
    const std::int64_t columns = p.columns - column < NX * L ? p.columns - column : NX * L;
    const std::int64_t first_column = p.first_column + S * column;
    const std::int64_t whole_from = p.first_row < 0 ? (S - 1 - p.first_row) / S : 0;
    const std::int64_t whole_to = p.input_rows < p.first_row + S ? 0 : (p.input_rows - p.first_row) / S;
    const std::int64_t row_bytes = p.x_row * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t ahead = 4 * row_bytes > depthwise_bytes_ahead ? 4 * row_bytes : depthwise_bytes_ahead;
    const typename Strip::Masks masks(first_column, p.input_columns, NX);
    const Limits<Vec> limits(o);
    for (std::int64_t c = channel; c < channel + channels; ++c) {
        const T* x = p.x + c * p.x_channel + p.first_row * p.x_row + first_column;
        T* y = o.y + c * o.y_stride + column;
        const T* residual = o.residual ? o.residual + c * o.residual_stride + column : nullptr;
        const T* start = Continued ? p.start + c * p.start_channel + column : nullptr;
        const typename Vec::V bias = o.bias ? Vec::set1(o.bias[c]) : Vec::zero();
        Strip strip{x,        p.x_row, p.first_row, p.input_rows,   ahead,       p.w + c * p.w_channel,
                    {},       masks,   {},          bias,           limits,      y,
                    residual, start,   p.y_row,     p.residual_row, p.start_row, static_cast<int>(columns - (NX - 1) * L)};
        if constexpr (Strip::kept) {
#pragma GCC unroll 9
            for (int i = 0; i < K * K; ++i) strip.weights[i] = Vec::set1(strip.w[i]);
        }
        strip.run(p.rows, whole_from, whole_to);
        if (!activated_in_registers(o)) {
            for (std::int64_t i = 0; i < p.rows; ++i) activate<Vec>(o.activation, o.a, o.b, y + i * p.y_row, columns);
        }
    }
}

template <class Vec, int K, int S, bool Masked, bool Continued>
void run_depthwise_strip(const DepthwisePlanes<typename Vec::T>& p, int vectors, std::int64_t column, std::int64_t channel,
                         std::int64_t channels) {
    constexpr int most = depthwise_vectors<Vec, K, S>();
    if (vectors == 1) depthwise_strip<Vec, K, S, 1, Masked, Continued>(p, column, channel, channels);
    if constexpr (most >= 2) {
        if (vectors == 2) depthwise_strip<Vec, K, S, 2, Masked, Continued>(p, column, channel, channels);
    }
    if constexpr (most >= 3) {
        if (vectors == 3) depthwise_strip<Vec, K, S, 3, Masked, Continued>(p, column, channel, channels);
    }
    if constexpr (most >= 4) {
        if (vectors == 4) depthwise_strip<Vec, K, S, 4, Masked, Continued>(p, column, channel, channels);
    }
}

// Strips have nearly the same width. A single strip takes all channels. Otherwise the strips of a channel follow each other, so that the
// channel stays in the cache.
template <class Vec, int K, int S, bool Masked, bool Continued>
void depthwise_planes(const DepthwisePlanes<typename Vec::T>& p) {
    constexpr int L = Vec::lanes;
    constexpr int most = depthwise_vectors<Vec, K, S>();
    const std::int64_t channels = p.output.channels, vectors = (p.columns + L - 1) / L;
    const std::int64_t group = vectors <= most ? channels : 1;
    for (std::int64_t c = 0; c < channels; c += group) {
        std::int64_t left = vectors;
        while (left > 0) {
            const std::int64_t strips = (left + most - 1) / most, column = (vectors - left) * L, from = p.first_column + S * column;
            int n = static_cast<int>((left + strips - 1) / strips);
            if constexpr (Masked) {
                const auto inside = [&](std::int64_t first, std::int64_t count) {  // loads of `count` vectors from `first` on
                    return from + S * first * L >= 0 && from + S * (first + count) * L + K - 1 <= p.input_columns;
                };
                if (!inside(0, n)) {
                    if (n > 2 && !inside(1, n - 2)) n = 2;  // only the first and the last vector have masks
                    run_depthwise_strip<Vec, K, S, true, Continued>(p, n, column, c, group);
                    left -= n;
                    continue;
                }
            }
            run_depthwise_strip<Vec, K, S, false, Continued>(p, n, column, c, group);
            left -= n;
        }
    }
}

template <class Vec, int K, int S>
constexpr void fill_depthwise_planes(DepthwiseKernels<typename Vec::T>& k) {
    if constexpr (Vec::masks) k.planes[K / 2 - 1][S - 1] = {&depthwise_planes<Vec, K, S, true, false>, nullptr};
    k.padded_planes[K / 2 - 1][S - 1] = {&depthwise_planes<Vec, K, S, false, false>, nullptr};
    if constexpr (K == 3) {
        if constexpr (Vec::masks) k.planes[K / 2 - 1][S - 1].continued = &depthwise_planes<Vec, K, S, true, true>;
        k.padded_planes[K / 2 - 1][S - 1].continued = &depthwise_planes<Vec, K, S, false, true>;
    }
}

// SPDX-License-Identifier: BSD-3-Clause
// Sums and maxima of long windows: whole planes, and windows of adaptive pooling. Sums are in float64, but runs of up to short_run float32
// values are first added in pairs in float32, at most eight values to a sum. Callers sum run by run and add these sums in pairs, so that
// the error grows with the logarithm of the length.

constexpr std::int64_t short_run = 64;
constexpr int most_in_pairs = 8;

// The pairwise sum of n <= 8 vectors. load(i) is vector i.
template <class Vec, class Load>
[[gnu::always_inline]] inline typename Vec::V in_pairs(int n, const Load& load) {
    if (n == 8) {
        const auto a = Vec::add(Vec::add(load(0), load(1)), Vec::add(load(2), load(3)));
        return Vec::add(a, Vec::add(Vec::add(load(4), load(5)), Vec::add(load(6), load(7))));
    }
    if (n == 4) return Vec::add(Vec::add(load(0), load(1)), Vec::add(load(2), load(3)));
    auto sum = load(0);
    for (int i = 1; i < n; ++i) sum = Vec::add(sum, load(i));
    return sum;
}

// The sum of eight vectors, in float64.
template <class Vec>
struct Wide;

template <>
struct Wide<F32> {
    static constexpr int parts = 2;
    static void load(const float* p, F64::V (&v)[2]) { F32::to_f64(F32::load(p), v[0], v[1]); }
    static void load_n(const float* p, int n, F64::V (&v)[2]) { F32::to_f64(F32::load_n(p, n), v[0], v[1]); }
};

template <>
struct Wide<F64> {
    static constexpr int parts = 1;
    static void load(const double* p, F64::V (&v)[1]) { v[0] = F64::load(p); }
    static void load_n(const double* p, int n, F64::V (&v)[1]) { v[0] = F64::load_n(p, n); }
};

// The sum of n values, at most several thousand, in four sums side by side.
template <class Vec>
[[gnu::always_inline]] inline F64::V lanes_of_run(const typename Vec::T* x, std::int64_t n) {
    constexpr std::int64_t L = Vec::lanes;
    if constexpr (sizeof(typename Vec::T) == 4) {
        if (n <= short_run && n <= most_in_pairs * L) {
            const int whole = static_cast<int>(n / L), left = static_cast<int>(n % L);
            F64::V low, high;
            F32::to_f64(in_pairs<Vec>(whole + (left > 0 ? 1 : 0),
                                      [&](int i) { return i < whole ? Vec::load(x + i * L) : Vec::load_n(x + i * L, left); }),
                        low, high);
            return F64::add(low, high);
        }
    }
    constexpr int parts = Wide<Vec>::parts, rows = 4 / parts;
    F64::V sum[4] = {F64::zero(), F64::zero(), F64::zero(), F64::zero()}, v[parts];
    const auto add = [&](int row) {
#pragma GCC unroll 2
        for (int i = 0; i < parts; ++i) sum[row * parts + i] = F64::add(sum[row * parts + i], v[i]);
    };
    std::int64_t i = 0;
    for (; i + rows * L <= n; i += rows * L) {
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row) {
            Wide<Vec>::load(x + i + row * L, v);
            add(row);
        }
    }
    for (int row = 0; i < n; i += L, ++row) {
        if (i + L <= n)
            Wide<Vec>::load(x + i, v);
        else
            Wide<Vec>::load_n(x + i, static_cast<int>(n - i), v);
        row == 0 ? add(0) : row == 1 ? add(1 % rows) : row == 2 ? add(2 % rows) : add(3 % rows);
    }
    return F64::add(F64::add(sum[0], sum[1]), F64::add(sum[2], sum[3]));
}

template <class Vec>
double sum_of_run(const typename Vec::T* x, std::int64_t n) {
    double lane[F64::lanes];
    F64::store(lane, lanes_of_run<Vec>(x, n));
    for (int half = F64::lanes / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    }
    return lane[0];
}

// The same for many contiguous runs. One run for each lane of a vector is summed at a time, and their sums are transposed, so that the last
// additions are of whole vectors, in the same order.
template <class Vec>
void sums_of_runs(const typename Vec::T* x, std::int64_t length, std::int64_t runs, double* sums) {
    constexpr int L = F64::lanes;
    std::int64_t p = 0;
    for (; p + L <= runs; p += L) {
        F64::V r[L];
        for (int i = 0; i < L; ++i) r[i] = lanes_of_run<Vec>(x + (p + i) * length, length);
        F64::transpose(r);
        for (int half = L / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; ++i) r[i] = F64::add(r[i], r[i + half]);
        }
        F64::store(sums + p, r[0]);
    }
    for (; p < runs; ++p) sums[p] = sum_of_run<Vec>(x + p * length, length);
}

// sums[c] = the sum of channel c over n pixels. Eight pixels at a time give eight streams through memory, whatever the distance of pixels.
template <class Vec, int Pixels, class Load>
[[gnu::always_inline]] inline void group_sum(int pixels, bool in_float, const Load& load, F64::V (&sum)[Wide<Vec>::parts]) {
    const int n = Pixels > 0 ? Pixels : pixels;
    if constexpr (sizeof(typename Vec::T) == 4) {
        if (in_float) return F32::to_f64(in_pairs<Vec>(n, load), sum[0], sum[1]);
        F32::to_f64(load(0), sum[0], sum[1]);
#pragma GCC unroll 8
        for (int i = 1; i < n; ++i) {
            F64::V low, high;
            F32::to_f64(load(i), low, high);
            sum[0] = F64::add(sum[0], low);
            sum[1] = F64::add(sum[1], high);
        }
    } else {
        sum[0] = in_pairs<Vec>(n, load);
    }
}

template <class Vec, int Pixels>
[[gnu::always_inline]] inline void add_group(const typename Vec::T* x, std::int64_t step, int pixels, bool in_float, std::int64_t channels,
                                             bool first, double* sums) {
    constexpr std::int64_t L = Vec::lanes;
    F64::V v[Wide<Vec>::parts];
    std::int64_t c = 0;
    for (; c + L <= channels; c += L) {
        const typename Vec::T* from = x + c;
        group_sum<Vec, Pixels>(pixels, in_float, [from, step](int i) { return Vec::load(from + i * step); }, v);
        for (int i = 0; i < Wide<Vec>::parts; ++i) {
            double* to = sums + c + i * F64::lanes;
            F64::store(to, first ? v[i] : F64::add(F64::load(to), v[i]));
        }
    }
    if (c == channels) return;
    const int left = static_cast<int>(channels - c);
    const typename Vec::T* from = x + c;
    group_sum<Vec, Pixels>(pixels, in_float, [from, step, left](int i) { return Vec::load_n(from + i * step, left); }, v);
    double lane[L];
    for (int i = 0; i < Wide<Vec>::parts; ++i) F64::store(lane + i * F64::lanes, v[i]);
    for (int i = 0; i < left; ++i) sums[c + i] = first ? lane[i] : sums[c + i] + lane[i];
}

template <class Vec>
void sums_of_pixels(const typename Vec::T* x, std::int64_t step, std::int64_t n, std::int64_t channels, double* sums) {
    const bool in_float = n <= short_run;
    for (std::int64_t p = 0; p < n; p += most_in_pairs) {
        const int pixels = n - p < most_in_pairs ? static_cast<int>(n - p) : most_in_pairs;
        if (pixels == most_in_pairs)
            add_group<Vec, most_in_pairs>(x + p * step, step, pixels, in_float, channels, p == 0, sums);
        else
            add_group<Vec, 0>(x + p * step, step, pixels, in_float, channels, p == 0, sums);
    }
}

template <class Vec>
void add_run(const typename Vec::T* x, std::int64_t n, typename Vec::T* y) {
    constexpr std::int64_t L = Vec::lanes;
    std::int64_t i = 0;
    for (; i + L <= n; i += L) Vec::store(y + i, Vec::add(Vec::load(y + i), Vec::load(x + i)));
    const int left = static_cast<int>(n - i);
    if (left > 0) Vec::store_n(y + i, Vec::add(Vec::load_n(y + i, left), Vec::load_n(x + i, left)), left);
}

template <class Vec>
typename Vec::T maximum_of_run(const typename Vec::T* x, std::int64_t n) {
    using T = typename Vec::T;
    constexpr std::int64_t L = Vec::lanes;
    const auto later = [](T first, T second) { return second > first || second != second ? second : first; };
    T result = x[0];
    std::int64_t i = 0;
    if (n >= L) {
        auto a = Vec::load(x), b = a;
        for (i = L; i + 2 * L <= n; i += 2 * L) {
            a = Vec::later(a, Vec::load(x + i));
            b = Vec::later(b, Vec::load(x + i + L));
        }
        T lane[L];
        Vec::store(lane, Vec::later(a, b));
        result = lane[0];
        for (std::int64_t l = 1; l < L; ++l) result = later(result, lane[l]);
    }
    for (; i < n; ++i) result = later(result, x[i]);
    return result;
}

template <class Vec>
void join_pixels(const typename Vec::T* x, std::int64_t step, std::int64_t n, std::int64_t channels, typename Vec::T* maxima) {
    constexpr std::int64_t L = Vec::lanes;
    for (std::int64_t c = 0; c < channels; c += L) {
        const int lanes = channels - c < L ? static_cast<int>(channels - c) : static_cast<int>(L);
        const auto load = [lanes](const typename Vec::T* p) { return lanes == L ? Vec::load(p) : Vec::load_n(p, lanes); };
        auto v = load(maxima + c);
        for (std::int64_t p = 0; p < n; ++p) v = Vec::later(v, load(x + p * step + c));
        Vec::store_n(maxima + c, v, lanes);
    }
}

template <class Vec>
bool within(const typename Vec::T* x, std::int64_t n, typename Vec::T least, typename Vec::T most) {
    constexpr std::int64_t L = Vec::lanes;
    const auto low = Vec::set1(least), high = Vec::set1(most);
    auto outside = low < low;
    std::int64_t i = 0;
    for (; i + L <= n; i += L) {
        const auto v = Vec::load(x + i);
        outside |= (v < low) | (v > high);
    }
    bool all = true;
    for (std::int64_t l = 0; l < L; ++l) all &= outside[l] == 0;
    for (; i < n; ++i) all &= x[i] >= least && x[i] <= most;
    return all;
}

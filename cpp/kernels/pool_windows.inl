// SPDX-License-Identifier: BSD-3-Clause
// Sums and maxima of long windows: whole planes, and those of adaptive pooling. float32 is added in pairs up to eight vectors, then in
// float64; float64 in pairs all the way (a stack of sums of 1, 2, 4, ... blocks), so that the error grows with the logarithm of the length.

constexpr int block_vectors = 8;

template <class Vec>
struct LongSum;

template <>
struct LongSum<F32> {
    F64::V low = F64::zero(), high = F64::zero();
    void add(F32::V v) {
        F64::V l, h;
        F32::to_f64(v, l, h);
        low = F64::add(low, l);
        high = F64::add(high, h);
    }
    double total() const {
        double lane[F32::lanes];
        F64::store(lane, low);
        F64::store(lane + F64::lanes, high);
        for (int n = F32::lanes / 2; n > 0; n /= 2) {
            for (int i = 0; i < n; ++i) lane[i] += lane[i + n];
        }
        return lane[0];
    }
};

template <>
struct LongSum<F64> {
    F64::V level[48];
    std::uint64_t blocks = 0;
    void add(F64::V v) {
        int l = 0;
        for (std::uint64_t full = blocks++; (full & 1) != 0; full >>= 1) v = F64::add(level[l++], v);
        level[l] = v;
    }
    double total() const {
        F64::V sum = F64::zero();
        int l = 0;
        for (std::uint64_t left = blocks; left != 0; left >>= 1, ++l) {
            if ((left & 1) != 0) sum = F64::add(level[l], sum);
        }
        double lane[F64::lanes];
        F64::store(lane, sum);
        for (int n = F64::lanes / 2; n > 0; n /= 2) {
            for (int i = 0; i < n; ++i) lane[i] += lane[i + n];
        }
        return lane[0];
    }
};

// Up to eight vectors in pairs: load(i) is vector i.
template <class Vec, class Load>
[[gnu::always_inline]] inline typename Vec::V pairwise(int n, const Load& load) {
    if (n == block_vectors) {
        const auto a = Vec::add(Vec::add(load(0), load(1)), Vec::add(load(2), load(3)));
        return Vec::add(a, Vec::add(Vec::add(load(4), load(5)), Vec::add(load(6), load(7))));
    }
    auto sum = Vec::zero();
    int i = 0;
    if (n >= 4) {
        sum = Vec::add(Vec::add(load(0), load(1)), Vec::add(load(2), load(3)));
        i = 4;
    }
    auto rest = Vec::zero();
    if (n - i >= 2) {
        rest = Vec::add(load(i), load(i + 1));
        i += 2;
    }
    if (i < n) rest = Vec::add(rest, load(i));
    return Vec::add(sum, rest);
}

// Values begin.. of a run of n, fewer than a block.
template <class Vec>
[[gnu::always_inline]] inline typename Vec::V rest_of_run(const typename Vec::T* x, std::int64_t n) {
    constexpr std::int64_t L = Vec::lanes;
    const int vectors = static_cast<int>((n + L - 1) / L), whole = static_cast<int>(n / L), left = static_cast<int>(n % L);
    return pairwise<Vec>(vectors, [&](int i) { return i < whole ? Vec::load(x + i * L) : Vec::load_n(x + i * L, left); });
}

template <class Vec>
double sum_of_run(const typename Vec::T* x, std::int64_t n) {
    constexpr std::int64_t L = Vec::lanes, block = block_vectors * L;
    LongSum<Vec> sum;
    std::int64_t i = 0;
    for (; i + block <= n; i += block) sum.add(pairwise<Vec>(block_vectors, [&](int v) { return Vec::load(x + i + v * L); }));
    if (i < n) sum.add(rest_of_run<Vec>(x + i, n - i));
    return sum.total();
}

// Planes of at most a block: as many at a time as a vector has lanes, turned so that the last additions, too, are of whole vectors.
template <class Vec>
void sums_of_planes(const typename Vec::T* x, std::int64_t plane, std::int64_t planes, double* sums) {
    constexpr int L = Vec::lanes;
    if (plane > block_vectors * L) {
        for (std::int64_t p = 0; p < planes; ++p) sums[p] = sum_of_run<Vec>(x + p * plane, plane);
        return;
    }
    for (std::int64_t p = 0; p < planes; p += L) {
        const int n = planes - p < L ? static_cast<int>(planes - p) : L;
        typename Vec::V r[L];
        for (int i = 0; i < L; ++i) r[i] = i < n ? rest_of_run<Vec>(x + (p + i) * plane, plane) : Vec::zero();
        Vec::transpose(r);
        for (int half = L / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; ++i) r[i] = Vec::add(r[i], r[i + half]);
        }
        typename Vec::T sum[L];
        Vec::store(sum, r[0]);
        for (int i = 0; i < n; ++i) sums[p + i] = static_cast<double>(sum[i]);
    }
}

template <class Vec>
void add_pixels(const typename Vec::T* x, std::int64_t step, std::int64_t n, std::int64_t channels, double* sums) {
    constexpr std::int64_t L = Vec::lanes;
    for (std::int64_t p = 0; p < n; p += block_vectors) {
        const int pixels = n - p < block_vectors ? static_cast<int>(n - p) : block_vectors;
        for (std::int64_t c = 0; c < channels; c += L) {
            const int lanes = channels - c < L ? static_cast<int>(channels - c) : static_cast<int>(L);
            const typename Vec::T* from = x + p * step + c;
            const auto v = lanes == L ? pairwise<Vec>(pixels, [&](int i) { return Vec::load(from + i * step); })
                                      : pairwise<Vec>(pixels, [&](int i) { return Vec::load_n(from + i * step, lanes); });
            if constexpr (sizeof(typename Vec::T) == 4) {
                F64::V low, high;
                F32::to_f64(v, low, high);
                constexpr int half = F64::lanes;
                const int l = lanes < half ? lanes : half, h = lanes - l;
                F64::store_n(sums + c, F64::add(F64::load_n(sums + c, l), low), l);
                if (h > 0) F64::store_n(sums + c + half, F64::add(F64::load_n(sums + c + half, h), high), h);
            } else {
                F64::store_n(sums + c, F64::add(F64::load_n(sums + c, lanes), v), lanes);
            }
        }
    }
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

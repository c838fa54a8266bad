// SPDX-License-Identifier: BSD-3-Clause
// The epilogue: from finished sums to the output, with bias, residual and activation. Clamping activations are applied in registers, other
// activations to the stretch of output that was just written and is still in L1.

// max(limit, value) keeps a NaN in value; without a clip the limits are infinite.
template <class Vec>
struct Limits {
    typename Vec::V low, high;
    explicit Limits(const Output<typename Vec::T>& o) {
        const bool clip = o.activation == Activation::clip;
        const auto infinity = static_cast<typename Vec::T>(__builtin_huge_val());
        low = Vec::set1(clip ? o.a : -infinity);
        high = Vec::set1(clip ? o.b : infinity);
    }
    typename Vec::V operator()(typename Vec::V v) const { return Vec::min(high, Vec::max(low, v)); }
};

template <class T>
bool activated_in_registers(const Output<T>& o) {
    return o.activation == Activation::none || o.activation == Activation::clip;
}

// sum[i][j]: vector j of channels of pixel index[i]. Activations that are not applied in registers are left to the caller.
template <class Vec, int MR, int NV>
[[gnu::always_inline]] inline void store_channel_tile(typename Vec::V (&sum)[MR][NV], const std::int64_t* index,
                                                      const Output<typename Vec::T>& o) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    const int tail = static_cast<int>(o.channels - (NV - 1) * L);  // channels of the last vector
    if (o.bias) {
#pragma GCC unroll 4
        for (int j = 0; j < NV; ++j) {
            const V bias = j < NV - 1 ? Vec::load(o.bias + j * L) : Vec::load_n(o.bias + j * L, tail);
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) sum[i][j] = Vec::add(sum[i][j], bias);
        }
    }
    if (o.residual) {
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) {
            const T* residual = o.residual + index[i] * o.residual_stride;
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) {
                sum[i][j] = Vec::add(sum[i][j], j < NV - 1 ? Vec::load(residual + j * L) : Vec::load_n(residual + j * L, tail));
            }
        }
    }
    if (o.activation == Activation::clip) {
        const Limits<Vec> limits(o);
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) sum[i][j] = limits(sum[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i) {
        T* y = o.y + index[i] * o.y_stride;
#pragma GCC unroll 4
        for (int j = 0; j < NV - 1; ++j) Vec::store(y + j * L, sum[i][j]);
        if (tail == L) {
            Vec::store(y + (NV - 1) * L, sum[i][NV - 1]);
        } else {
            Vec::store_n(y + (NV - 1) * L, sum[i][NV - 1], tail);
        }
    }
}

template <class Vec, int MR, int NV>
[[gnu::always_inline]] inline void finish_channel_tile(typename Vec::V (&sum)[MR][NV], const std::int64_t* index,
                                                       const Output<typename Vec::T>& o) {
    store_channel_tile<Vec>(sum, index, o);
    if (!activated_in_registers(o)) {
        for (int i = 0; i < MR; ++i) activate<Vec>(o.activation, o.a, o.b, o.y + index[i] * o.y_stride, o.channels);
    }
}

// sum[i][j]: channel i of the pixels index[j] .. index[j] + count[j] - 1.
template <class Vec, int MR, int NV>
[[gnu::always_inline]] inline void finish_pixel_tile(typename Vec::V (&sum)[MR][NV], const std::int64_t* index, const std::int64_t* count,
                                                     const Output<typename Vec::T>& o) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    if (o.bias) {
#pragma GCC unroll 8
        for (int i = 0; i < MR; ++i) {
            const V bias = Vec::set1(o.bias[i]);
#pragma GCC unroll 4
            for (int j = 0; j < NV; ++j) sum[i][j] = Vec::add(sum[i][j], bias);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
        const int n = static_cast<int>(count[j]);
        T* y = o.y + index[j];
        if (o.residual) {
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) {
                sum[i][j] = Vec::add(sum[i][j], Vec::load_n(o.residual + i * o.residual_stride + index[j], n));
            }
        }
        if (o.activation == Activation::clip) {
            const Limits<Vec> limits(o);
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) sum[i][j] = limits(sum[i][j]);
        }
        if (n == L) {
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) Vec::store(y + i * o.y_stride, sum[i][j]);
        } else {
#pragma GCC unroll 8
            for (int i = 0; i < MR; ++i) Vec::store_n(y + i * o.y_stride, sum[i][j], n);
        }
    }
    if (!activated_in_registers(o)) {
        for (int i = 0; i < MR; ++i) {
            for (int j = 0; j < NV; ++j) activate<Vec>(o.activation, o.a, o.b, o.y + i * o.y_stride + index[j], count[j]);
        }
    }
}

template <class Vec>
[[gnu::always_inline]] inline void load_transposed(const typename Vec::T* p, std::int64_t stride, typename Vec::V (&rows)[Vec::lanes]) {
    if constexpr (requires { Vec::load_transposed(p, stride, rows); }) {
        Vec::load_transposed(p, stride, rows);
    } else {
        for (int r = 0; r < Vec::lanes; ++r) rows[r] = Vec::load(p + r * stride);
        Vec::transpose(rows);
    }
}

// A block of channels from c on and pixels from i on. Whole: a vector of each; else `channels` channels and `pixels` pixels.
template <class Vec, bool Whole>
[[gnu::always_inline]] inline void transpose_block(const PixelSums<typename Vec::T>& p, const Limits<Vec>& limits, std::int64_t c,
                                                   std::int64_t i, int channels, int pixels) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    const Output<T>& o = p.output;
    const T* sums = p.sums + i * p.stride + c;
    V block[L];  // vectors of channels, one for each pixel; after the transpose, vectors of pixels
    if constexpr (Whole) {
        load_transposed<Vec>(sums, p.stride, block);
    } else {
        for (int r = 0; r < L; ++r) block[r] = r < pixels ? Vec::load(sums + r * p.stride) : Vec::zero();
        Vec::transpose(block);
    }
    T* y = o.y + c * o.y_stride + i;
    const T* residual = o.residual ? o.residual + c * o.residual_stride + i : nullptr;
#pragma GCC unroll 16
    for (int r = 0; r < (Whole ? L : channels); ++r, y += o.y_stride) {
        V v = block[r];
        if (o.bias) v = Vec::add(v, Vec::set1(o.bias[c + r]));
        if (residual) v = Vec::add(v, Vec::load_n(residual + r * o.residual_stride, pixels));
        v = limits(v);
        if constexpr (Whole) {
            Vec::store(y, v);
        } else {
            Vec::store_n(y, v, pixels);
        }
    }
}

template <class Vec>
void transpose_sums(const PixelSums<typename Vec::T>& p) {
    constexpr int L = Vec::lanes;
    const auto& o = p.output;
    const Limits<Vec> limits(o);
    for (std::int64_t c = 0; c < o.channels; c += L) {
        const int channels = o.channels - c < L ? static_cast<int>(o.channels - c) : L;
        for (std::int64_t i = 0; i < p.pixels; i += L) {
            const int pixels = p.pixels - i < L ? static_cast<int>(p.pixels - i) : L;
            if (channels == L && pixels == L) {
                transpose_block<Vec, true>(p, limits, c, i, L, L);
            } else {
                transpose_block<Vec, false>(p, limits, c, i, channels, pixels);
            }
        }
        if (!activated_in_registers(o)) {
            for (int r = 0; r < channels; ++r) activate<Vec>(o.activation, o.a, o.b, o.y + (c + r) * o.y_stride, p.pixels);
        }
    }
}

template <class Vec, int MR>
[[gnu::always_inline]] inline void finish_pixels(const typename Vec::T* sums, std::int64_t stride, std::int64_t first,
                                                 const Output<typename Vec::T>& o) {
    typename Vec::V sum[MR][1];
    std::int64_t index[MR];
#pragma GCC unroll 4
    for (int i = 0; i < MR; ++i) {
        index[i] = first + i;
        sum[i][0] = Vec::load(sums + (first + i) * stride);
    }
    finish_channel_tile<Vec>(sum, index, o);
}

template <class Vec>
void finish_sums(const PixelSums<typename Vec::T>& p) {
    constexpr int L = Vec::lanes;
    for (std::int64_t c = 0; c < p.output.channels; c += L) {
        Output<typename Vec::T> o = p.output;
        o.y += c;
        if (o.bias) o.bias += c;
        if (o.residual) o.residual += c;
        o.channels = p.output.channels - c < L ? p.output.channels - c : L;
        std::int64_t i = 0;
        for (; i + 4 <= p.pixels; i += 4) finish_pixels<Vec, 4>(p.sums + c, p.stride, i, o);
        for (; i < p.pixels; ++i) finish_pixels<Vec, 1>(p.sums + c, p.stride, i, o);
    }
}

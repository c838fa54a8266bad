// SPDX-License-Identifier: BSD-3-Clause
// From accumulators to the output: bias, residual, activation, and for channels first the transposition, on a panel that is still in L1/L2.
// Clamping activations are applied in registers; the others on the stretch of output that was just written.

// max(limit, value) keeps a NaN in value; without a clip the limits are infinite.
template <class Vec>
struct Limits {
    typename Vec::V low, high;
    explicit Limits(const FinishPanel<typename Vec::T>& p) {
        const bool clip = p.activation == Activation::clip;
        const auto infinity = static_cast<typename Vec::T>(__builtin_huge_val());
        low = Vec::set1(clip ? p.a : -infinity);
        high = Vec::set1(clip ? p.b : infinity);
    }
    typename Vec::V operator()(typename Vec::V v) const { return Vec::min(high, Vec::max(low, v)); }
};

template <class T>
bool activated_in_registers(const FinishPanel<T>& p) {
    return p.activation == Activation::none || p.activation == Activation::clip;
}

template <class Vec>
void finish_channels_last(const FinishPanel<typename Vec::T>& p) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    const Limits<Vec> limits(p);
    for (std::int64_t i = 0; i < p.pixels; ++i) {
        const T* acc = p.acc + i * p.acc_stride;
        T* y = p.y + i * p.y_stride;
        const T* residual = p.residual ? p.residual + i * p.residual_stride : nullptr;
        for (std::int64_t c = 0; c < p.channels; c += L) {
            const std::int64_t left = p.channels - c;
            const int n = left < L ? static_cast<int>(left) : L;
            V v = Vec::load(acc + c);  // the panel is whole vectors wide
            if (p.bias) v = Vec::add(v, Vec::load_n(p.bias + c, n));
            if (residual) v = Vec::add(v, Vec::load_n(residual + c, n));
            v = limits(v);
            if (n == L) {
                Vec::store(y + c, v);
            } else {
                Vec::store_n(y + c, v, n);
            }
        }
        if (!activated_in_registers(p)) activate<Vec>(p.activation, p.a, p.b, y, p.channels);
    }
}

template <class Vec>
void finish_channels_first(const FinishPanel<typename Vec::T>& p) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    const Limits<Vec> limits(p);
    for (std::int64_t c = 0; c < p.channels; c += L) {
        const int channels = p.channels - c < L ? static_cast<int>(p.channels - c) : L;
        const V bias = p.bias ? Vec::load_n(p.bias + c, channels) : Vec::zero();
        for (std::int64_t i = 0; i < p.pixels; i += L) {
            const int pixels = p.pixels - i < L ? static_cast<int>(p.pixels - i) : L;
            V block[L];
            for (int r = 0; r < L; ++r) block[r] = r < pixels ? Vec::load(p.acc + (i + r) * p.acc_stride + c) : Vec::zero();
            if (p.bias) {
                for (V& row : block) row = Vec::add(row, bias);
            }
            Vec::transpose(block);  // now block[r] holds the pixels of channel c + r
            for (int r = 0; r < channels; ++r) {
                V v = block[r];
                if (p.residual) v = Vec::add(v, Vec::load_n(p.residual + (c + r) * p.residual_stride + i, pixels));
                v = limits(v);
                T* y = p.y + (c + r) * p.y_stride + i;
                if (pixels == L) {
                    Vec::store(y, v);
                } else {
                    Vec::store_n(y, v, pixels);
                }
            }
        }
        if (!activated_in_registers(p)) {
            for (int r = 0; r < channels; ++r) activate<Vec>(p.activation, p.a, p.b, p.y + (c + r) * p.y_stride, p.pixels);
        }
    }
}

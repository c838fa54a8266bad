// SPDX-License-Identifier: BSD-3-Clause
// Copies Winograd's input into vectors of channels or of tiles, and keeps the largest magnitudes, which decide whether a tile may be
// transformed.

template <class Vec, bool Check>
void gather_channels(const ChannelVectors<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    V largest = Check ? Vec::load(p.largest) : Vec::zero();
    const auto keep = [&](V v) {
        if constexpr (Check) largest = larger_magnitude<Vec>(largest, v);
    };
    for (std::int64_t row = 0; row < p.rows; ++row) {
        const T* from = p.from + row * p.row_stride;
        T* to = p.to + row * p.to_stride;
        if (p.channel_stride == 1) {
            for (std::int64_t i = 0; i < p.pixels; ++i, from += p.pixel_stride, to += L) {
                const V v = p.channels == L ? Vec::load(from) : Vec::load_n(from, p.channels);
                keep(v);
                Vec::store(to, v);
            }
        } else if (p.pixel_stride == 1) {
            for (std::int64_t i = 0; i < p.pixels; i += L, from += L, to += L * L) {
                const int pixels = p.pixels - i < L ? static_cast<int>(p.pixels - i) : L;
                V v[L] = {};
                if (pixels == L && p.channels == L) {
                    load_transposed<Vec>(from, p.channel_stride, v);
#pragma GCC unroll 16
                    for (int j = 0; j < L; ++j) {
                        keep(v[j]);
                        Vec::store(to + j * L, v[j]);
                    }
                    continue;
                }
#pragma GCC unroll 16
                for (int c = 0; c < L; ++c) v[c] = c < p.channels ? Vec::load_n(from + c * p.channel_stride, pixels) : Vec::zero();
                Vec::transpose(v);
#pragma GCC unroll 16
                for (int j = 0; j < L; ++j) {
                    if (j >= pixels) break;
                    keep(v[j]);
                    Vec::store(to + j * L, v[j]);
                }
            }
        } else {
            for (std::int64_t i = 0; i < p.pixels; ++i, to += L) {
                for (int c = 0; c < L; ++c) to[c] = c < p.channels ? from[i * p.pixel_stride + c * p.channel_stride] : T(0);
                keep(Vec::load(to));
            }
        }
    }
    if constexpr (Check) Vec::store(p.largest, largest);
}

template <class Vec>
void gather_channels(const ChannelVectors<typename Vec::T>& p) {
    p.largest ? gather_channels<Vec, true>(p) : gather_channels<Vec, false>(p);
}

template <class Vec, bool Check>
void split_tiles(const TileColumns<typename Vec::T>& given) {
    const auto p = given;
    using T = typename Vec::T;
    constexpr int L = Vec::lanes, at_once = 16 / static_cast<int>(sizeof(T));
    typename Vec::V largest = Check ? Vec::load(p.largest) : Vec::zero();
    for (std::int64_t c = 0; c < p.columns; c += at_once) {
        std::int64_t place[at_once];
#pragma GCC unroll 4
        for (int i = 0; i < at_once; ++i) place[i] = c + i < p.columns ? p.place[c + i] : -1;
        for (std::int64_t row = 0; row < p.rows; ++row) {
            for (std::int64_t v = 0; v < p.vectors; ++v) {
                typename Vec::V r[at_once];
                Vec::load_columns(p.from + row * p.row_stride + v * L * p.step + c, p.step, r);
#pragma GCC unroll 4
                for (int i = 0; i < at_once; ++i) {
                    if (place[i] < 0) continue;
                    if constexpr (Check) largest = larger_magnitude<Vec>(largest, r[i]);
                    Vec::store(p.to + row * p.to_stride + place[i] + v * L, r[i]);
                }
            }
        }
    }
    if constexpr (Check) Vec::store(p.largest, largest);
}

template <class Vec>
void split_tiles(const TileColumns<typename Vec::T>& p) {
    p.largest ? split_tiles<Vec, true>(p) : split_tiles<Vec, false>(p);
}

template <class Vec>
void keep_magnitudes(const Magnitudes<typename Vec::T>& given) {
    const auto p = given;
    for (std::int64_t i = 0; i < p.vectors; ++i) {
        auto* largest = p.largest + i * p.largest_step;
        Vec::store(largest, larger_magnitude<Vec>(Vec::load(largest), Vec::load(p.from + i * p.from_step)));
    }
}

template <class Vec>
void largest_lanes(const typename Vec::T* vectors, std::int64_t n, typename Vec::T* to) {
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    for (std::int64_t i = 0; i < n; i += L) {
        const int rows = n - i < L ? static_cast<int>(n - i) : L;
        V v[L] = {};
        for (int r = 0; r < rows; ++r) v[r] = Vec::load(vectors + (i + r) * L);
        Vec::transpose(v);
        V largest = v[0];
        for (int r = 1; r < L; ++r) largest = larger_magnitude<Vec>(largest, v[r]);
        Vec::store_n(to + i, largest, rows);
    }
}

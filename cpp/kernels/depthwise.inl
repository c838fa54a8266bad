// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution with lane = channel: seven neighbouring pixels of a row, each a vector of channels, are summed in registers. For
// each row of up to seven taps, each weight is loaded once, and each input pixel is loaded once and used for all outputs that it meets:
//
//              pixel of the input   0   1   2   3   4   5   6   7   8       3 taps, stride 1: 9 + 3 loads, 21 multiplications
//   output 0                       w0  w1  w2
//   output 1                           w0  w1  w2                           registers: 7 sums + 7 w + 1 x = 15
//   ...                                        ...
//   output 6                                               w0  w1  w2
//
// Groups of a few channels are treated alike (group_picker.inl).
//
// A sum runs in the order of the tap rows, within a row channel by channel, and then in the order of the taps. It does not depend on tiles.
// Pixels outside the input are left out, or multiplied as zeros if zeros count.

// Adds a run of taps to a tile of NV vectors of channels. x: place 0. Whole: all places of the tile are inside the input; else places
// begin..end - 1 are. Tail: the last vector is not full. pick: selects a channel of each group.
template <class Vec, int NV, int Taps, int Step, bool Tail, bool Whole, class Pick>
[[gnu::always_inline]] inline void tap_run(typename Vec::V (&sum)[depthwise_pixels][NV], const typename Vec::T* x, std::int64_t pixel,
                                           std::int64_t x_vector, const typename Vec::T* w, std::int64_t w_vector, std::int64_t begin,
                                           std::int64_t end, bool every_tap, int tail, const Pick& pick) {
    using V = typename Vec::V;
    constexpr int L = Vec::lanes, P = depthwise_pixels, places = (P - 1) * Step + Taps;
    V wk[NV][Taps];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) {
#pragma GCC unroll 7
        for (int s = 0; s < Taps; ++s) wk[j][s] = Vec::load(w + j * w_vector + s * L);
    }
#pragma GCC unroll 19
    for (int i = 0; i < places; ++i, x += pixel) {
        const bool inside = Whole || (i >= begin && i < end);
        if (!inside && !every_tap) continue;
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) {
            const V xi =
                !inside ? Vec::zero() : pick(Tail && j == NV - 1 ? Vec::load_n(x + j * x_vector, tail) : Vec::load(x + j * x_vector));
#pragma GCC unroll 7
            for (int p = 0; p < P; ++p) {
                const int s = i - p * Step;
                if (s >= 0 && s < Taps) sum[p][j] = Vec::fma(xi, wk[j][s], sum[p][j]);
            }
        }
    }
}

// The same for groups of one channel or, if Grouped, of several channels, whose weights follow each other.
template <class Vec, int NV, int Taps, int Step, bool Tail, bool Whole, bool Grouped>
[[gnu::always_inline]] inline void tap_run_of_group(const DepthwiseChannels<typename Vec::T>& d,
                                                    typename Vec::V (&sum)[depthwise_pixels][NV], const typename Vec::T* x,
                                                    const typename Vec::T* w, std::int64_t begin, std::int64_t end, int tail) {
    const std::int64_t of_channel = d.taps * Vec::lanes;
    if constexpr (Grouped) {
        for (std::int64_t i = 0; i < d.group; ++i, w += of_channel) {
            tap_run<Vec, NV, Taps, Step, Tail, Whole>(sum, x, d.pixel, d.vector, w, of_channel * d.group, begin, end, d.every_tap, tail,
                                                      GroupPicker<Vec>(d.group, i));
        }
    } else {
        tap_run<Vec, NV, Taps, Step, Tail, Whole>(sum, x, d.pixel, d.vector, w, of_channel, begin, end, d.every_tap, tail, NoPicker());
    }
}

// Adds all runs of taps. Taps: the number of taps of each run; 0: as TapRun::taps says.
template <class Vec, int NV, int Taps, int Step, bool Tail, bool Whole, bool Grouped>
[[gnu::always_inline]] inline void tap_runs(const DepthwiseChannels<typename Vec::T>& d, const OutputRow& row, std::int64_t place,
                                            const typename Vec::T* from, const typename Vec::T* weights, int tail,
                                            typename Vec::V (&sum)[depthwise_pixels][NV]) {
    from += place * d.pixel;
    for (const TapRun *t = d.tap + row.first, *last = d.tap + row.last; t != last; ++t) {
        const auto* x = from + t->x;
        const auto* w = weights + t->w * Vec::lanes;
        const std::int64_t begin = t->begin - place, end = t->end - place;
        if constexpr (Taps > 0) {
            tap_run_of_group<Vec, NV, Taps, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail);
            continue;
        }
        switch (t->taps) {
            case 1: tap_run_of_group<Vec, NV, 1, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            case 2: tap_run_of_group<Vec, NV, 2, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            case 3: tap_run_of_group<Vec, NV, 3, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            case 4: tap_run_of_group<Vec, NV, 4, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            case 5: tap_run_of_group<Vec, NV, 5, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            case 6: tap_run_of_group<Vec, NV, 6, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            case 7: tap_run_of_group<Vec, NV, 7, Step, Tail, Whole, Grouped>(d, sum, x, w, begin, end, tail); break;
            default: __builtin_unreachable();
        }
    }
}

// The outputs p, p + 1, ... of a row.
template <class Vec, int NV, int Taps, int Step, bool Tail, bool Grouped>
[[gnu::always_inline]] inline void depthwise_tile(const DepthwiseChannels<typename Vec::T>& d, const OutputRow& row, std::int64_t p,
                                                  bool whole, const typename Vec::T* from, const typename Vec::T* weights,
                                                  const Output<typename Vec::T>& output) {
    using V = typename Vec::V;
    constexpr int P = depthwise_pixels;
    const int tail = static_cast<int>(output.channels - (NV - 1) * Vec::lanes);
    V sum[P][NV];
#pragma GCC unroll 7
    for (int i = 0; i < P; ++i) {
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) sum[i][j] = Vec::zero();
    }
    if (whole) {
        tap_runs<Vec, NV, Taps, Step, Tail, true, Grouped>(d, row, p * Step, from, weights, tail, sum);
    } else {
        tap_runs<Vec, NV, Taps, Step, Tail, false, Grouped>(d, row, p * Step, from, weights, tail, sum);
    }
    const std::int64_t count = d.pixels - p;
    std::int64_t index[P];
#pragma GCC unroll 7
    for (int i = 0; i < P; ++i) index[i] = row.index + p + i;
    if (count >= P) {
        finish_channel_tile<Vec>(sum, index, output);
        return;
    }
#pragma GCC unroll 7
    for (int i = 0; i < P; ++i) {
        if (i >= count) break;
        V one[1][NV];
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) one[0][j] = sum[i][j];
        finish_channel_tile<Vec>(one, index + i, output);
    }
}

template <class Vec>
constexpr DepthwiseEntry depthwise_entry = entries.depthwise[sizeof(typename Vec::T) == sizeof(double)];

template <class Vec, int Taps, int Step, bool Grouped>
void depthwise_channels(const DepthwiseChannels<typename Vec::T>& given) {
    constexpr int L = Vec::lanes, places = (depthwise_pixels - 1) * Step + (Taps > 0 ? Taps : depthwise_taps);
    constexpr int two = depthwise_entry<Vec>.vectors;
    const auto d = given;
    const int tail = static_cast<int>(d.output.channels % L);
    for (const OutputRow *row = d.row, *last = row + d.rows; row != last; ++row) {
        for (std::int64_t p = 0; p < d.pixels; p += depthwise_pixels) {
            const bool inside = p * Step >= row->begin && p * Step + places <= row->end;
            const auto* x = d.x;
            const auto* w = d.w;
            auto output = d.output;
            std::int64_t vectors = d.output.channels / L;
            const auto next = [&](int n) {
                x += n * d.vector;
                w += d.taps * d.group * n * L;
                output.y += n * L;
                if (output.bias) output.bias += n * L;
                if (output.residual) output.residual += n * L;
            };
            output.channels = two * L;
            for (; vectors >= two; vectors -= two) {
                depthwise_tile<Vec, two, Taps, Step, false, Grouped>(d, *row, p, inside, x, w, output);
                next(two);
            }
            output.channels = L;
            for (; vectors > 0; --vectors) {
                depthwise_tile<Vec, 1, Taps, Step, false, Grouped>(d, *row, p, inside, x, w, output);
                next(1);
            }
            output.channels = tail;
            if (tail > 0) depthwise_tile<Vec, 1, Taps, Step, true, Grouped>(d, *row, p, inside, x, w, output);
        }
    }
}

template <class Vec, int Taps, int Step>
constexpr void fill_depthwise_channels(DepthwiseKernels<typename Vec::T>& k) {
    k.channels[Step - 1][Taps] = &depthwise_channels<Vec, Taps, Step, false>;
}

template <class Vec>
constexpr DepthwiseKernels<typename Vec::T> make_depthwise_kernels() {
    DepthwiseKernels<typename Vec::T> k{};
    fill_depthwise_channels<Vec, 0, 1>(k);
    fill_depthwise_channels<Vec, 1, 1>(k);
    fill_depthwise_channels<Vec, 3, 1>(k);
    fill_depthwise_channels<Vec, 5, 1>(k);
    fill_depthwise_channels<Vec, 7, 1>(k);
    fill_depthwise_channels<Vec, 0, 2>(k);
    fill_depthwise_channels<Vec, 3, 2>(k);
    fill_depthwise_channels<Vec, 5, 2>(k);
    fill_depthwise_channels<Vec, 7, 2>(k);
    k.tap_products = &tap_products<Vec>;
    k.sum_lanes = &sum_lanes<Vec>;
    if constexpr (depthwise_entry<Vec>.planes) {
        k.plane_products[0] = &plane_products<Vec>;
        k.plane_products[1] = &strided_plane_products<Vec>;
    }
    fill_transposed_planes<Vec>(k);
    k.groups[0] = &depthwise_channels<Vec, 0, 1, true>;
    k.groups[1] = &depthwise_channels<Vec, 0, 2, true>;
    if constexpr (depthwise_entry<Vec>.row_tiles) {
        k.row_tiles = &depthwise_row_tiles<Vec, false>;
        k.grouped_row_tiles = &depthwise_row_tiles<Vec, true>;
    }
    fill_depthwise_planes<Vec, 3, 1>(k);
    fill_depthwise_planes<Vec, 5, 1>(k);
    fill_depthwise_planes<Vec, 7, 1>(k);
    fill_depthwise_planes<Vec, 3, 2>(k);
    fill_depthwise_planes<Vec, 5, 2>(k);
    fill_depthwise_planes<Vec, 7, 2>(k);
    return k;
}

// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution of 3x3 taps with lane = channel: up to three rows of seven pixels of a vector of channels are summed in registers.
// Each pixel of the input is loaded once for all of them, and the nine weights stay in registers, too:
//
//               row of the input   0    1    2    3    4            of 7 pixels each: 45 loads of pixels and 9 of weights,
//   outputs of row 0              w0.  w1.  w2.                     189 multiplications
//   outputs of row 1                   w0.  w1.  w2.
//   outputs of row 2                        w0.  w1.  w2.           registers: 21 sums + 9 w + 1 x = 31
//
// With groups of a few channels, weights are loaded for each input row and each channel of the group. A sum runs in the order of
// depthwise.inl.

// Adds the products of input row i with weights wk[tap row][tap column]. Whole: all places of the tile are inside the input; else places
// begin..end - 1 are. Tail: the vector is not full. pick: selects a channel of each group.
template <class Vec, int Rows, bool Tail, bool Whole, class Pick>
[[gnu::always_inline]] inline void take_input_row(int i, typename Vec::V (&sum)[Rows][depthwise_pixels][1], const typename Vec::T* x,
                                                  std::int64_t pixel, const typename Vec::V (&wk)[3][3], std::int64_t begin,
                                                  std::int64_t end, int tail, const Pick& pick) {
    constexpr int K = 3, P = depthwise_pixels;
#pragma GCC unroll 9
    for (int place = 0; place < P + K - 1; ++place, x += pixel) {
        if (!Whole && (place < begin || place >= end)) continue;
        const typename Vec::V xi = pick(Tail ? Vec::load_n(x, tail) : Vec::load(x));
#pragma GCC unroll 3
        for (int r = 0; r < Rows; ++r) {
            const int t = i - r;
            if (t < 0 || t >= K) continue;
#pragma GCC unroll 7
            for (int p = 0; p < P; ++p) {
                const int s = place - p;
                if (s >= 0 && s < K) Vec::accumulate(sum[r][p][0], xi, wk[t][s]);
            }
        }
    }
}

// Loads the weights that input row i meets.
template <class Vec, int Rows>
[[gnu::always_inline]] inline void load_weights(int i, const typename Vec::T* w, typename Vec::V (&wk)[3][3]) {
#pragma GCC unroll 3
    for (int t = 0; t < 3; ++t) {
        if (i - t < 0 || i - t >= Rows) continue;
#pragma GCC unroll 3
        for (int s = 0; s < 3; ++s) wk[t][s] = Vec::load(w + (t * 3 + s) * Vec::lanes);
    }
}

// Adds a plane of taps. x: place 0 of row 0.
template <class Vec, int Rows, bool Tail, bool Whole, bool Grouped>
[[gnu::always_inline]] inline void plane_of_taps(const DepthwiseRowTiles<typename Vec::T>& d, const TapPlane& plane,
                                                 typename Vec::V (&sum)[Rows][depthwise_pixels][1], const typename Vec::T* x,
                                                 const typename Vec::T* w, std::int64_t begin, std::int64_t end, int tail) {
    typename Vec::V wk[3][3];
    if constexpr (!Grouped) {  // all weights: input row t meets tap row t in the first row of outputs
#pragma GCC unroll 3
        for (int t = 0; t < 3; ++t) load_weights<Vec, 1>(t, w, wk);
    }
#pragma GCC unroll 5
    for (int i = 0; i < Rows + 2; ++i, x += d.row) {
        if (i < plane.begin || i >= plane.end) continue;
        if constexpr (Grouped) {
            const auto* of_channel = w;
            for (std::int64_t c = 0; c < d.group; ++c, of_channel += d.taps * Vec::lanes) {
                load_weights<Vec, Rows>(i, of_channel, wk);
                take_input_row<Vec, Rows, Tail, Whole>(i, sum, x, d.pixel, wk, begin, end, tail, GroupPicker<Vec>(d.group, c));
            }
        } else {
            take_input_row<Vec, Rows, Tail, Whole>(i, sum, x, d.pixel, wk, begin, end, tail, NoPicker());
        }
    }
}

// The outputs p, p + 1, ... of the rows.
template <class Vec, int Rows, bool Tail, bool Whole, bool Grouped>
[[gnu::always_inline]] inline void row_tile(const DepthwiseRowTiles<typename Vec::T>& d, const RowTile& tile, std::int64_t p,
                                            const typename Vec::T* x, const typename Vec::T* w, const Output<typename Vec::T>& output) {
    using V = typename Vec::V;
    constexpr int P = depthwise_pixels;
    V sum[Rows][P][1];
#pragma GCC unroll 3
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 7
        for (int i = 0; i < P; ++i) sum[r][i][0] = Vec::zero();
    }
    for (const TapPlane *plane = d.plane + tile.first, *last = d.plane + tile.last; plane != last; ++plane) {
        plane_of_taps<Vec, Rows, Tail, Whole, Grouped>(d, *plane, sum, x + plane->x + p * d.pixel, w + plane->w * Vec::lanes, d.begin - p,
                                                       d.end - p, static_cast<int>(output.channels));
    }
    // Activations that are function calls run after all sums have been stored.
    const std::int64_t count = d.pixels - p < P ? d.pixels - p : P;
#pragma GCC unroll 3
    for (int r = 0; r < Rows; ++r) {
        std::int64_t index[P];
#pragma GCC unroll 7
        for (int i = 0; i < P; ++i) index[i] = tile.index + r * d.pixels + p + i;
        if (count == P) {
            store_channel_tile<Vec>(sum[r], index, output);
            continue;
        }
#pragma GCC unroll 7
        for (int i = 0; i < P; ++i) {
            if (i >= count) break;
            V one[1][1] = {{sum[r][i][0]}};
            store_channel_tile<Vec>(one, index + i, output);
        }
    }
    if (activated_in_registers(output)) return;
    for (std::int64_t r = 0; r < Rows; ++r) {
        auto* y = output.y + (tile.index + r * d.pixels + p) * output.y_stride;
        for (std::int64_t i = 0; i < count; ++i, y += output.y_stride)
            activate<Vec>(output.activation, output.a, output.b, y, output.channels);
    }
}

// All vectors of channels of the outputs p, p + 1, ...
template <class Vec, int Rows, bool Whole, bool Grouped>
void row_tile_of_vectors(const DepthwiseRowTiles<typename Vec::T>& d, const RowTile& tile, std::int64_t p) {
    constexpr int L = Vec::lanes;
    const auto* x = d.x;
    const auto* w = d.w;
    auto output = d.output;
    output.channels = L;
    for (std::int64_t left = d.output.channels; left > 0; left -= L) {
        if (left >= L) {
            row_tile<Vec, Rows, false, Whole, Grouped>(d, tile, p, x, w, output);
        } else {
            output.channels = left;
            row_tile<Vec, Rows, true, Whole, Grouped>(d, tile, p, x, w, output);
        }
        x += d.vector;
        w += d.taps * d.group * L;
        output.y += L;
        if (output.bias) output.bias += L;
        if (output.residual) output.residual += L;
    }
}

template <class Vec, int Rows, bool Grouped>
void rows_of_tiles(const DepthwiseRowTiles<typename Vec::T>& d, const RowTile& tile) {
    constexpr int places = depthwise_pixels + 2;
    for (std::int64_t p = 0; p < d.pixels; p += depthwise_pixels) {
        if (p >= d.begin && p + places <= d.end) {
            row_tile_of_vectors<Vec, Rows, true, Grouped>(d, tile, p);
        } else {
            row_tile_of_vectors<Vec, Rows, false, Grouped>(d, tile, p);
        }
    }
}

template <class Vec, bool Grouped>
void depthwise_row_tiles(const DepthwiseRowTiles<typename Vec::T>& d) {
    for (std::int64_t i = 0; i < d.tiles; ++i) {
        const RowTile& tile = d.tile[i];
        switch (tile.rows) {
            case 1: rows_of_tiles<Vec, 1, Grouped>(d, tile); break;
            case 2: rows_of_tiles<Vec, 2, Grouped>(d, tile); break;
            case 3: rows_of_tiles<Vec, 3, Grouped>(d, tile); break;
            default: __builtin_unreachable();
        }
    }
}

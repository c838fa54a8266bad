// SPDX-License-Identifier: BSD-3-Clause
// The kernels of Winograd's convolution and their arguments. Plain data only, as table.hpp.
// Up to the products, a vector holds channels of the input or, with few channels, the same value of neighbouring tiles. After the products
// it holds channels of the output.
#pragma once
#include <cstdint>

#include "core/cook_toom.hpp"

namespace npconv {

// Copies channels of rows of pixels to to[row][pixel][lanes]. Lanes beyond `channels` are zero.
template <class T>
struct ChannelVectors {
    const T* from;
    std::int64_t row_stride, pixel_stride, channel_stride;
    std::int64_t rows, pixels;
    int channels;  // at most lanes
    T* to;
    std::int64_t to_stride;  // between rows
    T* largest;              // [lanes]: the largest magnitude so far, NaN after a NaN; or null
};

// Splits rows of neighbouring tiles into columns: column i of all tiles of a row goes to to + place[i], one vector of tiles after the
// other. Columns are read in units of 16 bytes.
template <class T>
struct TileColumns {
    const T* from;
    std::int64_t row_stride, step;  // between tiles
    std::int64_t rows, columns;
    std::int64_t vectors;
    const std::int64_t* place;  // element offset of each column; negative: the column is left out
    T* to;
    std::int64_t to_stride;  // between rows
    T* largest;              // as ChannelVectors
};

// largest[i] = max(largest[i], |from[i]|), vector by vector; NaN if either is.
template <class T>
struct Magnitudes {
    const T* from;
    std::int64_t from_step;
    T* largest;
    std::int64_t largest_step;
    std::int64_t vectors;
};

// BT along the columns of a row of tiles: to[i][column] for each point i. The input has one row for each point.
template <class T>
struct InputColumns {
    const T* from;
    std::int64_t row_stride, column_stride;
    std::int64_t columns;
    T* to;
    std::int64_t to_stride;
};

// BT along the rows of the result of InputColumns, for neighbouring tiles of m outputs.
template <class T>
struct InputRows {
    const T* from;
    std::int64_t from_stride;
    int rows;  // points of the tiles along the columns
    std::int64_t tiles;
    T* const* to;  // [point of the columns: row][most_winograd_points: point of the rows]
    std::int64_t to_offset;
    std::int64_t to_step;
};

// The same for vectors of tiles. Column j < points of a tile is column j % m of the tile j / m tiles further.
template <class T>
struct InputTiles {
    const T* from;
    std::int64_t row_stride, column_stride;
    int rows;  // points of the tiles along the columns
    std::int64_t vectors;
    T* to;
    std::int64_t point_stride;
};

// AT along the columns: vectors to[tile][i < m][most_winograd_points].
template <class T>
struct OutputColumns {
    const T* const* from;  // [point][most_winograd_points]
    std::int64_t from_offset;
    std::int64_t from_step;
    int columns;  // points of the tiles along the rows
    std::int64_t tiles;
    T* to;
};

// AT along the rows of the result of OutputColumns.
template <class T>
struct OutputRows {
    const T* from;
    int rows;
    std::int64_t tiles;
    T* to;
    std::int64_t row_stride, pixel_stride;
};

// G along one axis: taps of n elements each -> points.
template <class T>
struct TapsToPoints {
    const T* const* taps;  // null: zeros
    std::int64_t n;        // a multiple of lanes
    T* to;
    std::int64_t to_stride;
};

// F(4x4, 3x3): products of a few tiles at all points of a row, with weights that are transformed in registers. Transformed weights are four
// times as large as taps, and reading them would take longer than the products.
template <class T>
struct FewTiles {
    struct Piece {
        const T* taps;  // a vector, for the first channel of the piece
        std::int64_t tap_stride, channels;
    };
    const Piece* piece;
    int pieces;
    std::int64_t channel_stride;    // of taps
    const T* v;                     // at the first point of the row and the first tile
    std::int64_t v_stride, v_step;  // between points, and between tiles
    T* m;                           // likewise, a vector of output channels
    std::int64_t m_stride, m_step;
    bool accumulate;  // add to m
};

constexpr int winograd_few = 4;
constexpr WinogradAxis winograd_few_axis{6, 3};

// The transforms of one F(m, r), indexed by the outputs of a tile - 1: for whole tiles, and for smaller tiles at the end of an axis.
template <class T>
struct WinogradTransforms {
    void (*input_columns[most_winograd_outputs])(const InputColumns<T>&);
    void (*input_rows[most_winograd_outputs])(const InputRows<T>&);
    void (*input_tiles[most_winograd_outputs])(const InputTiles<T>&);
    void (*output_columns[most_winograd_outputs])(const OutputColumns<T>&);
    void (*output_rows[most_winograd_outputs])(const OutputRows<T>&);
    void (*weights[most_winograd_outputs])(const TapsToPoints<T>&);
};

template <class T>
struct WinogradKernels {
    WinogradTransforms<T> axis[winograd_axis_count];  // as winograd_axes
    void (*few_tiles[most_winograd_points][winograd_few])(
        const FewTiles<T>&);  // [point of the columns][tiles - 1]; null with few registers
    void (*gather_channels)(const ChannelVectors<T>&);
    void (*split_tiles)(const TileColumns<T>&);
    void (*keep_magnitudes)(const Magnitudes<T>&);
    void (*largest_lanes)(const T* vectors, std::int64_t n, T* to);  // to[i]: the largest lane of vector i, NaN if a lane is
};

struct WinogradTable {
    WinogradKernels<float> f32;
    WinogradKernels<double> f64;
};

extern const WinogradTable winograd_kernels_baseline, winograd_kernels_avx2, winograd_kernels_avx512, winograd_kernels_neon;

}  // namespace npconv

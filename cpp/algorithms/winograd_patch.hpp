// SPDX-License-Identifier: BSD-3-Clause
// The part of the input that a block of Winograd's tiles needs, as vectors of channels and with the border filled in.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/border.hpp"
#include "core/types.hpp"
#include "kernels/registry.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {

// Rows and columns of one image.
struct Patch {
    std::int64_t image = 0;
    std::int64_t y = 0, x = 0;  // of its first pixel; outside of the input it is in the border
    std::int64_t rows = 0, columns = 0;
};

// The rows (and columns) of the central pixels of a tile, counted from the first of its input: none that a padding of one reaches.
constexpr std::array<int, 2> central(int outputs) {
    const int first = outputs <= 2 ? 1 : 2;
    return {first, outputs <= 3 ? first : outputs == 4 ? 3 : 5};
}

template <class T>
class WinogradPatches {
  public:
    WinogradPatches(const Problem& p, const WinogradTiling& t, const TensorView<const T>& x)
        : p_(p), s_(p.shape), t_(t), x_(x), gather_(winograd_kernels_of<T>(*p.kernels).gather_channels) {}

    Patch of(const TileBlock& b, std::int64_t image) const {
        Patch q;
        q.image = image;
        q.y = t_.rows.begin(b.row) - s_.axis[1].pad_before;
        q.x = t_.columns.begin(b.column) - s_.axis[2].pad_before;
        q.rows = t_.rows.end(b.end_row - 1) - t_.rows.begin(b.row) + winograd_taps - 1;
        q.columns = t_.columns.end(b.end_column - 1) - t_.columns.begin(b.column) + winograd_taps - 1;
        return q;
    }

    // Rows begin, ..., end - 1 of one vector of channels of a group -> to[row][column][lanes]. largest: as ChannelVectors. bordered: does
    // `to` hold a vector of the same patch? Then a border of zeros is there already.
    void fill(const Patch& q, std::int64_t begin, std::int64_t end, std::int64_t group, std::int64_t unit, bool bordered, T* to,
              T* largest) const {
        const std::int64_t channel = unit * t_.lanes, height = s_.axis[1].input, width = s_.axis[2].input;
        ChannelVectors<T> run{};
        run.from = x_.data + q.image * x_.batch + (group * s_.in_channels + channel) * x_.channel;
        run.row_stride = x_.spatial[1];
        run.pixel_stride = x_.spatial[2];
        run.channel_stride = x_.channel;
        run.channels = static_cast<int>(std::min<std::int64_t>(t_.lanes, s_.in_channels - channel));
        run.to = to;
        run.to_stride = q.columns * t_.lanes;
        run.largest = largest;
        const auto copy = [&](std::int64_t y, std::int64_t x, std::int64_t rows, std::int64_t pixels, std::int64_t row,
                              std::int64_t column) {
            ChannelVectors<T> part = run;
            part.from += y * run.row_stride + x * run.pixel_stride;
            part.rows = rows;
            part.pixels = pixels;
            part.to += row * run.to_stride + column * t_.lanes;
            gather_(part);
        };
        const std::int64_t left = std::clamp<std::int64_t>(-q.x, 0, q.columns), right = std::clamp(width - q.x, left, q.columns);
        const std::int64_t top = std::clamp(-q.y, begin, end), bottom = std::clamp(height - q.y, top, end);
        if (bottom > top && right > left) copy(q.y + top, q.x + left, bottom - top, right - left, top, left);
        if (p_.border == Border::zeros && bordered) return;
        for (std::int64_t i = begin; i < end; ++i) {
            const bool inside = i >= top && i < bottom;
            const std::int64_t y = border_source(q.y + i, height, p_.border);
            for (std::int64_t j = 0; j < q.columns; ++j) {
                if (inside && j == left) j = right;
                if (j >= q.columns) break;
                const std::int64_t x = border_source(q.x + j, width, p_.border);
                if (y < 0 || x < 0) {
                    std::fill_n(to + (i * q.columns + j) * t_.lanes, t_.lanes, T(0));
                } else if (!inside && q.x + j == x && p_.border != Border::zeros) {
                    copy(y, x, 1, right - j, i, j);  // a whole row of another place
                    j = right - 1;
                } else {
                    copy(y, x, 1, 1, i, j);
                }
            }
        }
    }

  private:
    const Problem& p_;
    const ConvShape& s_;
    const WinogradTiling& t_;
    TensorView<const T> x_;
    void (*gather_)(const ChannelVectors<T>&);
};

}  // namespace npconv

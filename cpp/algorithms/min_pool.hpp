// SPDX-License-Identifier: BSD-3-Clause
// Minimum pooling by the kernels of maximum pooling, on values in reverse order: -v, of integers ~v, which has no overflow. The kernels of
// small windows read x in place: they get a copy of a box of x, of some rows of windows, that stays in the cache. The others flip each row
// of x themselves as they read it (PoolBefore::flip). The results are flipped back block by block.
#pragma once
#include <algorithm>
#include <cstdint>

#include "algorithms/reversed.hpp"
#include "kernels/pool_table.hpp"
#include "plan/pool_tiling.hpp"

namespace npconv {

// n values that stand `step` elements apart, to neighbours in another array.
template <class X>
void flip(const X* __restrict from, std::int64_t step, std::int64_t n, X* __restrict to) {
    if (step == 1) {
        // Lines are fetched ahead, as the kernels do it that read x once.
        constexpr std::int64_t ahead = 4096 / static_cast<std::int64_t>(sizeof(X)), line = 64 / static_cast<std::int64_t>(sizeof(X));
        std::int64_t i = 0;
        for (; i + line <= n; i += line) {
            __builtin_prefetch(from + i + ahead);
            for (std::int64_t l = 0; l < line; ++l) to[i + l] = reversed(from[i + l]);
        }
        for (; i < n; ++i) to[i] = reversed(from[i]);
    } else {
        for (std::int64_t i = 0; i < n; ++i) to[i] = reversed(from[i * step]);
    }
}

// One block of a tiling for minima.
template <class X>
class FlippedBlock {
  public:
    using Kernel = void (*)(const PoolBlock<X>&);

    FlippedBlock(const PoolTiling& tiling, const PoolBlock<X>& block)
        : t_(tiling), x_(block), b_(block), depth_(x_.axis[0]), height_(x_.axis[1]), width_(x_.axis[2]) {}

    void run(Kernel kernel) {
        const bool boxes = t_.box_rows > 0;
        const std::int64_t all = x_.end[1] - x_.begin[1], rows = boxes ? t_.box_rows : rows_of_y();
        const bool deep = !boxes && depth_.kernel > 1;  // slices that windows share are pooled once, by one call
        for (std::int64_t d = x_.begin[0]; d < x_.end[0]; d = b_.end[0]) {
            b_.begin[0] = d;
            b_.end[0] = deep ? x_.end[0] : d + 1;
            for (std::int64_t h = 0; h < all; h += rows) {
                b_.begin[1] = x_.begin[1] + h;
                b_.end[1] = b_.begin[1] + std::min(rows, all - h);
                if (boxes) copy_box();
                kernel(b_);
                flip_results();
            }
        }
    }

  private:
    struct Part {
        std::int64_t begin, end;
        std::int64_t size() const { return end - begin; }
    };

    static std::int64_t span(const PoolAxis& a) { return (a.kernel - 1) * a.dilation + 1; }
    // Are there pixels of many channels between windows?
    bool apart() const { return b_.unit > 1 && width_.stride > span(width_); }

    // Of an axis of x, that windows of `places` see.
    static Part part(const PoolAxis& a, std::int64_t begin, std::int64_t end, std::int64_t places) {
        const std::int64_t first = std::clamp<std::int64_t>(begin * a.stride - a.pad_before, 0, a.input);
        return {first, std::clamp<std::int64_t>((end - 1) * a.stride - a.pad_before + places, first, a.input)};
    }

    // Output rows of a call whose results are still in the cache when they are flipped; what neighbouring calls both read is a small part.
    std::int64_t rows_of_y() const {
        constexpr std::int64_t bytes = 64 << 10;
        const std::int64_t all = x_.end[1] - x_.begin[1];
        if (depth_.kernel > 1) return all;
        const std::int64_t row = (x_.end[2] - x_.begin[2]) * x_.unit * static_cast<std::int64_t>(sizeof(X));
        const std::int64_t shared = 8 * (span(height_) - 1) / height_.stride;
        return std::clamp<std::int64_t>(std::max(bytes / row, shared), 1, all);
    }

    void copy_box() {
        const std::int64_t o = b_.begin[0], first_row = b_.begin[1] * height_.stride - height_.pad_before;
        const Part d = part(depth_, o, o + 1, span(depth_));
        const Part h = part(height_, b_.begin[1], b_.end[1], t_.box_reach);
        const Part w = part(width_, b_.begin[2], b_.end[2], span(width_) + t_.box_beyond);
        const std::int64_t row = w.size() * b_.unit;
        X* const copy = static_cast<X*>(x_.raw.values);
        const bool side_by_side = x_.x_step[2] == b_.unit && (b_.unit == 1 || x_.x_channel == 1);
        const bool one_run = side_by_side && x_.x_step[1] == row && !apart() && height_.stride <= t_.box_reach;  // rows of x, to their ends
        for (std::int64_t i = d.begin; i < d.end; ++i) {
            if ((i + depth_.pad_before - o * depth_.stride) % depth_.dilation != 0) continue;
            if (one_run) {
                flip(x_.x + i * x_.x_step[0] + h.begin * row + w.begin * b_.unit, 1, h.size() * row, copy + (i - d.begin) * h.size() * row);
                continue;
            }
            for (std::int64_t j = h.begin; j < h.end; ++j) {
                if ((j - first_row) % height_.stride >= t_.box_reach) continue;  // between windows
                X* const to = copy + ((i - d.begin) * h.size() + j - h.begin) * row;
                copy_row(x_.x + i * x_.x_step[0] + j * x_.x_step[1], w, to);
            }
        }
        b_.x_step[0] = h.size() * row;
        b_.x_step[1] = row;
        b_.x_step[2] = b_.unit;
        b_.x_channel = 1;
        b_.x = copy - d.begin * b_.x_step[0] - h.begin * row - w.begin * b_.unit;
    }

    // Pixels of many channels between windows are left out.
    void copy_row(const X* x, Part w, X* to) const {
        if (!apart()) return copy_pixels(x, w, to);
        for (std::int64_t o = b_.begin[2]; o < b_.end[2]; ++o) {
            const Part window = part(width_, o, o + 1, span(width_));
            copy_pixels(x, window, to + (window.begin - w.begin) * b_.unit);
        }
    }

    void copy_pixels(const X* x, Part w, X* to) const {
        const std::int64_t step = x_.x_step[2], channel = x_.x_channel, unit = b_.unit;
        const X* from = x + w.begin * step;
        if (unit == 1) return flip(from, step, w.size(), to);
        if (channel == 1 && step == unit) return flip(from, 1, w.size() * unit, to);
        for (std::int64_t i = 0; i < w.size(); ++i) flip(from + i * step, channel, unit, to + i * unit);
    }

    void flip_results() const {
        const std::int64_t outputs = b_.end[2] - b_.begin[2], rows = b_.end[1] - b_.begin[1];
        const auto back = [](X* y, std::int64_t n) {
            for (std::int64_t i = 0; i < n; ++i) y[i] = reversed(y[i]);
        };
        for (std::int64_t d = b_.begin[0]; d < b_.end[0]; ++d) {
            X* y = b_.y + ((d * height_.output + b_.begin[1]) * width_.output + b_.begin[2]) * b_.y_pixel;
            if (b_.y_pixel == b_.unit && outputs == width_.output) {
                back(y, rows * outputs * b_.unit);
                continue;
            }
            for (std::int64_t h = 0; h < rows; ++h, y += width_.output * b_.y_pixel) {
                if (b_.y_pixel == b_.unit)
                    back(y, outputs * b_.unit);
                else
                    for (std::int64_t o = 0; o < outputs; ++o) back(y + o * b_.y_pixel, b_.unit);
            }
        }
    }

    const PoolTiling& t_;
    const PoolBlock<X>& x_;  // as it is in x
    PoolBlock<X> b_;         // as the kernel sees a part of it
    const PoolAxis &depth_, &height_, &width_;
};

}  // namespace npconv

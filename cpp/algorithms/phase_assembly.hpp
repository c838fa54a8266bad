// SPDX-License-Identifier: BSD-3-Clause
// How the phases of a transposed convolution become its output.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "algorithms/operands.hpp"
#include "kernels/registry.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Puts the phases of a block together.
template <class T>
class Assembly {
  public:
    // channels: of a group, as blocks have them.
    Assembly(const PhasesExecution& e, std::int64_t channels, const Operands<T>& io)
        : layout_(e.forward.layout),
          all_channels_(io.channels_of_y(e.forward.shape.groups * e.forward.shape.in_channels)),
          channels_(channels),
          phases_(e.phases),
          t_(e.tiling),
          kernels_(kernels_of<T>(*e.on->kernels)),
          y_(io.y),
          y_batch_(io.y_batch) {
        for (std::size_t a = 0; a < 3; ++a) size_[a] = e.forward.shape.axis[a].input;
        plane_ = size_[0] * size_[1] * size_[2];
    }

    // block: what the parts have computed, channels begin ... end of the parts' results in a group.
    void store(const T* block, const Box& places, std::int64_t image, std::int64_t group, std::int64_t begin, std::int64_t end) const {
        T* y = y_ + image * y_batch_;
        const bool last = layout_ == Layout::channels_last;
        std::array<std::int64_t, 3> m{};
        for (m[0] = places.begin[0]; m[0] < places.end[0]; ++m[0]) {
            for (m[1] = places.begin[1]; m[1] < places.end[1]; ++m[1]) {
                const std::int64_t row = ((m[0] - places.begin[0]) * places.length(1) + m[1] - places.begin[1]) * places.length(2);
                m[2] = places.begin[2];
                if (last) {
                    store_pixels(block, row, m, places.length(2), y, group, begin, end);
                } else {
                    store_rows(block + row, m, places.length(2), y, group, begin, end);
                }
            }
        }
    }

  private:
    // Where output m of phase r stands on an axis, or -1.
    std::int64_t place(std::size_t a, std::int64_t m, std::int64_t r) const {
        const std::int64_t o = m * phases_.stride[a] + r - phases_.shift[a];
        return o >= 0 && o < size_[a] ? o : -1;
    }

    // Channels first: rows of y, of one or more phases along the width.
    void store_rows(const T* block, const std::array<std::int64_t, 3>& m, std::int64_t n, T* y, std::int64_t group, std::int64_t begin,
                    std::int64_t end) const {
        const std::int64_t along = phases_.count[2];
        const auto row_of = [&](std::int64_t channel, std::int64_t r0, std::int64_t r1) -> T* {
            const std::int64_t d = place(0, m[0], r0), h = place(1, m[1], r1);
            if (d < 0 || h < 0) return nullptr;
            return y + (group * channels_ + channel) * plane_ + (d * size_[1] + h) * size_[2];
        };
        if (phases_.merged) {
            for (std::int64_t c = begin; c < end;) {
                const std::int64_t phase = c % phases_.all(), r = phase % along, rows = std::min(along - r, end - c);
                T* to = row_of(c / phases_.all(), phase / along / phases_.count[1], phase / along % phases_.count[1]);
                if (to) store_row(block + (c - begin) * t_.row, t_.row, r, rows, m[2], n, to);
                c += rows;
            }
            return;
        }
        for (std::int64_t c = begin; c < end; ++c) {
            const T* part = block + (c - begin) * t_.row;
            for (std::int64_t r0 = 0; r0 < phases_.count[0]; ++r0) {
                for (std::int64_t r1 = 0; r1 < phases_.count[1]; ++r1, part += along * t_.part_elements) {
                    if (T* to = row_of(c, r0, r1)) store_row(part, t_.part_elements, 0, along, m[2], n, to);
                }
            }
        }
    }

    // Phases first, first + 1, ... of n places of a row.
    void store_row(const T* from, std::int64_t step, std::int64_t first, std::int64_t rows, std::int64_t m, std::int64_t n, T* to) const {
        const std::int64_t stride = phases_.stride[2], end = m + n;
        const auto one_by_one = [&](std::int64_t i) {
            for (std::int64_t r = 0; r < rows; ++r) {
                const std::int64_t o = place(2, i, first + r);
                if (o >= 0) to[o] = from[r * step + i - m];
            }
        };
        if (rows != stride) {
            for (std::int64_t i = m; i < end; ++i) one_by_one(i);
            return;
        }
        std::int64_t i = m, whole = end;
        if (i * stride < phases_.shift[2]) one_by_one(i++);
        if (whole > i && whole * stride - phases_.shift[2] > size_[2]) one_by_one(--whole);
        if (whole > i) kernels_.interleave({from + i - m, step, rows, whole - i, to + i * stride - phases_.shift[2]});
    }

    // Channels last: pixels of y, a run of channels each.
    void store_pixels(const T* block, std::int64_t row, const std::array<std::int64_t, 3>& m, std::int64_t n, T* y, std::int64_t group,
                      std::int64_t begin, std::int64_t end) const {
        std::int64_t phase = 0;
        for (std::int64_t r0 = 0; r0 < phases_.count[0]; ++r0) {
            for (std::int64_t r1 = 0; r1 < phases_.count[1]; ++r1) {
                const std::int64_t d = place(0, m[0], r0), h = place(1, m[1], r1);
                for (std::int64_t r2 = 0; r2 < phases_.count[2]; ++r2, ++phase) {
                    // Of the phase's channels, those that the block has.
                    const std::int64_t first = phases_.merged ? std::max(begin, phase * channels_) : begin;
                    const std::int64_t count = (phases_.merged ? std::min(end, (phase + 1) * channels_) : end) - first;
                    if (d < 0 || h < 0 || count <= 0) continue;
                    const T* from = block + (phases_.merged ? 0 : phase * t_.part_elements) + row * t_.row + first - begin;
                    T* to = y + (d * size_[1] + h) * size_[2] * all_channels_ + group * channels_ +
                            (phases_.merged ? first - phase * channels_ : first);
                    for (std::int64_t i = 0; i < n; ++i, from += t_.row) {
                        const std::int64_t o = place(2, m[2] + i, r2);
                        if (o >= 0) std::copy_n(from, count, to + o * all_channels_);
                    }
                }
            }
        }
    }

    const Layout layout_;
    const std::int64_t all_channels_, channels_;
    const Phases& phases_;
    const TransposedTiling& t_;
    const Kernels<T>& kernels_;
    T* y_;
    std::int64_t y_batch_, plane_ = 0;
    std::array<std::int64_t, 3> size_{};
};

}  // namespace npconv

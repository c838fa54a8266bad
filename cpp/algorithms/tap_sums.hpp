// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution by taps: rows of the result are sums of rows of products (plan/transposed_tiling.hpp).
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/registry.hpp"
#include "plan/executions.hpp"

namespace npconv {

template <class T>
class TapSums {
  public:
    // bias: one value for each channel of the result, or null.
    TapSums(const PhasesExecution& e, const T* bias, T* y, std::int64_t y_batch)
        : p_(e.forward), f_(p_.shape), t_(e.tiling), kernels_(kernels_of<T>(*e.on->kernels)), bias_(bias), y_(y), y_batch_(y_batch) {
        const Axis& width = f_.axis[2];
        for (std::int64_t r = 0; r < width.stride; ++r) {
            first_tap_.push_back(taps_.size());
            for (std::int64_t tap = 0; tap < width.kernel; ++tap) {
                // With this tap, element 0 of x meets place tap * dilation - pad_before of y: output `first` of its phase.
                const std::int64_t place = tap * width.dilation - width.pad_before;
                const std::int64_t phase = (place % width.stride + width.stride) % width.stride;
                if (phase == r) taps_.push_back({tap, (place - phase) / width.stride});
            }
        }
        first_tap_.push_back(taps_.size());
    }

    // Rows of y of a band, and the rows of x that they meet.
    struct Band {
        std::int64_t begin, end, first, last;
    };
    Band band(std::int64_t i) const {
        const Axis& height = f_.axis[1];
        Band b{t_.bands.begin(i), t_.bands.begin(i) + t_.bands.length(i), 0, 0};
        const std::int64_t low = b.begin + height.pad_before - (height.kernel - 1) * height.dilation, high = b.end - 1 + height.pad_before;
        b.first = low <= 0 ? 0 : std::min(ceil_div(low, height.stride), height.output);
        b.last = std::max(b.first, std::min(high / height.stride + 1, height.output));
        return b;
    }

    static std::int64_t most_rows(const ConvShape& f) { return f.axis[1].kernel * f.axis[2].kernel; }

    // products: [channel of the group, tap][row of x, beginning with the first of the band, column], followed by room for sums.
    void store(T* products, const Band& b, std::int64_t image, std::int64_t group, std::int64_t depth, ShiftedRow<T>* rows) const {
        T *sums = products + t_.part_elements, *together = sums + f_.axis[2].stride * t_.sums_row;
        const Axis& width = f_.axis[2];
        const std::int64_t places = ceil_div(width.input, width.stride), channels = f_.in_channels;
        const ActivationSpec& a = p_.activation;
        for (std::int64_t c = 0; c < channels; ++c) {
            const std::int64_t channel = group * channels + c;
            T* y = y_ + image * y_batch_ + ((channel * f_.axis[0].input + depth) * f_.axis[1].input + b.begin) * width.input;
            for (std::int64_t o = b.begin; o < b.end; ++o, y += width.input) {
                for (std::int64_t r = 0; r < width.stride; ++r) {
                    const std::int64_t count = list(products, b, c, o, r, rows);
                    kernels_.sum_rows({rows, count, places, bias_ ? bias_[channel] : T(0), sums + r * t_.sums_row});
                }
                kernels_.interleave({sums, t_.sums_row, width.stride, places, together});
                kernels_.finish_sums(
                    {together,
                     width.input,
                     1,
                     {y, width.input, nullptr, nullptr, 0, width.input, a.kind, static_cast<T>(a.a), static_cast<T>(a.b)}});
            }
        }
    }

  private:
    struct Tap {
        std::int64_t number, first;
    };

    // Lists the rows of products whose sum is phase r of row o. Returns their number.
    std::int64_t list(const T* products, const Band& b, std::int64_t c, std::int64_t o, std::int64_t r, ShiftedRow<T>* rows) const {
        const Axis &height = f_.axis[1], &width = f_.axis[2];
        const std::int64_t places = width.input > r ? ceil_div(width.input - r, width.stride) : 0;
        std::int64_t count = 0;
        for (std::int64_t tap = 0; tap < height.kernel; ++tap) {
            const std::int64_t at = o + height.pad_before - tap * height.dilation;
            if (at < 0 || at % height.stride != 0 || at / height.stride >= height.output) continue;
            const T* row = products + (c * height.kernel + tap) * width.kernel * t_.row + (at / height.stride - b.first) * width.output;
            for (std::size_t i = first_tap_[static_cast<std::size_t>(r)]; i < first_tap_[static_cast<std::size_t>(r) + 1]; ++i) {
                const Tap& of = taps_[i];
                const std::int64_t begin = std::max<std::int64_t>(of.first, 0), end = std::min(of.first + width.output, places);
                if (end > begin) rows[count++] = {row + of.number * t_.row - of.first, begin, end};
            }
        }
        return count;
    }

    const Problem& p_;
    const ConvShape& f_;
    const TransposedTiling& t_;
    const Kernels<T>& kernels_;
    const T* bias_;
    T* y_;
    std::int64_t y_batch_;
    std::vector<std::size_t> first_tap_;  // index in taps_ of the first tap of each phase of the width
    std::vector<Tap> taps_;
};

}  // namespace npconv

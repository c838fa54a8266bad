// SPDX-License-Identifier: BSD-3-Clause
// The input of a block of the GEMM path: in place, or a small copy (stage.hpp).
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "algorithms/stage.hpp"
#include "kernels/registry.hpp"
#include "plan/executions.hpp"
#include "plan/pixel_boxes.hpp"

namespace npconv {

template <class T>
class GemmInput {
  public:
    GemmInput(const GemmExecution& e, const TensorView<const T>& x)
        : p_(e.problem), s_(p_.shape), t_(e.tiling), kernels_(kernels_of<T>(e.kernels())), flat_x_(s_.flat_step(x.spatial)) {
        const bool read_once = t_.flat && pixel_lanes() && t_.panels.parts == 1;
        aliasing_ = p_.layout == Layout::channels_first && !read_once && !t_.made_input &&
                    alias(x.channel * static_cast<std::int64_t>(sizeof(T)), t_.k.channels.longest());
        places_overflow_ = places_overflow(x.spatial);
    }

    // Elements between pixels of a flat map in x if they are the same everywhere, else 0.
    std::int64_t flat_step() const { return flat_x_; }
    // The same for the source that is read: x or a copy.
    std::int64_t even_step() const { return aliasing_ ? 1 : flat_x_; }

    // The input of a block of a flat map, or of a map that is cut into boxes. x: at the first channel of the group, in the image.
    Source<T> of_flat(const TensorView<const T>& x, const Box& pixels, const KBlock& block, T* copy) const {
        return aliasing_ ? stage(p_, kernels_, form_of(t_), x, pixels, block, copy) : place(pixels, block, x);
    }
    Source<T> of_boxes(const TensorView<const T>& x, const Box& pixels, const PixelBoxes& boxes, const KBlock& block, T* copy) const {
        const bool in_place = t_.k_length == 0 || readable_in_place(pixels, x, boxes);
        return in_place ? place(pixels, block, x) : stage(p_, kernels_, form_of(t_), x, pixels, block, copy);
    }

  private:
    bool pixel_lanes() const { return t_.lane == Lane::pixel; }

    // Channels that are a multiple of a large power of two apart share few sets of the second-level cache. If a block of k has more
    // channels than half the ways of these sets hold, it is copied.
    static bool alias(std::int64_t channel_bytes, std::int64_t channels) {
        constexpr std::int64_t way_bytes = 128 * 1024, ways = 8;
        const std::int64_t places = way_bytes / std::gcd(channel_bytes, way_bytes);
        return channel_bytes != 0 && channels > places * ways / 2;
    }

    // May the offset of a pixel from x overflow? Only with an astronomical padding: the input is then copied. (Without padding all offsets
    // are inside the input.)
    bool places_overflow(const std::array<std::int64_t, 3>& strides) const {
        constexpr double most = 1e17;
        for (std::size_t i = 0; i < 3; ++i) {
            const Axis& a = s_.axis[i];
            const double reach =
                as_double(a.pad_before) + as_double(a.output - 1) * as_double(a.stride) + as_double(a.kernel - 1) * as_double(a.dilation);
            if (a.padded() && reach * std::abs(as_double(strides[i])) > most) return true;
        }
        return false;
    }

    bool readable_in_place(const Box& pixels, const TensorView<const T>& x, const PixelBoxes& boxes) const {
        if (boxes.outside || aliasing_ || places_overflow_) return false;
        if (!pixel_lanes()) return x.channel == 1 || (!t_.always_copied && !narrow(boxes.runs[2]));
        const bool whole_vectors = t_.made_input || pixels.length(2) % t_.lanes == 0;
        return whole_vectors && (t_.flat ? flat_x_ == 1 : x.spatial[2] == 1 && s_.axis[2].stride == 1);
    }

    // Channels first, a narrow box has few pixels in each row, and each row takes a cache line of its own for each channel. If many pixels
    // of a row are in such boxes (1x7 kernels), the row is copied.
    static bool narrow(const AxisRuns& runs) {
        constexpr std::int64_t few = 4;
        if (runs.count == 1) return false;
        std::int64_t pixels = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(runs.count); ++i) {
            const std::int64_t n = runs.begin[i + 1] - runs.begin[i];
            if (n < few) pixels += n;
        }
        return pixels * few > runs.begin[static_cast<std::size_t>(runs.count)] - runs.begin[0];
    }

    Source<T> place(const Box& pixels, const KBlock& block, const TensorView<const T>& x) const {
        return t_.k_length == 0 ? Source<T>() : in_place(s_, t_.flat, flat_x_, x, pixels, block);  // with k_length == 0 nothing is read
    }

    const Problem& p_;
    const ConvShape& s_;
    const GemmTiling& t_;
    const Kernels<T>& kernels_;
    const std::int64_t flat_x_;
    bool aliasing_ = false, places_overflow_ = false;
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Runs of pixels for kernels and loops that need them at one distance: in place if possible, else a copy. Results do not depend on the
// choice.
#pragma once
#include <array>
#include <cstdint>

#include "core/shape.hpp"
#include "core/types.hpp"

namespace npconv {

// Runs of pixels of an image, with several channels each. They are read in place if the step between pixels is constant (dense: 1) and the
// channels of a pixel are adjacent. last: channels last.
template <class T>
class PixelRuns {
    using Size = std::int64_t;

  public:
    PixelRuns(const TensorView<const T>& view, const std::array<Size, 3>& sizes, Size channels, bool last, bool dense = false)
        : view_(view), sizes_(sizes), channel_(last ? view.channel : 0), step_(flat_step(sizes, view.spatial, -1)) {
        in_place_ = step_ >= 0 && (last ? view.channel == 1 || channels == 1 : !dense || step_ == 1);
    }

    bool in_place() const { return in_place_; }
    Size step() const { return step_; }
    const T* at(Size image, Size channel) const { return view_.data + image * view_.batch + channel * view_.channel; }

    // n channels of `count` pixels from `begin` on. apart: elements between pixels.
    struct Run {
        const T* data;
        Size apart;
    };
    Run run(Size image, Size channel, Size n, Size begin, Size count, T* copy) const {
        const T* from = at(image, channel);
        if (in_place_) return {from + begin * step_, step_};
        const Size plane = sizes_[1] * sizes_[2];
        Size d = begin / plane, h = begin % plane / sizes_[2], w = begin % sizes_[2];
        T* to = copy;
        for (Size i = 0; i < count; ++i) {
            const T* pixel = from + d * view_.spatial[0] + h * view_.spatial[1] + w * view_.spatial[2];
            for (Size c = 0; c < n; ++c) *to++ = pixel[c * channel_];
            if (++w < sizes_[2]) continue;
            w = 0;
            if (++h < sizes_[1]) continue;
            h = 0;
            ++d;
        }
        return {copy, n};
    }

  private:
    TensorView<const T> view_;
    std::array<Size, 3> sizes_;
    Size channel_, step_;
    bool in_place_;
};

}  // namespace npconv

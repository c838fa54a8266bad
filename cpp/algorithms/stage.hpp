// SPDX-License-Identifier: BSD-3-Clause
// A small copy of the part of the input that a block of pixels and a block of k need, with the border filled in. It has each value once,
// and the taps of the kernel are offsets into it (no im2col). It is used if padding cuts a block, or if reading the input in place would be
// slow. Padding modes are resolved here.
#pragma once
#include <array>
#include <cstdint>

#include "core/types.hpp"
#include "kernels/table.hpp"
#include "plan/copy_form.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {

// Steps, in elements, between the pixels, taps and channels of a block, in the input or in a copy.
struct Steps {
    // The offset of tap t of an axis from the block's first tap. Rows may be split by phase, so that strided pixels are adjacent.
    struct Taps {
        std::int64_t scale = 1;
        std::int64_t phases = 1;
        std::int64_t phase_step = 0;
        std::int64_t step = 0;
        std::int64_t offset(std::int64_t t) const {
            if (phases == 1) return t * scale * step;
            return t * scale % phases * phase_step + t * scale / phases * step;
        }
    };

    std::array<std::int64_t, 3> pixel{};  // between neighbouring pixels
    std::array<Taps, 3> tap{};
    std::int64_t k = 0;  // between channels
};

template <class T>
struct Source {
    const T* data = nullptr;  // the block's first pixel, first tap, first channel
    Steps steps;
};

// The source of a block that is read in place. flat: there is one tap, and pixels are flat_step elements apart.
template <class T>
Source<T> in_place(const ConvShape& s, bool flat, std::int64_t flat_step, const TensorView<const T>& x, const Box& pixels,
                   const KBlock& k) {
    Source<T> source;
    source.data = x.data + k.channel_begin * x.channel;
    source.steps.k = x.channel;
    if (flat) {
        source.data += pixels.begin[2] * flat_step;
        source.steps.pixel = {0, 0, flat_step};
        return source;
    }
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = s.axis[a];
        source.data += axis.at(pixels.begin[a], k.tap_begin[a]) * x.spatial[a];
        source.steps.pixel[a] = axis.output > 1 ? axis.stride * x.spatial[a] : 0;  // with one pixel the stride may be any number
        source.steps.tap[a] = {1, 1, 0, axis.kernel > 1 ? axis.dilation * x.spatial[a] : 0};
    }
    return source;
}

inline CopyForm form_of(const GemmTiling& t) { return {t.copy, t.lane == Lane::pixel, t.flat, t.lanes}; }

// Elements of the largest copy of any block.
std::int64_t staged_elements(const ConvShape& shape, const GemmTiling& tiling);

// Copies the part of the input of a block into `to`. x: at the first channel of the group, in the image.
template <class T>
Source<T> stage(const Problem& problem, const Kernels<T>& kernels, const CopyForm& form, const TensorView<const T>& x, const Box& pixels,
                const KBlock& k, T* to);

}  // namespace npconv

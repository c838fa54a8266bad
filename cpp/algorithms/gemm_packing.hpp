// SPDX-License-Identifier: BSD-3-Clause
// Packs the caller's weights into panels: for a plan all at once, in a plain call one after the other where they are used.
#pragma once
#include <cstdint>

#include "core/types.hpp"
#include "kernels/table.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Calls f(offset of the tap in w, index of the tap in the block) for the taps of a block, row-major. flip: w is read from its end.
template <class T, class F>
void for_each_tap(const Problem& p, const TensorView<const T>& w, const KBlock& k, const F& f) {
    const auto& axis = p.shape.axis;
    const auto offset = [&](std::size_t a, std::int64_t i) { return (p.flip ? axis[a].kernel - 1 - i : i) * w.spatial[a]; };
    for (std::int64_t d = k.tap_begin[0]; d < k.tap_end[0]; ++d) {
        for (std::int64_t h = k.tap_begin[1]; h < k.tap_end[1]; ++h) {
            for (std::int64_t x = k.tap_begin[2]; x < k.tap_end[2]; ++x) f(offset(0, d) + offset(1, h) + offset(2, x), k.k_of(d, h, x));
        }
    }
}

// The larger of two magnitudes; NaN if one is.
template <class T>
T larger_magnitude(T a, T b) {
    return a <= b || b != b ? b : a;
}

// Axes of w: batch is the output channel, channel the input channel of a group, spatial the kernel axes.
template <class T>
class GemmPacking {
  public:
    GemmPacking(const GemmExecution& execution, const TensorView<const T>& w);

    // Both functions return the largest magnitude of a weight, NaN if a weight is NaN.
    // `packed` begins with the first panel of the group.
    T pack_panel(std::int64_t group, std::int64_t panel, T* packed) const;
    // One block of k of a panel, [k][width of the panel].
    T pack_block(std::int64_t group, std::int64_t panel, const KBlock& k, T* to) const;

  private:
    struct Rows {
        const T* from;
        std::int64_t width, real;  // channels of a row of the panel with and without padding
    };
    Rows rows(std::int64_t group, std::int64_t panel) const;
    T transpose(const Rows& rows, const KBlock& k, T* to) const;
    T copy(const Rows& rows, const KBlock& k, T* to) const;
    bool unit_step(std::size_t axis, std::int64_t step) const;

    const Problem& p_;
    const ConvShape& s_;
    const GemmTiling& t_;
    TensorView<const T> w_;
    const Kernels<T>& kernels_;
    bool contiguous_ = false;  // weights of an output channel are contiguous, as NumPy makes them
};

// Packs the panels of all groups. There must be at least one weight. Returns the largest magnitude.
double pack_panels(const GemmExecution& execution, const AnyView& w, void* to, int threads);

}  // namespace npconv

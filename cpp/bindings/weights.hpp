// SPDX-License-Identifier: BSD-3-Clause
// Weights and biases of a call, or of a plan that packs them, as views.
#pragma once
#include "algorithms/conv_plan.hpp"
#include "bindings/call.hpp"
#include "core/merge.hpp"

namespace npconv {

// w: the array at `i`, readable. bias: that at `bias`, if there is one.
template <class T>
WeightsView<T> weights_of(const Arrays& arrays, std::size_t i, std::size_t bias, int rank, bool merged = false) {
    WeightsView<T> view;
    view.w = weights_view<T>(arrays[i], rank);
    if (merged) view.w = with_merged_rows(view.w, 1);
    if (arrays.has(bias)) {
        view.bias = static_cast<const T*>(arrays[bias].data());
        view.bias_stride = arrays[bias].shape(0) < 2 ? 0 : arrays[bias].strides(0) / arrays[bias].itemsize();
    }
    return view;
}

}  // namespace npconv

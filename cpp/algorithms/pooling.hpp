// SPDX-License-Identifier: BSD-3-Clause
// Pooling with windows, its kernels spread over threads; and what the kernels are not made for, window by window (pool_windows.hpp).
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "core/pool_shape.hpp"
#include "core/types.hpp"
#include "kernels/table.hpp"

namespace npconv {

// What a pooling reads and writes. y and places are dense in the layout within an image.
template <class X>
struct PoolOperands {
    TensorView<const X> x;
    X* y = nullptr;
    std::int64_t y_batch = 0;        // elements between images of y
    std::int64_t* places = nullptr;  // where the maxima or minima are, in the plane; or null. Dense altogether
};

// How a call is run.
struct PoolCall {
    Layout layout = Layout::channels_first;
    const KernelTable* kernels = nullptr;
    int threads = 1;
};

// What an average divides by: the taps in x and its padding or in x alone, a number of the caller's, or the elements of an adaptive window.
struct AverageRule {
    bool count_include_pad = true;
    std::optional<std::int64_t> divisor = std::nullopt;
    bool of_window = false;
};

template <class X>
void max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
void min_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
void avg_pool(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io);
template <class X>
void lp_pool(const PoolShape& shape, double power, const PoolCall& call, const PoolOperands<X>& io);

// x: the gradient of the result, y: that of the input of the pooling `shape`.
template <class X>
void avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io);

// The bytes of a thread that lp_pool and then avg_pool_gradient with a divisor take in float64, on dense arrays; none where windows are too
// large for the kernels.
std::optional<std::int64_t> bytes_of_norms_and_gradients(const PoolShape& shape, const PoolCall& call);

// Taps that an average counts for output o of an axis.
std::int64_t counted_taps(const Axis& axis, std::int64_t o, bool count_include_pad);
// Outputs for which it counts all of them: first to second.
std::pair<std::int64_t, std::int64_t> complete_windows(const Axis& axis, bool count_include_pad);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Pooling with windows, its kernels spread over threads; and what the kernels are not made for, window by window (pool_windows.hpp).
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "algorithms/pool_divisors.hpp"
#include "core/pool_shape.hpp"
#include "core/types.hpp"
#include "kernels/table.hpp"
#include "plan/pool_tiling.hpp"

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

// What is made of the elements of a window.
enum class PoolKind { maximum, minimum, average, norm };
struct PoolRule {
    PoolKind kind = PoolKind::maximum;
    bool places = false;  // of maxima and minima: where they are, too
    AverageRule average = {};
    double power = 1;  // of norms
};

// By the kernels; or where these are not made for the windows, slid along the longest axis (long_windows.hpp), or one by one.
enum class PoolWay { kernels, sliding, windows };

// All that is decided of a pooling, of batch and channels that are not 0.
struct PoolDecision {
    PoolProblem problem;
    PoolTiling tiling;
    PoolWay way = PoolWay::kernels;
    std::array<bool, 3> divisors_differ{};  // along an axis, of averages

    // The same for another batch than that of the shape it was decided for.
    void set_batch(const PoolShape& shape);
    std::int64_t workspace_bytes(const PoolShape& shape, const PoolRule& rule, int threads) const;
};
// side_by_side: as the function below has it for the x of the calls.
PoolDecision decide_pool(const PoolShape& shape, const PoolRule& rule, DType dtype, Layout layout, const KernelTable& kernels,
                         bool side_by_side);

// Are the elements that a vector holds neighbours in memory: of x the columns of a row, or channels last the channels of a pixel? A row of
// one column counts as neighbours.
template <class X>
bool side_by_side(Layout layout, std::int64_t channels, std::int64_t columns, const TensorView<const X>& x) {
    return layout == Layout::channels_first || channels == 1 ? x.spatial[2] == 1 || columns == 1 : x.channel == 1;
}

template <class X>
void run_pool(const PoolDecision& decision, const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands<X>& io);

// Decides and runs. Sums of floats only.
template <class X>
void pool(const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    if (shape.empty()) return;
    const bool neighbours = side_by_side(call.layout, shape.channels, shape.axis[2].input, io.x);
    run_pool(decide_pool(shape, rule, dtype_of_type<X>(), call.layout, *call.kernels, neighbours), shape, rule, call, io);
}

// x: the gradient of the result, y: that of the input of the pooling `shape`.
template <class X>
void avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io);

// The bytes of a thread that lp_pool and then avg_pool_gradient with a divisor take in float64, on dense arrays; none where windows are too
// large for the kernels.
std::optional<std::int64_t> bytes_of_norms_and_gradients(const PoolShape& shape, const PoolCall& call);

}  // namespace npconv

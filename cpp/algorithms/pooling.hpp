// SPDX-License-Identifier: BSD-3-Clause
// Pooling with windows: runs the kernels on threads.
#pragma once
#include <cstdint>

#include "plan/pool_execution.hpp"

namespace npconv {

// The arrays that a pooling reads and writes. The problem or the call names the element type. Within an image, y and places are dense in
// the layout.
struct PoolOperands {
    AnyView x;
    void* y = nullptr;
    std::int64_t y_batch = 0;        // elements between images of y
    std::int64_t* places = nullptr;  // places of maxima or minima in the plane, or null. Dense, over images, too
};

// The same with a known element type.
template <class X>
struct PoolData {
    TensorView<const X> x;
    X* y;
    std::int64_t y_batch;
    std::int64_t* places;

    explicit PoolData(const PoolOperands& io) : x(typed<X>(io.x)), y(static_cast<X*>(io.y)), y_batch(io.y_batch), places(io.places) {}
};

// The settings of a call.
struct PoolCall {
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    const Context* on = nullptr;
    int threads = 1;

    bool channels_last(const PoolShape& s) const { return layout == Layout::channels_last && s.channels > 1; }
};

void run_pool(const PoolExecution& execution, const PoolOperands& io, int threads);

// Plans and runs. Averages and norms: float types only.
void pool(const PoolShape& shape, const PoolRule& rule, const PoolCall& call, const PoolOperands& io);

// x: the gradient of the result; y: the gradient of the input. shape: that of the pooling.
void avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands& io);

}  // namespace npconv

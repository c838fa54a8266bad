// SPDX-License-Identifier: BSD-3-Clause
// A pooling with all decisions about it. It is made once. Running, explaining and counting its memory only read it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "plan/context.hpp"
#include "plan/describe.hpp"
#include "plan/long_tiling.hpp"
#include "plan/pool_problem.hpp"
#include "plan/pool_tiling.hpp"

namespace npconv {

// How windows are pooled: by the kernels; or, if these do not serve the windows, sliding along the longest axis, or window by window.
enum class PoolWay { kernels, sliding, windows };

struct PoolExecution {
    // The number of arrays of a thread: values and places of each buffer, two of line tags, and a table of divisors for each axis.
    static constexpr std::size_t arrays = 2 * PoolTiling::buffers + 5;

    PoolProblem problem;  // its shape is not empty
    const Context* on = nullptr;
    KernelPool pool;
    PoolTiling tiling;
    PoolWay way = PoolWay::kernels;
    std::optional<LongTiling> sliding;  // set if the pooling slides
    std::optional<LongTiling> mending;  // norms: how to compute doubtful ones again, if they may be too many to do so one by one

    const KernelTable& kernels() const { return *on->kernels; }
    // The same execution for another batch.
    PoolExecution with_batch(std::int64_t batch) const;
    // The number of threads that the kernels use.
    int threads(int of_call) const;
    std::array<std::int64_t, arrays> bytes_of_arrays() const;
    std::int64_t workspace_bytes(int of_call) const;
};

// `on` outlives it.
PoolExecution plan_pool(const PoolProblem& problem, const Context& on);

// May sums of powers in float64 of elements of this type overflow or vanish although the norms do not?
bool norms_are_doubtful(DType dtype, double power);

// Bytes of a thread for a norm, followed by the gradient of an average with a divisor, in float64 on dense arrays, channels first. No value
// if windows are too large for the kernels.
std::optional<std::int64_t> bytes_of_norms_and_gradients(const PoolShape& shape, const Context& on);

// Bytes that a call allocates beside its results; for a free batch, at most.
std::int64_t most_workspace_bytes(const PoolExecution& execution, bool free_batch, int threads);

const char* name_of(PoolWay way);
// Comparisons, additions or powers of the definition: one for each tap of each window. Saturates at 2^63 - 1.
std::int64_t operations_of(const PoolShape& shape);
// execution: null if the shape is empty.
std::string explain(const PoolProblem& problem, bool free_batch, const PoolExecution* execution, const Footprint& footprint);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// A pooling with all that is decided of it. Made once; running, explaining and counting its memory read it, and neither decide nor tile.
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

// By the kernels; or where these are not made for the windows, slid along the longest axis, or one by one.
enum class PoolWay { kernels, sliding, windows };

struct PoolExecution {
    // The arrays of a thread: values and places of each buffer, tags of lines, and tables of the divisors that differ along an axis.
    static constexpr std::size_t arrays = 2 * PoolTiling::buffers + 5;

    PoolProblem problem;  // its shape is not empty
    const Context* on = nullptr;
    KernelPool pool;
    PoolTiling tiling;
    PoolWay way = PoolWay::kernels;
    std::optional<LongTiling> sliding;  // where it slides
    std::optional<LongTiling> mending;  // of norms of which doubtful ones may be too many to be computed again one by one

    const KernelTable& kernels() const { return *on->kernels; }
    // The same for another batch.
    PoolExecution with_batch(std::int64_t batch) const;
    // Threads that the kernels use.
    int threads(int of_call) const;
    std::array<std::int64_t, arrays> bytes_of_arrays() const;
    std::int64_t workspace_bytes(int of_call) const;
};

// `on` outlives it.
PoolExecution plan_pool(const PoolProblem& problem, const Context& on);

// The sums of powers in float64 of elements of this type may overflow or vanish where norms do not.
bool norms_are_doubtful(DType dtype, double power);

// The bytes of a thread that a norm and then the gradient of an average with a divisor take in float64, on dense arrays, channels first;
// none where windows are too large for the kernels.
std::optional<std::int64_t> bytes_of_norms_and_gradients(const PoolShape& shape, const Context& on);

// All that a call allocates beside its results; for a free batch the most that it may.
std::int64_t most_workspace_bytes(const PoolExecution& execution, bool free_batch, int threads);

const char* name_of(PoolWay way);
// Comparisons, additions or powers of the definition: one for each tap of each window. At most 2^63 - 1 are told.
std::int64_t operations_of(const PoolShape& shape);
// No execution: the shape is empty.
std::string explain(const PoolProblem& problem, bool free_batch, const PoolExecution* execution, const Footprint& footprint);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/adaptive_pool.hpp"

#include "algorithms/each_window.hpp"
#include "algorithms/global_pool.hpp"

namespace npconv {
namespace {

// Adaptive windows that are all alike and do not overlap, as an ordinary pooling; of sums only short ones, which lose no digits.
bool regular(const PoolShape& shape, std::int64_t longest, PoolShape& ordinary) {
    ordinary = shape;
    for (std::size_t i = 0; i < 3; ++i) {
        Axis& a = ordinary.axis[i];
        if (a.input % a.output != 0 || a.input / a.output > longest) return false;
        a.kernel = a.stride = a.input / a.output;
    }
    return true;
}

constexpr std::int64_t short_window = 8;
constexpr AverageRule of_window{true, std::nullopt, true};

}  // namespace

void adaptive_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io) {
    PoolShape ordinary;
    if (shape.empty()) return;
    if (regular(shape, shape.inputs(), ordinary) && shape.outputs() > 1) return pool(ordinary, {.places = io.places != nullptr}, call, io);
    if (!io.places && shape.outputs() == 1) return global_max_pool(shape, call, io);
    pool_each_window(WindowAxes::adaptive(shape), shape, {}, call, io);
}

void adaptive_avg_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands& io) {
    PoolShape ordinary;
    if (shape.empty()) return;
    if (regular(shape, short_window, ordinary) && shape.outputs() > 1) return pool(ordinary, {.kind = PoolKind::average}, call, io);
    if (shape.outputs() == 1) return global_avg_pool(shape, call, io);
    pool_each_window(WindowAxes::adaptive(shape), shape, {.kind = PoolKind::average, .average = of_window}, call, io);
}

void adaptive_avg_pool_gradient(const PoolShape& shape, const PoolCall& call, const PoolOperands& io) {
    PoolShape ordinary;
    if (shape.empty()) return;
    if (shape.outputs() == 1) return fill_global_gradient(shape, call, io);
    if (regular(shape, shape.inputs(), ordinary)) return avg_pool_gradient(ordinary, {}, call, io);
    spread_each_window(WindowAxes::adaptive(shape), shape, of_window, call, io);
}

}  // namespace npconv

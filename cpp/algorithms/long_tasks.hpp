// SPDX-License-Identifier: BSD-3-Clause
// The tasks of a pooling of long windows (plan/long_tiling.hpp), and the places of their elements in x and y.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "core/types.hpp"
#include "plan/long_tiling.hpp"

namespace npconv {

// An element of x or y.
struct Place {
    std::int64_t image, channel;
    std::array<std::int64_t, 3> at;
};

template <class X>
X element(const TensorView<const X>& v, const Place& p) {
    return v.data[p.image * v.batch + p.channel * v.channel + p.at[0] * v.spatial[0] + p.at[1] * v.spatial[1] + p.at[2] * v.spatial[2]];
}

// Steps, in elements, of a dense array of results or inputs. size: Axis::output or Axis::input.
struct DenseSteps {
    std::array<std::int64_t, 3> step;
    std::int64_t channel, batch;

    DenseSteps(const PoolShape& s, Layout layout, std::int64_t Axis::*size, std::int64_t batch_step) : batch(batch_step) {
        const bool last = layout == Layout::channels_last;
        step[2] = last ? s.channels : 1;
        step[1] = step[2] * s.axis[2].*size;
        step[0] = step[1] * s.axis[1].*size;
        channel = last ? 1 : step[0] * s.axis[0].*size;
    }
    std::int64_t offset(const Place& p) const {
        return p.image * batch + p.channel * channel + p.at[0] * step[0] + p.at[1] * step[1] + p.at[2] * step[2];
    }
};

// Sets y to zero if an axis has dilation, because its windows may leave out whole residue classes of inputs.
template <class X>
void clear_where_dilated(const PoolShape& s, X* y, std::int64_t batch) {
    if (std::all_of(s.axis.begin(), s.axis.end(), [](const Axis& a) { return a.dilation == 1; })) return;
    for (std::int64_t image = 0; image < s.batch; ++image) std::fill_n(y + image * batch, s.channels * s.inputs(), X(0));
}

struct LongTask {
    const LongTiling& tiling;
    std::int64_t image = 0, channel = 0, lanes = 1;
    std::array<ClassOfAxis, 3> axis{};
    Part part{}, tile_a{}, tile_b{};  // ranges of results; spread: of inputs

    const ClassOfAxis& outer() const { return axis[tiling.outer]; }
    const ClassOfAxis& a() const { return axis[tiling.a]; }
    const ClassOfAxis& b() const { return axis[tiling.b]; }
    // The place of lane l of an input or output, from its numbers on the axes. which: &ClassOfAxis::inputs or &ClassOfAxis::outputs.
    Place place(Numbers ClassOfAxis::*which, std::int64_t number_a, std::int64_t number_b, std::int64_t number, std::int64_t l) const {
        Place p{image, channel + (tiling.last ? l : 0), {}};
        p.at[tiling.a] = (a().*which).at(number_a, 0);
        p.at[tiling.b] = (b().*which).at(number_b, 0);
        p.at[tiling.outer] = (outer().*which).at(number, tiling.last ? 0 : l);
        return p;
    }
};

// Calls body(task, memory of the task) for all tasks, in parallel.
void each_long_task(const LongTiling& tiling, int threads, const std::function<void(const LongTask&, char*)>& body);

}  // namespace npconv

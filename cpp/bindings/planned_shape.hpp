// SPDX-License-Identifier: BSD-3-Clause
// The input shape of a plan, as plan_conv and its like take it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "core/sizes.hpp"

namespace npconv {

// x_shape: ints, and None for a free batch.
struct PlannedShape {
    std::vector<std::int64_t> sizes;  // 1 for a free batch
    bool free_batch = false;
    std::string text;  // as given

    // ValueError where None stands for what is no batch,
    void check_free_batch(Form form) const;
    // where the number of axes differs from that of a plan's shape,
    void expect_axes_of(const PlannedShape& plan) const;
    // where an input has another shape. Its form: of a plan for any batch it may be one image without the batch.
    Form expect(const py::array& x, Form planned) const;

    // A shape as the caller sees it: None for a free batch.
    py::tuple with_free_batch(const std::vector<std::int64_t>& shape) const;
};

// The batch of an input, or of a gradient, in the form of the call.
std::int64_t batch_of(const py::array& x, Form form);

// What a plan's functions call their operands.
constexpr OperandNames planned_names{.x = "x_shape", .x_is_shape = true};

PlannedShape parse_x_shape(py::handle value);

// The N of a plan's shape and weights, which plan_conv is not told: three axes each are a 1-D batch.
int infer_rank(const PlannedShape& x, const py::array& w);
int infer_rank(const PlannedShape& x, std::size_t w_axes, const std::string& w);  // w: in words

}  // namespace npconv

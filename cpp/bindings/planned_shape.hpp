// SPDX-License-Identifier: BSD-3-Clause
// The shape of an operand as it is asked about: of a plan, where the batch may be free, or of the array of a plain call.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "bindings/arguments.hpp"
#include "bindings/call.hpp"
#include "core/sizes.hpp"

namespace npconv {

struct PlannedShape {
    Shape sizes;  // 1 for a free batch
    bool free_batch = false;
    std::string given;  // x_shape in the caller's words; empty: the sizes say it

    std::string text() const { return given.empty() ? tuple_text(sizes) : given; }

    // ValueError where None stands for what is no batch,
    void check_free_batch(Form form) const;
    // where the number of axes differs from that of a plan's shape,
    void expect_axes_of(const PlannedShape& plan) const;
    // where an array has another shape, which is `whose`. Its form: of a plan for any batch it may be one image without the batch.
    Form expect(const py::array& array, const char* name, const char* whose, Form planned) const;

    // The shape of a call, whose operands have this form and batch.
    Shape of_call(Form form, std::int64_t batch) const;
    // As the caller sees it: None for a free batch.
    py::tuple as_python() const;
};

// The batch of an input, or of a gradient, in the form of the call.
std::int64_t batch_of(const py::array& x, Form form);

// What a plan's functions call their operands, and whose shape those must have.
constexpr OperandNames planned_names{.x = "x_shape", .x_is_shape = true};
constexpr const char* of_the_plan = "that the plan was made for";

// x_shape: ints, and None for a free batch.
PlannedShape parse_x_shape(py::handle value);

// The N of a plan's shape and weights, which plan_conv is not told: three axes each are a 1-D batch. w: in words.
int infer_rank(const PlannedShape& x, std::size_t w_axes, const std::string& w);
// The same of arrays of weights, of which the first is w; it must have a dtype that is served.
int infer_rank(const PlannedShape& x, const Arrays& weights);

}  // namespace npconv

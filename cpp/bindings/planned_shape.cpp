// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/planned_shape.hpp"

#include <algorithm>

namespace npconv {

PlannedShape parse_x_shape(py::handle value) {
    if (!is_sequence(value)) throw py::type_error("x_shape must be a tuple of ints (None for any batch), got " + shown(value));
    PlannedShape shape;
    shape.given = shown(value);
    for (const py::handle item : snapshot(value)) {
        if (item.is_none()) {
            if (!shape.sizes.empty())
                throw py::value_error("x_shape may have None for the batch only, its first entry; got " + shape.given);
            shape.free_batch = true;
            shape.sizes.push_back(1);
            continue;
        }
        shape.sizes.push_back(parse_int(item, "x_shape"));
        if (shape.sizes.back() < 0) throw py::value_error("x_shape must not have negative entries, got " + shape.given);
    }
    return shape;
}

void PlannedShape::check_free_batch(Form form) const {
    if (!free_batch || form == Form::batched) return;
    throw py::value_error("x_shape may have None for the batch only, and has no batch axis here; got " + text());
}

void PlannedShape::expect_axes_of(const PlannedShape& plan) const {
    if (sizes.size() == plan.sizes.size()) return;
    throw py::value_error("x_shape must have as many axes as the plan's, " + std::string(py::str(plan.as_python())) + "; got " + text());
}

Form PlannedShape::expect(const py::array& a, const char* name, const char* whose, Form planned) const {
    const std::size_t axes = static_cast<std::size_t>(a.ndim());
    const bool whole = axes == sizes.size(), image = free_batch && axes + 1 == sizes.size();
    const auto skipped = free_batch ? 1 : 0;  // of the plan's sizes
    if ((whole || image) && std::equal(sizes.begin() + skipped, sizes.end(), a.shape() + (whole ? skipped : 0))) {
        return image ? Form::unbatched : planned;
    }
    throw py::value_error(std::string(name) + " must have the shape " + whose + (free_batch ? ", with or without the batch, " : ", ") +
                          std::string(py::str(as_python())) + "; got " + shape_text(a));
}

Shape PlannedShape::of_call(Form form, std::int64_t batch) const {
    Shape shape = sizes;
    if (!free_batch) return shape;
    if (form == Form::batched)
        shape[0] = batch;
    else
        shape.erase(shape.begin());
    return shape;
}

py::tuple PlannedShape::as_python() const {
    py::tuple result(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        result[i] = i == 0 && free_batch ? py::object(py::none()) : py::object(py::int_(sizes[i]));
    }
    return result;
}

std::int64_t batch_of(const py::array& x, Form form) { return form == Form::batched ? x.shape(0) : 1; }

int infer_rank(const PlannedShape& x, std::size_t w_axes, const std::string& w) {
    const int x_ndim = static_cast<int>(x.sizes.size()), w_ndim = static_cast<int>(w_axes);
    const int n = w_ndim - 2;
    if (n >= 1 && n <= 3 && (x_ndim == n + 1 || x_ndim == n + 2)) return n;
    if (x_ndim >= 1 && x_ndim <= 3 && x_ndim == w_ndim) return x_ndim;
    throw py::value_error(
        "x_shape and w must have N + 2 axes each (x_shape may lack the batch), or N each for a single channel, with N = 1, 2 or 3; "
        "got x_shape " +
        x.text() + " and " + w);
}

int infer_rank(const PlannedShape& x, const Arrays& weights) {
    dtype_of(weights[0], weights.name(0));
    return infer_rank(x, static_cast<std::size_t>(weights[0].ndim()), "w of shape " + shape_text(weights[0]));
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/planned_shape.hpp"

#include <algorithm>

namespace npconv {

PlannedShape parse_x_shape(py::handle value) {
    if (!is_sequence(value)) throw py::type_error("x_shape must be a tuple of ints (None for any batch), got " + shown(value));
    PlannedShape shape;
    shape.text = shown(value);
    for (const py::handle item : snapshot(value)) {
        if (item.is_none()) {
            if (!shape.sizes.empty()) throw py::value_error("x_shape may have None for the batch only, its first entry; got " + shape.text);
            shape.free_batch = true;
            shape.sizes.push_back(1);
            continue;
        }
        shape.sizes.push_back(parse_int(item, "x_shape"));
        if (shape.sizes.back() < 0) throw py::value_error("x_shape must not have negative entries, got " + shape.text);
    }
    return shape;
}

void PlannedShape::check_free_batch(Form form) const {
    if (!free_batch || form == Form::batched) return;
    throw py::value_error("x_shape may have None for the batch only, and has no batch axis here; got " + text);
}

void PlannedShape::expect_axes_of(const PlannedShape& plan) const {
    if (sizes.size() == plan.sizes.size()) return;
    throw py::value_error("x_shape must have as many axes as the plan's, " + std::string(py::str(plan.with_free_batch(plan.sizes))) +
                          "; got " + text);
}

Form PlannedShape::expect(const py::array& x, Form planned) const {
    const std::vector<std::int64_t> shape = shape_of(x);
    const bool whole = shape.size() == sizes.size(), image = free_batch && shape.size() + 1 == sizes.size();
    const auto skipped = free_batch ? 1 : 0;  // of the plan's sizes
    if ((whole || image) && std::equal(sizes.begin() + skipped, sizes.end(), shape.begin() + (whole ? skipped : 0))) {
        return image ? Form::unbatched : planned;
    }
    throw py::value_error("x must have the shape that the plan was made for" +
                          std::string(free_batch ? ", with or without the batch, " : ", ") + std::string(py::str(with_free_batch(sizes))) +
                          "; got " + shape_text(x));
}

std::int64_t batch_of(const py::array& x, Form form) { return form == Form::batched ? x.shape(0) : 1; }

py::tuple PlannedShape::with_free_batch(const std::vector<std::int64_t>& shape) const {
    py::tuple result(shape.size());
    for (std::size_t i = 0; i < shape.size(); ++i) {
        result[i] = i == 0 && free_batch ? py::object(py::none()) : py::object(py::int_(shape[i]));
    }
    return result;
}

int infer_rank(const PlannedShape& x, std::size_t w_axes, const std::string& w) {
    const int x_ndim = static_cast<int>(x.sizes.size()), w_ndim = static_cast<int>(w_axes);
    const int n = w_ndim - 2;
    if (n >= 1 && n <= 3 && (x_ndim == n + 1 || x_ndim == n + 2)) return n;
    if (x_ndim >= 1 && x_ndim <= 3 && x_ndim == w_ndim) return x_ndim;
    throw py::value_error(
        "x_shape and w must have N + 2 axes each (x_shape may lack the batch), or N each for a single channel, with N = 1, 2 or 3; "
        "got x_shape " +
        x.text + " and " + w);
}

int infer_rank(const PlannedShape& x, const py::array& w) {
    return infer_rank(x, static_cast<std::size_t>(w.ndim()), "w of shape " + shape_text(w));
}

}  // namespace npconv

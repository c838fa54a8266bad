// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/planned_call.hpp"

#include <utility>

#include "bindings/register.hpp"

namespace npconv {
namespace {

// Leaves the functions of this module as the only way to an object of a class. pybind11 makes an object in two steps, __new__ and __init__,
// and its methods read memory that nobody has written if they are called in between: after __new__ alone, after an __init__ that failed, or
// by another thread while __init__ packs without the GIL. (The check of its metaclass is made after both, for classes that forget
// __init__. Our metaclass is `type`, as the stubs say.) So there is no __new__, and no __init__ that does anything; nor may an object of
// another class become one by an assignment to __class__.
void seal(py::handle cls) {
    auto* type = reinterpret_cast<PyTypeObject*>(cls.ptr());
    type->tp_new = nullptr;
    type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Modified(type);
}

}  // namespace

PlannedCall::PlannedCall(std::unique_ptr<Operation> operation, PlannedShape x, Arrays weights, DType dtype)
    : operation_(std::move(operation)), first_x_(std::move(x)), kept_(std::move(weights)) {
    if (kept_.size() > 0) kept_.expect_dtype(dtype, kept_.name(0));
    operation_->ask(first_x_, kept_, 0, dtype, planned_names);
    kept_.make_own(dtype);
    operation_->pack(kept_, threads());
}

py::object PlannedCall::operator()(py::handle first, py::handle second, py::handle out) const {
    const Operation& op = *operation_;
    if (!op.second && !second.is_none()) {
        throw py::value_error(std::string("residual must be None: ") + op.kind + " takes none; got " + shown(second));
    }
    Arrays arrays({{op.first, first}, {op.second, second, op.use_of_second}}, out);
    arrays.expect_dtype(op.dtype, "the plan");
    return op.call(arrays, "the plan", of_the_plan);
}

PlannedCall PlannedCall::for_shape(py::handle x_shape) const {
    PlannedShape x = parse_x_shape(x_shape);
    x.expect_axes_of(operation_->x);
    x.check_free_batch(operation_->form);
    return PlannedCall(operation_->for_shape(std::move(x)), *this);
}

void PlannedCall::update_weights(const py::args& values) {
    Arrays given = kept_.with_values(values);
    given.expect_dtype(operation_->dtype, "the plan");
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (given.use(i) == Use::needed) expect_shape(given[i], given.name(i), of_the_plan, shape_of(kept_[i]));
    }
    operation_->check_biases(given, 0);
    given.make_own(operation_->dtype);
    operation_->pack(given, threads());
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (!given.has(i)) given[i] = kept_[i];
    }
    std::swap(given, kept_);  // the old ones go when this is done: what then runs sees the new ones
}

py::tuple PlannedCall::state() const {
    const Arrays kept = kept_;  // of one update
    py::dict keywords = operation_->keywords();
    for (std::size_t i = 0; i < kept.size(); ++i) keywords[kept.name(i)] = kept.has(i) ? py::object(kept[i]) : py::object(py::none());
    keywords["x_shape"] = first_x_.as_python();
    const PlannedShape& x = operation_->x;
    const bool same = first_x_.sizes == x.sizes && first_x_.free_batch == x.free_batch;
    return py::make_tuple(operation_->maker, keywords, same ? py::object(py::none()) : py::object(x.as_python()),
                          operation_->wanted == "measure" ? py::object(py::str(algorithm())) : py::object(py::none()));
}

int PlannedCall::threads() const { return threads_for_call(operation_->asked_threads); }

void register_plan(py::module_& m) {
    const auto meta = py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
    py::class_<PlannedCall> plan(m, "Plan", meta, py::is_final());
    plan.def("__call__", &PlannedCall::operator())
        .def("for_shape", &PlannedCall::for_shape)
        .def("update_weights", &PlannedCall::update_weights)
        .def("explain", &PlannedCall::explain)
        .def("state", &PlannedCall::state)
        .def("_work", &PlannedCall::work, py::arg("packing") = false)
        .def_property_readonly("algorithm", &PlannedCall::algorithm)
        .def_property_readonly("x_shape", &PlannedCall::x_shape)
        .def_property_readonly("grad_shape", &PlannedCall::grad_shape)
        .def_property_readonly("output_shape", &PlannedCall::output_shape)
        .def_property_readonly("flops", &PlannedCall::flops)
        .def_property_readonly("workspace_bytes", &PlannedCall::workspace_bytes)
        .def_property_readonly("packed_bytes", &PlannedCall::packed_bytes);
    seal(plan);
}

}  // namespace npconv

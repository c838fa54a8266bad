// SPDX-License-Identifier: BSD-3-Clause
// The plan of an operation, as a Python object: the one class of plans of all kinds.
#pragma once
#include <memory>
#include <string>

#include "bindings/operation.hpp"

namespace npconv {

class PlannedCall {
  public:
    // weights: as their caller gave them, in the order of the operation. Packs them.
    PlannedCall(std::unique_ptr<Operation> operation, PlannedShape x, Arrays weights, DType dtype);

    // second: None where the operation has one operand.
    py::object operator()(py::handle first, py::handle second, py::handle out) const;
    PlannedCall for_shape(py::handle x_shape) const;
    // In the order of the operation; of those that may be left out None keeps the present one.
    void update_weights(const py::args& values);

    std::string algorithm() const { return operation_->algorithm(); }
    std::int64_t flops() const { return operation_->flops(); }
    std::int64_t workspace_bytes() const { return operation_->workspace_bytes(threads()); }
    std::int64_t packed_bytes() const { return operation_->packed_bytes(); }
    std::string explain() const { return operation_->explain(threads()); }
    py::dict work(bool packing) const { return operation_->work(packing); }
    py::tuple x_shape() const { return operation_->x.as_python(); }
    py::tuple grad_shape() const { return operation_->y.as_python(); }
    py::tuple output_shape() const { return operation_->result.as_python(); }
    // (function, keywords, x_shape, algorithm): the public function that makes such a plan, and what it is called with; None, or the shape
    // that for_shape is called with then; None, or the algorithm that "measure" chose.
    py::tuple state() const;

  private:
    PlannedCall(std::unique_ptr<Operation> operation, const PlannedCall& other)
        : operation_(std::move(operation)), first_x_(other.first_x_), kept_(other.kept_) {}

    int threads() const;

    std::unique_ptr<Operation> operation_;
    PlannedShape first_x_;  // of the plan that packed the weights
    Arrays kept_;           // the weights: private copies that nobody writes to, which plans of other shapes share
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What can be computed with arrays, now or again and again: a convolution, transposed or separable, their gradients, a pooling. An
// operation is made of settings. It is asked about shapes, and judges the arrays of each call by them. It runs with the weights of a call,
// or packs weights first and is what a plan (planned_call.hpp) calls.
#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/plan.hpp"
#include "bindings/planned_shape.hpp"
#include "bindings/without_gil.hpp"
#include "core/interrupt.hpp"

namespace npconv {

// The shapes of one call, judged.
struct Call {
    Form form = Form::batched;  // of the operands
    std::int64_t batch = 1;
    Shape result;
    int threads = 1;
};

class Operation {
  public:
    virtual ~Operation() = default;

    // What an operation says of itself when it is made.
    const char* maker = "";             // the public function that makes a plan of it
    const char* kind = "";              // "a convolution"
    const char* first = "x";            // its operands
    const char* second = nullptr;       // null: one alone
    Use use_of_second = Use::residual;  // or an operand with a shape of its own
    std::string wanted = "auto";        // algorithm
    int asked_threads = 0;              // num_threads; 0: not given

    // And when it has been asked about shapes.
    DType dtype = DType::f32;
    Form form = Form::batched;       // of the operands
    PlannedShape x, y;               // as the caller has them: the input, and the result of the forward operation
    PlannedShape result;             // of a call: y, or of a gradient x or the weights
    bool of_gradient = false;        // the first operand has the shape of y, not of x
    bool result_is_weights = false;  // which have no batch

    virtual DType dtype_from(const py::array& array, const char* name) const { return dtype_of(array, name); }
    // Weights are the arrays from `weight` on. ValueError where anything does not fit.
    virtual void ask(PlannedShape x, const Arrays& arrays, std::size_t weight, DType dtype, const OperandNames& names) = 0;
    virtual void check_biases(const Arrays& /*arrays*/, std::size_t /*weight*/) const {}
    // ValueError where the sizes of a call with this batch do not fit in 64 bits.
    virtual void check_batch(std::int64_t /*batch*/) const {}

    // The arrays are the operands, and without a plan the weights, all readable.
    virtual py::object run(const Call& call, Arrays& arrays, const Result& result) const = 0;

    // Of a plan: packs the weights, for the first time or in place of others.
    virtual void pack(const Arrays& arrays, int threads);
    // The same for a shape of as many axes, sharing what is packed.
    virtual std::unique_ptr<Operation> for_shape(PlannedShape x) const = 0;
    virtual py::dict keywords() const = 0;
    virtual std::string algorithm() const { return plan_->algorithm(); }
    virtual std::int64_t flops() const = 0;
    virtual std::int64_t workspace_bytes(int threads) const { return plan_->workspace_bytes(threads); }
    virtual std::int64_t packed_bytes() const { return plan_ ? plan_->packed_bytes() : 0; }
    virtual std::string explain(int threads) const { return plan_->explain(threads); }
    py::dict work(bool packing) const;

    // Judges operands, residual and `out`, and runs. of: whose dtype this is, for messages; whose: whose shapes these are.
    py::object call(Arrays& arrays, const char* of, const char* whose) const;

  protected:
    // The weights, which are arrays from `first` on; and a plan that packs them, made without the GIL.
    virtual std::vector<WeightsView> weights(const Arrays& /*arrays*/, std::size_t /*first*/) const { return {}; }
    virtual std::unique_ptr<Plan> make_plan(std::span<const WeightsView> /*weights*/, int /*threads*/) const { return nullptr; }
    void run_plan(const Call& call, const Operands& operands) const;
    // Runs f without the GIL; or with it, if f takes a few microseconds at most. Such an f starts no thread.
    template <class F>
    void compute(const Call& call, const F& f) const {
        constexpr double few = 10'000.0;
        if (!(effort_ * static_cast<double>(call.batch) <= few)) return without_gil(f);
        const Interrupt::Helper to_its_end(nullptr);  // a signal handler may make this call within another one, which is not to be polled
        f();
    }

    // What a call does for one image, in operations: those of the definition, elements of the padded input and of the result, and the
    // overhead of images and planes. Infinite if unknown.
    double effort_ = std::numeric_limits<double>::infinity();
    std::unique_ptr<Plan> plan_;
};

// For windows on `in` planes of one image, which give `out` planes of results. operations: for each tap of each result.
double effort_of(const std::array<Axis, 3>& axis, std::int64_t in, std::int64_t out, std::int64_t operations);

// w: the array at `i`, readable. bias: that at `bias`, if there is one.
WeightsView weights_of(const Arrays& arrays, std::size_t i, std::size_t bias, int rank);

// A call without a plan. arrays: the first operand, the weights or the second operand, a residual. x: its shape; without one that of the
// first array.
py::object call_once(Operation& operation, Arrays& arrays, const OperandNames& names = {}, std::optional<Shape> x = {});

}  // namespace npconv

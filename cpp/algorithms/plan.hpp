// SPDX-License-Identifier: BSD-3-Clause
// plan -> pack -> run, tied together: the one class of plans. What an operation adds is a PlannedOperation: its execution, immutable.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/last_answer.hpp"
#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Weights and bias of a plan. The buffers are immutable; an update puts others in their place.
struct Parameters {
    PackedFormat format;
    std::shared_ptr<const Buffer> weights;        // null: those of the parts
    std::shared_ptr<const Buffer> bias;           // as given; null: none
    std::shared_ptr<const Buffer> bias_of_parts;  // the same, repeated where parts need it so
    double largest_weight = 0.0;                  // magnitude; NaN or infinite if a weight is
    std::vector<Parameters> parts;                // of phases, of the halves of a separable convolution, of strips of a border

    std::int64_t bytes() const;
};

Parameters pack_parameters(const ConvExecution& execution, const WeightsView& weights, int threads);

// The operands with what a plan keeps.
Operands with_parameters(Operands operands, const Parameters& parameters);

class PlannedOperation {
  public:
    virtual ~PlannedOperation() = default;

    // weights: as many as the operation has.
    virtual Parameters pack(std::span<const WeightsView> weights, int threads) const = 0;
    // w and bias of the operands are filled in from the parameters.
    virtual void run(const Parameters& parameters, const Operands& operands, int threads) const = 0;
    // For a free batch the most that one may take.
    virtual std::int64_t workspace_bytes(const Parameters& parameters, int threads) const = 0;
    virtual std::string algorithm() const = 0;
    virtual std::string explain(const Parameters& parameters, int threads) const = 0;
    // As the planner counts it; nothing where it does not.
    virtual std::optional<WorkCounts> work(bool /*packing*/) const { return {}; }

    // True if a call of this batch by this number of threads runs the operation itself. If false, it runs what for_call() returns.
    virtual bool serves(std::int64_t batch, int threads) const = 0;
    virtual std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int threads) const = 0;

    // For other shapes, decided as this is: what it has packed serves. std::invalid_argument where it does not. Null: not offered.
    virtual std::shared_ptr<const PlannedOperation> for_shapes(std::span<const ConvShape> /*shapes*/, bool /*free_batch*/) const {
        return nullptr;
    }
};

// What planning gives: an operation and what it has packed.
template <class Operation>
struct Planned {
    std::shared_ptr<const Operation> operation;
    Parameters parameters;
};

// May be run from several threads at once.
class Plan {
  public:
    template <class Operation>
    explicit Plan(Planned<Operation> planned)
        : operation_(std::move(planned.operation)), parameters_(std::make_shared<const Parameters>(std::move(planned.parameters))) {}

    // The same weights, algorithm and kernels for other shapes, sharing what is packed. Null: not offered.
    std::unique_ptr<Plan> for_shapes(std::span<const ConvShape> shapes, bool free_batch) const;

    void run(std::int64_t batch, const Parameters& parameters, const Operands& operands, int threads) const;

    // Weights for this plan; without a bias the present one stays. Packing takes time and is const; putting them in place is short.
    // A Python caller holds the GIL for parameters() and set_parameters(), so that no thread is inside them when the process forks: the
    // child would find the mutex locked for ever.
    Parameters pack(std::span<const WeightsView> weights, int threads) const { return operation_->pack(weights, threads); }
    std::shared_ptr<const Parameters> parameters() const;
    void set_parameters(Parameters parameters);

    const PlannedOperation& operation() const { return *operation_; }
    std::string algorithm() const { return operation_->algorithm(); }
    std::int64_t workspace_bytes(int threads) const { return operation_->workspace_bytes(*parameters(), threads); }
    std::int64_t packed_bytes() const { return parameters()->bytes(); }
    std::string explain(int threads) const { return operation_->explain(*parameters(), threads); }

  private:
    std::shared_ptr<const PlannedOperation> operation_;
    mutable std::mutex mutex_;  // of parameters_
    std::shared_ptr<const Parameters> parameters_;
    LastAnswer<std::pair<std::int64_t, int>, PlannedOperation> for_call_;  // of a batch and a number of threads
};

// What for_shapes() throws where the weights would be packed in another way.
[[noreturn]] void refuse_shape();

}  // namespace npconv

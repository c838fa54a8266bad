// SPDX-License-Identifier: BSD-3-Clause
// plan -> pack -> run, tied together in one class of plans. Each operation provides a PlannedOperation, which holds its immutable
// execution.
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

// Weights and bias of a plan. The buffers are immutable; an update replaces them.
struct Parameters {
    PackedFormat format;
    std::shared_ptr<const Buffer> weights;        // null: the parts have them
    std::shared_ptr<const Buffer> bias;           // as given; null: none
    std::shared_ptr<const Buffer> bias_of_parts;  // the bias, repeated for merged phases
    double largest_weight = 0.0;                  // magnitude; NaN or infinite if a weight is
    std::vector<Parameters> parts;                // phases, halves of a separable convolution, or strips of a border

    std::int64_t bytes() const;
};

Parameters pack_parameters(const ConvExecution& execution, const WeightsView& weights, int threads);

// The operands with weights and bias of the parameters.
Operands with_parameters(Operands operands, const Parameters& parameters);

class PlannedOperation {
  public:
    virtual ~PlannedOperation() = default;

    // weights: one entry for each weight array of the operation.
    virtual Parameters pack(std::span<const WeightsView> weights, int threads) const = 0;
    // Takes w and bias from the parameters, not from the operands.
    virtual void run(const Parameters& parameters, const Operands& operands, int threads) const = 0;
    // For a free batch: the maximum over all batches.
    virtual std::int64_t workspace_bytes(const Parameters& parameters, int threads) const = 0;
    virtual std::string algorithm() const = 0;
    virtual std::string explain(const Parameters& parameters, int threads) const = 0;
    // The planner's estimate; no value if it has none.
    virtual std::optional<WorkCounts> work(bool /*packing*/) const { return {}; }

    // True if a call of this batch by this number of threads runs the operation itself. If false, it runs what for_call() returns.
    virtual bool serves(std::int64_t batch, int threads) const = 0;
    virtual std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int threads) const = 0;

    // The operation for other shapes, with the same decisions, so that its packed weights serve. Throws std::invalid_argument if they do
    // not. Null: not supported.
    virtual std::shared_ptr<const PlannedOperation> for_shapes(std::span<const ConvShape> /*shapes*/, bool /*free_batch*/) const {
        return nullptr;
    }
};

// The result of planning: an operation and its packed parameters.
template <class Operation>
struct Planned {
    std::shared_ptr<const Operation> operation;
    Parameters parameters;
};

// Several threads may run a plan at the same time.
class Plan {
  public:
    template <class Operation>
    explicit Plan(Planned<Operation> planned)
        : operation_(std::move(planned.operation)), parameters_(std::make_shared<const Parameters>(std::move(planned.parameters))) {}

    // A plan for other shapes with the same algorithm and kernels, which shares the packed weights. Null: not supported.
    std::unique_ptr<Plan> for_shapes(std::span<const ConvShape> shapes, bool free_batch) const;

    void run(std::int64_t batch, const Parameters& parameters, const Operands& operands, int threads) const;

    // Packs weights for this plan. Without a bias the present one stays. Packing may take long and is const; set_parameters() is short.
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
    mutable std::mutex mutex_;  // guards parameters_
    std::shared_ptr<const Parameters> parameters_;
    LastAnswer<std::pair<std::int64_t, int>, PlannedOperation> for_call_;  // for a batch and a number of threads
};

// Throws the error of for_shapes() for shapes whose weights would be packed in another way.
[[noreturn]] void refuse_shape();

}  // namespace npconv

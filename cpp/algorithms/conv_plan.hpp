// SPDX-License-Identifier: BSD-3-Clause
// A planned convolution.
#pragma once
#include <string>

#include "algorithms/plan.hpp"

namespace npconv {

class PlannedConv final : public PlannedOperation {
  public:
    PlannedConv(Decision decision, ConvExecution execution) : decision_(std::move(decision)), execution_(std::move(execution)) {}

    Parameters pack(std::span<const WeightsView> weights, int threads) const override;
    void run(const Parameters& parameters, const Operands& operands, int threads) const override;
    void run_packed(const Operands& operands, int threads) const;  // with w and bias of the operands
    std::int64_t workspace_bytes(const Parameters& parameters, int threads) const override;
    std::string algorithm() const override { return entry_of(decision_.algorithm).name; }
    std::string explain(const Parameters& parameters, int threads) const override;
    std::optional<WorkCounts> work(bool packing) const override;
    bool serves(std::int64_t batch, int) const override { return batch == problem().shape.batch; }
    std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int) const override { return for_batch(batch); }
    std::shared_ptr<const PlannedOperation> for_shapes(std::span<const ConvShape> shapes, bool free_batch) const override {
        return for_shape(shapes[0], free_batch);
    }
    std::shared_ptr<const PlannedConv> for_batch(std::int64_t batch) const;
    std::shared_ptr<const PlannedConv> for_shape(const ConvShape& shape, bool free_batch) const;

    const Problem& problem() const { return execution_.problem(); }
    const ConvExecution& execution() const { return execution_; }
    const Decision& decision() const { return decision_; }

  private:
    const Decision decision_;
    const ConvExecution execution_;
};

// The weights are copied. "measure" times the candidates with `threads` threads. The context outlives the plan.
Planned<PlannedConv> planned_conv(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView& weights,
                                  int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution: the adjoint of a convolution, and so its gradient in the input. With one phase, as for stride 1, it is a
// convolution. transposed_phases.hpp computes several phases. "naive" computes the definition.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "plan/sections.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

// Axes of the weights, as of the convolution: batch is the channel of x, channel the channel of y within a group. Packed weights are the
// parts of the phases; for the definition, they are a dense copy, [x channel][y channel of a group][tap].
class PlannedTransposed final : public PlannedOperation {
  public:
    // Decides, except for "measure" and a single phase, which need weights. `forward` is the convolution whose adjoint this is, with our
    // layout and activation. The context must outlive the plan.
    PlannedTransposed(const Problem& forward, const Context& on, const std::string& algorithm);

    Parameters pack(std::span<const WeightsView> weights, int threads) const override;
    void run(const Parameters& parameters, const Operands& operands, int threads) const override;
    std::int64_t workspace_bytes(const Parameters& parameters, int threads) const override;
    std::string algorithm() const override;
    std::string explain(const Parameters& parameters, int threads) const override;
    bool serves(std::int64_t batch, int) const override { return !forward_.free_batch && batch == forward_.shape.batch; }
    std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int) const override { return for_batch(batch); }
    std::shared_ptr<const PlannedOperation> for_shapes(std::span<const ConvShape> shapes, bool free_batch) const override {
        return for_shape(shapes[0], free_batch);
    }
    std::shared_ptr<const PlannedTransposed> for_batch(std::int64_t batch) const;
    std::shared_ptr<const PlannedTransposed> for_shape(const ConvShape& forward, bool free_batch) const;

  private:
    friend Planned<PlannedTransposed> planned_transposed(const Problem& forward, const Context& on, const std::string& algorithm,
                                                         const WeightsView& weights, int threads);
    friend class TransposedCall;

    void choose();
    void set_phases();
    void measure(const WeightsView& weights, int threads);
    const Phases& phases() const { return execution_->phases; }
    ConvExecution execution_of(const PhasePart& part) const;  // in the lane in which its weights are packed
    void finish(Parameters& parameters, const WeightsView& weights) const;

    Problem forward_;
    const Context* on_;
    std::string wanted_;
    bool by_definition_ = false;  // "naive", or too many phases to plan
    PhaseWay way_;                // if there are several phases
    std::vector<Candidate> candidates_;
    std::shared_ptr<const PhasesExecution> execution_;  // with a single phase: only its part
    std::shared_ptr<const PlannedConv> one_;            // with a single phase: its convolution
};

// The weights are copied.
Planned<PlannedTransposed> planned_transposed(const Problem& forward, const Context& on, const std::string& algorithm,
                                              const WeightsView& weights, int threads);

// A plain call: decides, packs (all weights, or section by section) and runs. Sets w and bias of the operands.
void transpose_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights,
                    const Operands& operands, int threads);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution: the adjoint of a convolution, and so its gradient in the input, too. Of one phase, as with stride 1, it is a
// convolution; of several, transposed_phases.hpp computes them; and there is the definition.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "plan/sections.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

// Weights are a view like those of the convolution: batch is the channel of x, channel that of y within a group. Packed, they are the parts
// of the phases; or all as they are, [x channel][y channel of a group][tap], for the definition.
class PlannedTransposed final : public PlannedOperation {
  public:
    // Decided but for "measure" and a single phase, which need weights. `forward` is the convolution whose adjoint this is, with our layout
    // and activation. The context outlives the plan.
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
    ConvExecution execution_of(const PhasePart& part) const;  // as its weights are packed
    void finish(Parameters& parameters, const WeightsView& weights) const;

    Problem forward_;
    const Context* on_;
    std::string wanted_;
    bool by_definition_ = false;  // "naive", or more phases than can be looked at
    PhaseWay way_;                // of several phases
    std::vector<Candidate> candidates_;
    std::shared_ptr<const PhasesExecution> execution_;  // of a single phase, its part alone
    std::shared_ptr<const PlannedConv> one_;            // of a single phase
};

// The weights are copied.
Planned<PlannedTransposed> planned_transposed(const Problem& forward, const Context& on, const std::string& algorithm,
                                              const WeightsView& weights, int threads);

// A plain call: decides, packs (all weights, or section by section) and runs. w and bias of the operands are filled in.
void transpose_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights,
                    const Operands& operands, int threads);

}  // namespace npconv

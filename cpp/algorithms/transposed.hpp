// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution: the adjoint of a convolution, and so its gradient in the input, too. By phases (plan/transposed_tiling.hpp), each
// output is computed once, where it stands: nothing is added to y in memory, and no array of the output times the taps is needed.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "plan/sections.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {

// Weights are a view like those of the convolution: batch is the channel of x, channel that of y within a group.
struct TransposedParameters {
    std::vector<Parameters> parts;             // of the phases, without bias
    std::shared_ptr<const Buffer> definition;  // instead: [x channel][y channel of a group][tap], if a weight is not finite
    std::shared_ptr<const Buffer> bias;        // as given; null: none
    std::shared_ptr<const Buffer> bias_of_parts;

    std::int64_t bytes() const;
};

class TransposedPlan {
  public:
    // The weights are copied. `forward` is the convolution whose adjoint this is, with our layout and activation. The context outlives
    // the plan.
    template <class T>
    TransposedPlan(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights, int threads);

    // The same weights for another shape.
    TransposedPlan(const TransposedPlan& other, const ConvShape& forward, bool free_batch);

    // shape: the plan's, or with the batch of this call. w and bias of the operands are filled in from the parameters.
    template <class T>
    void run(const ConvShape& forward, const TransposedParameters& parameters, Operands<T> operands, int threads) const;

    // As ConvPlan: a bias that is not given stays.
    template <class T>
    TransposedParameters pack(const WeightsView<T>& weights, int threads) const;
    TransposedParameters parameters() const;
    void set_parameters(TransposedParameters parameters);

    const Problem& problem() const { return forward_; }
    std::string algorithm() const;
    std::int64_t workspace_bytes(int threads) const;
    std::int64_t packed_bytes() const { return parameters().bytes(); }
    std::string explain(int threads) const;

  private:
    template <class T>
    friend void transpose_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                               const Operands<T>& operands, int threads);

    // Decided, without weights.
    TransposedPlan(const Problem& forward, const Context& on, const std::string& algorithm);
    // The same decisions for some channels of the result.
    TransposedPlan(const TransposedPlan& whole, const Section& section, bool by_definition);
    // Bytes that packing takes at most, with a copy of the weights of a phase.
    std::int64_t bytes_to_pack() const;
    SectionUnit unit() const;
    // Packs weights of a section and runs.
    template <class T>
    void run_section(const WeightsView<T>& weights, const Operands<T>& operands, double largest, int threads) const;
    void choose(const std::string& wanted);
    void set_phases();
    const Phases& phases() const { return execution_.phases; }
    template <class T>
    void measure(const WeightsView<T>& weights, int threads);
    template <class T>
    TransposedParameters finished(TransposedParameters parameters, const WeightsView<T>& weights) const;
    template <class T>
    void run_phases(const Problem& forward, const TransposedParameters& parameters, const Operands<T>& operands, int threads) const;

    Problem forward_;
    const Context* on_;
    std::string wanted_;
    bool by_definition_ = false;  // "naive", or more phases than can be looked at
    PhaseWay way_;                // of several phases
    std::vector<Candidate> candidates_;
    PhasesExecution execution_;      // of a single phase, its part alone
    std::unique_ptr<ConvPlan> one_;  // the plan of a single phase
    mutable std::mutex mutex_;       // of parameters_
    TransposedParameters parameters_;
};

// A plain call: decides, packs (all weights, or section by section) and runs. w and bias of the operands are filled in.
template <class T>
void transpose_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                    const Operands<T>& operands, int threads);

}  // namespace npconv

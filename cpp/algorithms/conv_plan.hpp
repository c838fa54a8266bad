// SPDX-License-Identifier: BSD-3-Clause
// plan -> pack -> run, tied together: a decision, the packed weights, and the call. May be run from several threads at once.
#pragma once
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "algorithms/last_answer.hpp"
#include "algorithms/operands.hpp"
#include "algorithms/packed_weights.hpp"
#include "plan/executions.hpp"

namespace npconv {

// Weights and bias of a plan. The buffers are immutable; an update puts others in their place.
struct Parameters {
    PackedFormat format;
    std::shared_ptr<const Buffer> weights;
    std::shared_ptr<const Buffer> bias;  // null: none
    double largest_weight = 0.0;         // magnitude; NaN or infinite if a weight is

    std::int64_t bytes() const { return static_cast<std::int64_t>(weights->bytes() + (bias ? bias->bytes() : 0)); }
};

template <class T>
struct WeightsView {
    TensorView<const T> w;
    const T* bias = nullptr;  // null: none
    std::int64_t bias_stride = 1;
};

// The operands with what a plan keeps.
template <class T>
Operands<T> with_parameters(Operands<T> io, const Parameters& parameters) {
    io.w = parameters.weights->as<const T>();
    io.finite_weights = std::isfinite(parameters.largest_weight);
    io.largest_weight = parameters.largest_weight;
    io.bias = parameters.bias ? parameters.bias->as<const T>() : nullptr;
    return io;
}

template <class T>
Parameters pack_parameters(const ConvExecution& execution, const WeightsView<T>& weights, int threads);

class ConvPlan {
  public:
    // The weights are copied. "measure" times the candidates with `threads` threads. The context outlives the plan.
    template <class T>
    ConvPlan(const Problem& problem, const Context& on, const std::string& algorithm, const WeightsView<T>& weights, int threads);

    // The same weights, algorithm and kernels for another shape, sharing what is packed.
    ConvPlan(const ConvPlan& other, const ConvShape& shape, bool free_batch);

    // shape: the plan's, or with the batch of this call. w and bias of the operands are filled in from the parameters.
    template <class T>
    void run(const ConvShape& shape, const Parameters& parameters, const Operands<T>& operands, int threads) const;

    // Weights for this plan; without a bias the present one stays. Packing takes time and is const; putting them in place is short.
    // A Python caller holds the GIL for parameters() and set_parameters(), so that no thread is inside them when the process forks: the
    // child would find the mutex locked for ever.
    template <class T>
    Parameters pack(const WeightsView<T>& weights, int threads) const;
    Parameters parameters() const;
    void set_parameters(Parameters parameters);

    const Problem& problem() const { return execution_->problem(); }
    const ConvExecution& execution() const { return *execution_; }
    const Decision& decision() const { return decision_; }
    std::int64_t workspace_bytes(int threads) const;
    std::int64_t packed_bytes() const { return parameters().bytes(); }

  private:
    template <class T>
    void measure(const Problem& problem, const Context& on, const WeightsView<T>& weights, int threads);
    std::shared_ptr<const ConvExecution> execution_for(const ConvShape& shape) const;

    Decision decision_;
    std::shared_ptr<const ConvExecution> execution_;
    mutable std::mutex mutex_;  // of parameters_
    Parameters parameters_;
    LastAnswer<ConvShape, ConvExecution> of_batch_;  // of a plan with a free one
};

}  // namespace npconv

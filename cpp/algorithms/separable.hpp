// SPDX-License-Identifier: BSD-3-Clause
// A depthwise convolution and a 1x1 convolution of its result, block by block: the result in between never leaves the caches. It is what
// "depthwise" and then "gemm" give, bit by bit.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "algorithms/conv_plan.hpp"
#include "algorithms/last_answer.hpp"
#include "plan/separable_tiling.hpp"

namespace npconv {

template <class T>
struct SeparableWeights {
    WeightsView<T> depthwise, pointwise;
};

struct SeparableParameters {
    Parameters depthwise, pointwise;
    std::int64_t bytes() const { return depthwise.bytes() + pointwise.bytes(); }
};

class SeparablePlan {
  public:
    // The weights are copied. std::invalid_argument where the problem cannot be served. The context outlives the plan.
    template <class T>
    SeparablePlan(const SeparableProblem& problem, const Context& on, const SeparableWeights<T>& weights, int threads);

    // The same weights for another shape, sharing what is packed.
    SeparablePlan(const SeparablePlan& other, const SeparableProblem& problem);

    // batch: the plan's, or of this call. Weights and biases of the operands are filled in from the parameters.
    template <class T>
    void run(std::int64_t batch, const SeparableParameters& parameters, const Operands<T>& operands, int threads) const;

    // As ConvPlan: a bias that is not given stays.
    template <class T>
    SeparableParameters pack(const SeparableWeights<T>& weights, int threads) const;
    SeparableParameters parameters() const;
    void set_parameters(SeparableParameters parameters);

    const SeparableProblem& problem() const { return problem_; }
    std::int64_t workspace_bytes(int threads) const;
    std::string explain(int threads) const;
    std::int64_t packed_bytes() const { return parameters().bytes(); }

  private:
    void keep_lanes();

    SeparableProblem problem_;
    const Context* on_;
    LastAnswer<std::pair<std::int64_t, int>, SeparableExecution> of_call_;  // of a batch and a number of threads
    mutable std::mutex mutex_;                                              // of parameters_
    SeparableParameters parameters_;
};

// A plain call: packs and runs, of one image in sections of the pointwise output channels (plan/sections.hpp).
template <class T>
void separable_once(const SeparableProblem& problem, const Context& on, const SeparableWeights<T>& weights, const Operands<T>& operands,
                    int threads);

}  // namespace npconv

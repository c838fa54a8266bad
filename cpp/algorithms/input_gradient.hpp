// SPDX-License-Identifier: BSD-3-Clause
// The gradient of a convolution in its input: the transposed convolution with the same weights. Where the border is not of zeros, what it
// would get goes back to the elements that it repeats: strips of the border are computed as results of their own and added, one after the
// other.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "algorithms/transposed.hpp"
#include "plan/pixel_boxes.hpp"

namespace npconv {

struct InputGradientParameters {
    TransposedParameters inside;
    std::vector<TransposedParameters> strips;  // of those that have weights of their own
    std::int64_t bytes() const;
};

class InputGradientPlan {
  public:
    // The convolution whose gradient it is; its activation counts for nothing. The weights are copied.
    template <class T>
    InputGradientPlan(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights, int threads);

    // x of the operands is the gradient of the result, y that of the input.
    template <class T>
    void run(const ConvShape& forward, const InputGradientParameters& parameters, const Operands<T>& operands, int threads) const;

    template <class T>
    InputGradientParameters pack(const WeightsView<T>& weights, int threads) const;
    InputGradientParameters parameters() const;
    void set_parameters(InputGradientParameters parameters);

    const Problem& problem() const { return forward_; }
    std::string algorithm() const { return inside_->algorithm(); }
    std::int64_t workspace_bytes(int threads) const;
    std::int64_t packed_bytes() const { return parameters().bytes(); }
    std::string explain(int threads) const;

  private:
    struct Strip {
        Box box;  // of the padded input
        std::unique_ptr<TransposedPlan> plan;
        bool own_weights;  // not those of the inside
    };
    std::int64_t strip_elements() const;
    template <class T>
    void fold(const ConvShape& shape, const Strip& strip, const T* values, std::int64_t image, const Operands<T>& io, int threads) const;

    Problem forward_;
    const Context* on_;
    bool by_product_ = false;
    std::unique_ptr<TransposedPlan> inside_;
    std::vector<Strip> strips_;
    mutable std::mutex mutex_;  // of parameters_
    InputGradientParameters parameters_;
};

// A plain call: decides, packs and runs. w of the operands is filled in. All weights are packed at once where a border repeats elements,
// else as transpose_once does it.
template <class T>
void input_gradient_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                         const Operands<T>& operands, int threads);

}  // namespace npconv

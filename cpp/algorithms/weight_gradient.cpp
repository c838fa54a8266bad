// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/weight_gradient.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "algorithms/depthwise_gradient.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/weight_products.hpp"
#include "core/interrupt.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

template <class T>
bool all_finite(const T* values, std::int64_t n) {
    return std::all_of(values, values + n, [](T v) { return std::isfinite(v); });
}

// May an output have all its taps in the border? Then nothing of it is computed.
bool outputs_beyond(const ConvShape& s) {
    return std::any_of(s.axis.begin(), s.axis.end(), [](const Axis& a) {
        return a.padded() && (a.at(0, a.kernel - 1) < 0 || a.at(a.output - 1, 0) >= a.input || a.input < a.dilation || a.input < a.stride);
    });
}

// A border of zeros was left out, but zeros beside a gradient that is not finite count: their product is NaN.
template <class T>
void add_zeros_of_border(const Problem& p, const OperandsOf<T>& io) {
    const ConvShape& s = p.shape;
    const std::int64_t taps = s.taps(), width = s.axis[2].kernel, height = s.axis[1].kernel;
    for (std::int64_t o = 0; o < s.groups * s.out_channels; ++o) {
        for (std::int64_t image = 0; image < s.batch; ++image) {
            for (std::int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
                const auto at = s.coordinates(pixel);
                const TensorView<const T>& g = io.grad;
                const T value =
                    g.data[image * g.batch + o * g.channel + at[0] * g.spatial[0] + at[1] * g.spatial[1] + at[2] * g.spatial[2]];
                for (std::int64_t tap = 0; tap < taps && !std::isfinite(value); ++tap) {
                    const std::array<std::int64_t, 3> k{tap / width / height, tap / width % height, tap % width};
                    bool inside = true;
                    for (std::size_t a = 0; a < 3; ++a) {
                        const std::int64_t place = s.axis[a].at(at[a], k[a]);
                        inside = inside && place >= 0 && place < s.axis[a].input;
                    }
                    T* out = io.y + o * s.in_channels * taps + (p.flip ? taps - 1 - tap : tap);
                    for (std::int64_t c = 0; c < s.in_channels && !inside; ++c) out[c * taps] = std::numeric_limits<T>::quiet_NaN();
                }
            }
        }
    }
}

std::int64_t weights_of(const ConvShape& s) { return s.groups * s.out_channels * s.in_channels * s.taps(); }

// Of the depthwise kernels or of the products; the rest is done for both.
template <class T>
void run_as(const WeightGradientExecution& e, const Operands& untyped, int threads) {
    const Problem& p = e.problem;
    const ConvShape& s = p.shape;
    const OperandsOf<T> io = typed<T>(untyped);
    if (s.batch * s.pixels() == 0) {
        std::fill_n(io.y, weights_of(s), T(0));
        return;
    }
    count_kernel_run(*e.on->kernels);
    if (e.depthwise) {
        run_depthwise_gradient(e.by_depthwise, untyped, threads);
        if (call_stopped()) return;
        // Zeros beside the gradient have met values of x: the product of one that is not finite is NaN, but is none of the sum.
        const bool finite = all_finite(io.y, weights_of(s));
        if (!finite && e.by_depthwise.tiling.planes) run_naive_weight_gradient(p, *e.on, untyped, threads);
        if (finite && s.padded() && outputs_beyond(s)) add_zeros_of_border(p, io);
        return;
    }
    Operands product = untyped;
    if (e.turned) std::swap(product.x, product.grad);
    run_weight_products(e.by_product, product, e.turned, threads);
    if (call_stopped()) return;
    if (p.border == Border::zeros && s.padded() && (outputs_beyond(s) || !all_finite(io.y, weights_of(s)))) add_zeros_of_border(p, io);
}

class PlannedWeightGradient final : public PlannedOperation {
  public:
    explicit PlannedWeightGradient(WeightGradientExecution execution) : execution_(std::move(execution)) {}

    Parameters pack(std::span<const WeightsView>, int) const override { return Parameters(); }
    void run(const Parameters&, const Operands& io, int threads) const override {
        if (weights_of(execution_.problem.shape) == 0) return;
        with_real(execution_.problem.dtype, [&](auto zero) { run_as<decltype(zero)>(execution_, io, threads); });
    }
    std::int64_t workspace_bytes(const Parameters&, int threads) const override {
        std::int64_t most = 0;
        for (const WeightGradientExecution& e : plans_of_most_memory(execution_)) {
            most = std::max(most, npconv::workspace_bytes(e, threads));
        }
        return most;
    }
    std::string algorithm() const override { return execution_.depthwise ? "depthwise" : "gemm"; }
    std::string explain(const Parameters& parameters, int threads) const override {
        return explain_weight_gradient(execution_, {threads, workspace_bytes(parameters, threads), parameters.bytes()});
    }
    bool serves(std::int64_t batch, int) const override { return batch == execution_.problem.shape.batch; }
    std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int) const override {
        ConvShape shape = execution_.problem.shape;
        shape.batch = batch;
        return for_shapes({&shape, 1}, false);
    }
    std::shared_ptr<const PlannedOperation> for_shapes(std::span<const ConvShape> shapes, bool free_batch) const override {
        Problem p = execution_.problem;
        p.shape = shapes[0];
        p.free_batch = free_batch;
        return std::make_shared<const PlannedWeightGradient>(plan_weight_gradient(p, *execution_.on));
    }

  private:
    const WeightGradientExecution execution_;
};

}  // namespace

std::int64_t workspace_bytes(const WeightGradientExecution& e, int threads) {
    const ConvShape& s = e.problem.shape;
    if (weights_of(s) == 0 || s.pixels() == 0 || (s.batch == 0 && !e.problem.free_batch)) return 0;
    return e.depthwise ? depthwise_gradient_workspace_bytes(e.by_depthwise, threads)
                       : weight_products_workspace_bytes(e.by_product, threads);
}

Planned<PlannedOperation> planned_weight_gradient(const Problem& problem, const Context& on) {
    return {std::make_shared<const PlannedWeightGradient>(plan_weight_gradient(problem, on)), Parameters()};
}

void weight_gradient_once(const Problem& problem, const Context& on, const Operands& operands, int threads) {
    PlannedWeightGradient(plan_weight_gradient(problem, on)).run(Parameters(), operands, threads);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/convolution.hpp"

#include "algorithms/depthwise.hpp"
#include "algorithms/direct.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/winograd.hpp"

namespace npconv {
namespace {

// Weights that are not finite would reach too far through a transform, very large ones overflow in it, and very small ones underflow.
bool transforms(const Problem& p, double largest) {
    return largest <= winograd_most(p.dtype) && (largest == 0 || largest >= winograd_least(p.dtype));
}

template <class T>
void run(const GemmExecution& e, const Operands<T>& io, int threads) {
    run_gemm(e, io, threads);
}
template <class T>
void run(const DepthwiseExecution& e, const Operands<T>& io, int threads) {
    run_depthwise(e, io, threads);
}
template <class T>
void run(const DirectExecution& e, const Operands<T>& io, int threads) {
    run_direct(e, io, threads);
}
template <class T>
void run(const WinogradExecution& e, const Operands<T>& io, int threads) {
    if (!transforms(e.problem, io.largest_weight)) return run(e.whole, io, threads);
    count_winograd_run();
    run_winograd(e, io, threads);
}
template <class T>
void run(const NaiveExecution& e, const Operands<T>& io, int threads) {
    run_naive(e.problem, *e.on, io, threads);
}

std::int64_t bytes(const GemmExecution& e, double, int threads) { return gemm_workspace_bytes(e, threads); }
std::int64_t bytes(const DepthwiseExecution& e, double, int threads) { return depthwise_workspace_bytes(e, threads); }
std::int64_t bytes(const DirectExecution& e, double, int threads) { return direct_workspace_bytes(e, threads); }
std::int64_t bytes(const NaiveExecution&, double, int) { return 0; }
std::int64_t bytes(const WinogradExecution& e, double largest, int threads) {
    return transforms(e.problem, largest) ? winograd_workspace_bytes(e, threads) : gemm_workspace_bytes(e.whole, threads);
}

}  // namespace

bool transforms_weights(const ConvExecution& execution, double largest) {
    return std::holds_alternative<WinogradExecution>(execution.way) && transforms(execution.problem(), largest);
}

template <class T>
void run_convolution(const ConvExecution& execution, const Operands<T>& io, int threads) {
    std::holds_alternative<NaiveExecution>(execution.way) ? count_naive_run() : count_kernel_run(*execution.on().kernels);
    std::visit([&](const auto& e) { run(e, io, threads); }, execution.way);
}

std::int64_t convolution_workspace_bytes(const ConvExecution& execution, double largest, int threads) {
    return std::visit([&](const auto& e) { return bytes(e, largest, threads); }, execution.way);
}

template void run_convolution(const ConvExecution&, const Operands<float>&, int);
template void run_convolution(const ConvExecution&, const Operands<double>&, int);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Packed weights of Winograd's convolution: the panels of the GEMM path, and where the tiling prepares them transformed ones.
#include "algorithms/gemm.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/winograd.hpp"
#include "algorithms/winograd_filters.hpp"
#include "core/parallel.hpp"

namespace npconv {
namespace {

template <class T>
void transform_all(const WinogradExecution& e, const T* packed, T* to, int threads) {
    const WinogradTiling& t = e.tiling;
    const std::int64_t groups = e.problem.shape.groups, panels = t.panels.parts, elements = groups * t.transformed_elements_of_group();
    const WinogradFilters<T> filters(e, packed);
    parallel_for(groups * panels * t.units.parts, elements < elements_worth_threads ? 1 : threads, [&](std::int64_t i, int) {
        const std::int64_t k = i % t.units.parts, panel = i / t.units.parts % panels, group = i / t.units.parts / panels;
        const std::int64_t stride = t.prepared_stride(k, t.panels.length(panel) * t.lanes);
        filters.transform(group, panel, k, to + filters.place(group, panel, k), stride);
    });
}

}  // namespace

PackedWeights pack(const WinogradExecution& e, const AnyView& w, int threads) {
    const WinogradTiling& t = e.tiling;
    const std::int64_t groups = e.problem.shape.groups, taps = groups * t.packed_taps_of_group();
    const std::int64_t transformed = t.prepared ? groups * t.transformed_elements_of_group() : 0;
    return packed_by(e.problem.dtype, taps + transformed, [&](auto* to) {
        const double largest = taps > 0 ? pack_panels(e.whole, w, to, threads) : 0.0;
        if (t.prepared && t.panels.n > 0) transform_all(e, to, to + taps, threads);
        return largest;
    });
}

void set_format(const WinogradExecution& e, PackedFormat& format) {
    set_format(e.whole, format);
    format.transformed_k = e.tiling.prepared ? e.tiling.units : EvenSplit();
    for (std::size_t a = 0; a < 3; ++a) format.transformed[a] = {e.tiling.axis[a].kind, e.tiling.axis[a].stride};
}

}  // namespace npconv

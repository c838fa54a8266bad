// SPDX-License-Identifier: BSD-3-Clause
// Hooks for the tests: which kernels have run, how much the library has allocated, guard pages around it, and small
// tiles, so that small problems take every turn that large ones do: several threads, blocks of k, panels and chunks.
#include <pybind11/stl.h>

#include <limits>
#include <utility>
#include <vector>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/winograd.hpp"
#include "bindings/context.hpp"
#include "bindings/register.hpp"
#include "core/buffer.hpp"
#include "core/machine.hpp"
#include "plan/planner.hpp"
#include "plan/winograd_axes.hpp"
#include "plan/winograd_error.hpp"

namespace npconv {

namespace {

using Matrix = std::vector<std::vector<double>>;

template <std::size_t N, std::size_t M>
Matrix part(const long double (&a)[N][M], int rows, int columns) {
    Matrix matrix;
    for (int i = 0; i < rows; ++i) {
        matrix.emplace_back();
        for (int k = 0; k < columns; ++k) matrix.back().push_back(static_cast<double>(a[i][k]));
    }
    return matrix;
}

pybind11::dict matrices(int set, int taps, int outputs) {
    const CookToom t = winograd_matrices({set, taps}, outputs);
    pybind11::dict d;
    pybind11::list points;
    for (int i = 0; i < t.points - 1; ++i) points.append(static_cast<double>(t.point[i]));
    points.append(std::numeric_limits<double>::infinity());
    d["points"] = points;
    d["at"] = part(t.at, t.outputs, t.points);
    d["g"] = part(t.g, t.points, t.taps);
    d["bt"] = part(t.bt, t.points, t.points);
    return d;
}

// Of each axis how it is cut, for outputs, kernel, stride and dilation of depth, height and width.
pybind11::list winograd_axes_of(const std::array<std::int64_t, 3>& output, const std::array<std::int64_t, 3>& kernel,
                                const std::array<std::int64_t, 3>& stride, const std::array<std::int64_t, 3>& dilation,
                                std::int64_t channels, const std::string& algorithm) {
    ConvShape s;
    s.in_channels = channels;
    for (std::size_t a = 0; a < 3; ++a) s.axis[a] = {1, output[a], kernel[a], stride[a], dilation[a], 0, 0};
    pybind11::list axes;
    for (const AlgorithmEntry& e : algorithms()) {
        const auto tiles = winograd_tiles(e.algorithm);
        if (e.name != algorithm || !tiles) continue;
        if (const std::string refusal = winograd_axes_refusal(s, *tiles); !refusal.empty()) throw pybind11::value_error(refusal);
        for (const AxisTiles& a : choose_winograd_axes(s, *tiles)) {
            pybind11::dict d;
            d["points"] = a.axis().points;
            d["taps"] = a.taps();
            d["outputs"] = a.whole;
            d["runs"] = a.runs;
            d["input_phases"] = a.input_phases();
            d["output_phases"] = a.phases;
            d["alike"] = a.alike;
            axes.append(d);
        }
    }
    return axes;
}

// Small problems are cut as large ones are.
Limits tiny_limits() {
    Limits tiny;
    tiny.gemm = {.pixels_of_block = 14,
                 .pixel_lanes_of_block = 32,
                 .larger_block = 2,
                 .k_of_block = 7,
                 .taps_of_block = 4,
                 .widest_tile = 1,
                 .channels_of_chunk = 64,
                 .enough_tasks = 1,
                 .products_of_copy = 1,
                 .often_used = 1,
                 .used_from_afar = 1,
                 .used_aliased = 1,
                 .larger_copy = 2,
                 .bytes_of_copy = 4096,
                 .bytes_of_weights = 3000,
                 .macs_of_region = 1};
    tiny.direct = {.macs_of_block = 1,
                   .columns_of_block = 1,
                   .bytes_of_sums = 1024,
                   .bytes_of_copy = 2048,
                   .most_bytes_of_copy = DirectLimits{}.most_bytes_of_copy,
                   .taps_of_chunk = 1,
                   .channels_of_chunk = 1,
                   .vectors_in_place = 1,
                   .enough_tasks = 1};
    tiny.transposed = {.pixels_of_block = 5, .bytes_of_block = 2048, .enough_tasks = 3, .rows_of_band = 2, .bytes_of_planes = 400};
    tiny.weight_gradient = {.pixels_of_block = 9,
                            .bytes_of_sums = 4096,
                            .bytes_of_all_sums = 1 << 20,
                            .rows_of_task = 3,
                            .bytes_of_window = 2048,
                            .bytes_of_window_of_groups = 2048,
                            .enough_tasks = 5};
    tiny.winograd = {.tiles_of_block = 2,
                     .tiles_of_far_block = 3,
                     .bytes_of_v = WinogradLimits{}.bytes_of_v,
                     .bytes_of_workspace = WinogradLimits{}.bytes_of_workspace,
                     .far_weights = 40'000,
                     .rows_of_k_block = 16,
                     .channels_of_chunk = 16,
                     .most_prepared = 150'000,
                     .enough_blocks = 8,
                     .slow_weights = 50'000};
    tiny.depthwise.bytes_of_block = tiny.depthwise.bytes_of_window = tiny.depthwise.bytes_of_plane = 4096;
    tiny.depthwise.channels_of_chunk = 2;
    tiny.separable = {.bytes_of_block = 2048, .pixels_of_block = 20, .fewest_pixels = 7};
    return tiny;
}

}  // namespace

void register_testing(pybind11::module_& m) {
    m.def("_kernel_runs", &kernel_runs);
    m.def("_buffer_bytes_made", &buffer_bytes_made);
    m.def("_set_small_tiles", [](bool small) {
        change_context([&](Context& on) {
            const Lane gemm = on.limits.gemm.lane, depthwise = on.limits.depthwise.lane;  // stay
            on.limits = small ? tiny_limits() : Limits{};
            on.limits.gemm.lane = gemm;
            on.limits.depthwise.lane = depthwise;
        });
    });
    m.def("_core_kinds", [] {
        std::vector<std::string> kinds;
        for (const CoreKind& kind : core_kinds) kinds.emplace_back(kind.name);
        return kinds;
    });
    m.def("_core_kind", [] { return std::string(name_of(current_context().machine.core)); });
    m.def("_pretend_core", [](const std::string& kind) {  // "": the real one
        const Core core = kind.empty() ? this_machine().core : core_of_kind(kind);
        change_context([&](Context& on) { on.machine.core = core; });
    });
    m.def("_products_per_cycle", [] { return current_context().products_per_cycle(); });
    m.def("_rates_name", [] { return rates_name(current_context().machine.core, current_context().vector_bytes()); });
    m.def("_set_lane", [](const std::string& lane) {
        const Lane forced = lane == "channel" ? Lane::channel : lane == "pixel" ? Lane::pixel : Lane::automatic;
        change_context([&](Context& on) { on.limits.gemm.lane = on.limits.depthwise.lane = forced; });
    });
    m.def("_set_bytes_of_weights", [](std::int64_t bytes) {
        change_context([&](Context& on) { std::swap(on.limits.gemm.bytes_of_weights, bytes); });
        return bytes;
    });
    m.def("_set_guard_pages", [](int mode) {
        if (mode < 0 || mode > 2) throw pybind11::value_error("mode must be 0 (off), 1 (after) or 2 (before), got " + std::to_string(mode));
        set_guard_pages(static_cast<GuardPages>(mode));
    });
    m.def("_winograd_matrices", &matrices);
    // axes: (points, taps) of depth, height and width; products: the number at a point; step: the number of a block is a multiple of it
    m.def("_winograd_bound", [](const std::array<std::pair<int, int>, 3>& axes, std::int64_t products, std::int64_t step) {
        WinogradAxes a;
        for (std::size_t i = 0; i < 3; ++i) a[i] = {axes[i].first, axes[i].second};
        return winograd_bound(a, products, winograd_block(a, products, step, current_context().limits.winograd.rows_of_k_block));
    });
    m.def("_winograd_axes", &winograd_axes_of);
    m.def("_winograd_fallback_tiles", &winograd_fallback_tiles);
    m.def("_set_winograd_checks", &set_winograd_checks);
}

}  // namespace npconv

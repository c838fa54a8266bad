// SPDX-License-Identifier: BSD-3-Clause
// Hooks for the tests: which kernels have run, how much the library has allocated, guard pages around it, and small
// tiles, so that small problems take every turn that large ones do: several threads, blocks of k, panels and chunks.
#include <pybind11/stl.h>

#include <limits>
#include <vector>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/winograd.hpp"
#include "bindings/register.hpp"
#include "core/buffer.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_error.hpp"
#include "plan/winograd_tiling.hpp"

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

pybind11::dict matrices(int whole, int outputs) {
    const CookToom t = winograd_matrices(whole, outputs);
    pybind11::dict d;
    pybind11::list points;
    for (int i = 0; i < t.points - 1; ++i) points.append(static_cast<double>(t.point[i]));
    points.append(std::numeric_limits<double>::infinity());
    d["points"] = points;
    d["at"] = part(t.at, t.outputs, t.points);
    d["g"] = part(t.g, t.points, winograd_taps);
    d["bt"] = part(t.bt, t.points, t.points);
    return d;
}

}  // namespace

void register_testing(pybind11::module_& m) {
    m.def("_kernel_runs", &kernel_runs);
    m.def("_buffer_bytes_made", &buffer_bytes_made);
    m.def("_set_small_tiles", [](bool small) {
        const TilingLimits tiny{.pixels_of_block = 14,
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
                                .macs_of_region = 1};
        set_tiling_limits(small ? tiny : TilingLimits{});
        const WinogradLimits few{.tiles_of_block = 2,
                                 .tiles_of_far_block = 3,
                                 .bytes_of_v = WinogradLimits{}.bytes_of_v,
                                 .bytes_of_workspace = WinogradLimits{}.bytes_of_workspace,
                                 .far_weights = 40'000,
                                 .channels_of_k_block = 16,
                                 .channels_of_chunk = 16,
                                 .most_prepared = 150'000,
                                 .enough_blocks = 8,
                                 .slow_weights = 50'000};
        set_winograd_limits(small ? few : WinogradLimits{});
    });
    m.def("_set_guard_pages", [](int mode) {
        if (mode < 0 || mode > 2) throw pybind11::value_error("mode must be 0 (off), 1 (after) or 2 (before), got " + std::to_string(mode));
        set_guard_pages(static_cast<GuardPages>(mode));
    });
    m.def("_winograd_matrices", &matrices);
    m.def("_winograd_bound", [](int whole, std::int64_t channels) {
        matrices(whole, 1);
        return winograd_bound(whole, channels, winograd_limits().channels_of_k_block);
    });
    m.def("_winograd_fallback_tiles", &winograd_fallback_tiles);
    m.def("_set_winograd_checks", &set_winograd_checks);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Hooks for the tests: which kernels have run, how much the library has allocated, guard pages around it, and small
// tiles, so that small problems take every turn that large ones do: several threads, blocks of k, panels and chunks.
#include <pybind11/stl.h>

#include "algorithms/kernel_runs.hpp"
#include "bindings/register.hpp"
#include "core/buffer.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {

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
    });
    m.def("_set_guard_pages", [](int mode) {
        if (mode < 0 || mode > 2) throw pybind11::value_error("mode must be 0 (off), 1 (after) or 2 (before), got " + std::to_string(mode));
        set_guard_pages(static_cast<GuardPages>(mode));
    });
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_tiling.hpp"

#include <algorithm>

#include "kernels/registry.hpp"

namespace npconv {
namespace {

TilingLimits limits;

template <class T>
GemmTiling tile(const ConvShape& s, const Kernels<T>& kernels) {
    GemmTiling t;
    t.lanes = kernels.lanes;
    t.mr = kernels.mr;
    t.k = s.k();
    t.pixels = s.pixels();
    t.panels = split_by(ceil_div(s.out_channels, t.lanes), std::min<std::int64_t>(kernels.nv, limits.vectors_of_panel));
    t.pixel_blocks = split_by(ceil_div(t.pixels, t.mr), limits.tiles_of_block);
    t.k_blocks = split_by(t.k, limits.k_of_block);
    const std::int64_t blocks = s.empty() ? 0 : s.batch * s.groups * t.pixel_blocks.parts;
    const std::int64_t width = std::max<std::int64_t>(1, t.panels.longest()) * t.lanes;  // no channels: no vectors
    const std::int64_t panels_of_chunk = std::max<std::int64_t>(1, limits.channels_of_chunk / width);
    const std::int64_t fewest = ceil_div(t.panels.parts, panels_of_chunk);
    const std::int64_t wanted = ceil_div(limits.enough_tasks, std::max<std::int64_t>(blocks, 1));
    t.chunks = {t.panels.parts, std::clamp(wanted, fewest, t.panels.parts)};
    t.tasks = blocks * t.chunks.parts;
    return t;
}

}  // namespace

GemmTiling tile_gemm(const Problem& p) { return p.dtype == DType::f32 ? tile(p.shape, p.kernels->f32) : tile(p.shape, p.kernels->f64); }

GemmTiling tile_gemm_for_many_images(const Problem& problem) {
    Problem many = problem;
    many.shape.batch = limits.enough_tasks;
    return tile_gemm(many);
}

int worthwhile_threads(const Problem& p, int threads) { return p.shape.macs() < limits.macs_of_region ? 1 : threads; }

TilingLimits tiling_limits() { return limits; }
void set_tiling_limits(const TilingLimits& wanted) { limits = wanted; }

}  // namespace npconv

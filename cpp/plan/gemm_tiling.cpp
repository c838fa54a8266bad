// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_tiling.hpp"

#include <algorithm>

#include "kernels/registry.hpp"

namespace npconv {
namespace {

constexpr std::int64_t tiles_of_block = 16;       // 112 pixels of 7: long enough for L3-to-L2 streams, and a divisor of 784 and 3136
constexpr std::int64_t k_of_block = 256;          // 256 x 64 floats of a panel are 64 KB
constexpr std::int64_t channels_of_chunk = 256;   // a gathered panel is used this often
constexpr std::int64_t enough_tasks = 16;         // where maps are small, chunks are made smaller until there are so many tasks
constexpr std::int64_t macs_of_thread = 200'000;  // 4 to 10 us on one core

template <class T>
GemmTiling tile(const ConvShape& s, const Kernels<T>& kernels) {
    GemmTiling t;
    t.lanes = kernels.lanes;
    t.mr = kernels.mr;
    t.k = s.k();
    t.pixels = s.pixels();
    t.panels = split_by(ceil_div(s.out_channels, t.lanes), kernels.nv);
    t.pixel_blocks = split_by(ceil_div(t.pixels, t.mr), tiles_of_block);
    t.k_blocks = split_by(t.k, k_of_block);
    const std::int64_t blocks = s.empty() ? 0 : s.batch * s.groups * t.pixel_blocks.parts;
    const std::int64_t panels_of_chunk = std::max<std::int64_t>(1, channels_of_chunk / (t.lanes * kernels.nv));
    const std::int64_t fewest = ceil_div(t.panels.parts, panels_of_chunk);
    const std::int64_t wanted = ceil_div(enough_tasks, std::max<std::int64_t>(blocks, 1));
    t.chunks = {t.panels.parts, std::clamp(wanted, fewest, t.panels.parts)};
    t.tasks = blocks * t.chunks.parts;
    return t;
}

}  // namespace

GemmTiling tile_gemm(const Problem& p) { return p.dtype == DType::f32 ? tile(p.shape, p.kernels->f32) : tile(p.shape, p.kernels->f64); }

GemmTiling tile_gemm_for_many_images(const Problem& problem) {
    Problem many = problem;
    many.shape.batch = enough_tasks;
    return tile_gemm(many);
}

int worthwhile_threads(const Problem& p, int threads) {
    const std::int64_t worth = p.shape.macs() / macs_of_thread + 1;
    return static_cast<int>(std::min<std::int64_t>(threads, worth));
}

}  // namespace npconv

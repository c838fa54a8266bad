// SPDX-License-Identifier: BSD-3-Clause
#include "plan/weight_gradient_tiling.hpp"

#include <algorithm>
#include <utility>

#include "core/border.hpp"
#include "kernels/table.hpp"

namespace npconv {
namespace {

// Few channels: are the rows of register tiles to be their taps?
void tile_window(const Context& on, WeightGradientTiling& t, const ConvShape& s, std::int64_t element) {
    const std::int64_t height = s.axis[1].output, width = s.axis[2].output;
    if (s.in_channels > t.mr / 2 || s.taps() == 1 || t.taps.parts * t.channels.parts > 1) return;
    if (width == 0 || width > 4 * on.limits.weight_gradient.pixels_of_block) return;
    const auto extent = [&](std::size_t a, std::int64_t outputs) {  // as if nothing could overflow
        return as_double(outputs - 1) * as_double(s.axis[a].stride) + as_double(s.axis[a].kernel - 1) * as_double(s.axis[a].dilation) + 1.0;
    };
    const auto fits = [&](std::int64_t rows) {
        const double copy = extent(0, 1) * extent(1, rows) * extent(2, width) * as_double(s.in_channels) * as_double(element);
        return copy <= as_double(on.limits.weight_gradient.bytes_of_copy);
    };
    // A narrow panel of g may be longer.
    const std::int64_t longest = on.limits.weight_gradient.pixels_of_block * std::max<std::int64_t>(1, 4 / t.panels.longest());
    std::int64_t rows = std::clamp<std::int64_t>(longest / width, 1, height);
    while (rows > 1 && !fits(rows)) --rows;
    if (!fits(rows)) return;
    const EvenSplit blocks = split_by(height, rows);
    const std::array<std::int64_t, 3> outputs{1, blocks.longest(), width};
    // Of taps or pixels that are far apart most of a copy meets no product. (3x3 taps of 32 channels, in two vectors, gain where 5 elements
    // are copied for a pixel, and lose where 7 are.)
    const double copied = extent(0, 1) * extent(1, outputs[1]) * extent(2, width) / (as_double(outputs[1]) * as_double(width));
    if (copied > 0.3 * as_double(s.taps()) * as_double(t.panels.longest())) return;
    t.windowed = true;
    t.rows = blocks;
    t.planes = s.axis[0].output;
    t.row = width;
    for (std::size_t a = 0; a < 3; ++a) t.window[a] = static_cast<std::int64_t>(extent(a, outputs[a]));
}

WeightGradientTiling tile(const Problem& p, const Context& on, const GemmEntry& kernels) {
    const std::int64_t element = size_of(p.dtype);
    const ConvShape& s = p.shape;
    WeightGradientTiling t;
    t.lanes = kernels.lanes;
    t.panels = split_by(ceil_div(s.out_channels, t.lanes), kernels.nv);
    const std::int64_t taps = s.taps(), pixels = s.pixels();
    if (s.groups * s.out_channels * s.in_channels == 0) return t;
    t.mr = kernels.mr[t.panels.longest() - 1];
    t.blocks = split_by(pixels, on.limits.weight_gradient.pixels_of_block);
    // Sums of a task stay in the second-level cache: fewer channels, and then fewer taps.
    const std::int64_t rows = std::max<std::int64_t>(1, on.limits.weight_gradient.bytes_of_sums / (t.width() * element));
    t.taps = split_by(taps, rows);
    t.channels = split_by(s.in_channels, std::max<std::int64_t>(1, rows / t.taps.longest()));
    tile_window(on, t, s, element);
    // Of few channels a run is a row. In place it is one, too, and zeros at its ends; of other borders each pixel may be a run.
    const std::int64_t longest = t.blocks.longest(), width = std::max<std::int64_t>(1, s.axis[2].output);
    t.runs = t.windowed ? t.rows.longest() : p.border == Border::zeros ? std::min(longest, ceil_div(longest, width) + 1) : longest;
    const double lists = as_double(t.blocks.parts) * as_double(taps) * as_double(t.runs + 1) * as_double(sizeof(Segment));
    t.listed_once = !t.windowed && lists <= as_double(on.limits.weight_gradient.bytes_of_lists);
    const auto tasks = [&] { return s.groups * t.panels.parts * t.channels.parts * t.taps.parts; };
    t.parts = SpreadSplit(s.batch * t.blocks_of_image(), 1);
    const std::int64_t sums = tasks() * t.sums_of_task() * element;
    if (tasks() < on.limits.weight_gradient.enough_tasks) {
        const std::int64_t blocks = std::max<std::int64_t>(1, s.batch * t.blocks_of_image());
        const std::int64_t wanted = std::min({ceil_div(on.limits.weight_gradient.enough_tasks, tasks()), blocks,
                                              on.limits.weight_gradient.bytes_of_all_sums / std::max<std::int64_t>(1, sums)});
        if (wanted > 1) {
            t.parts = SpreadSplit(s.batch * t.blocks_of_image(), wanted);
        } else if (!t.windowed) {
            const std::int64_t most =
                std::max<std::int64_t>(1, t.channels.longest() * t.taps.longest() / on.limits.weight_gradient.rows_of_task);
            const std::int64_t more = std::min(ceil_div(on.limits.weight_gradient.enough_tasks, tasks()), most);
            t.channels = EvenSplit(s.in_channels, std::min(s.in_channels, t.channels.parts * more));
        }
    }
    t.tasks = tasks() * t.parts.parts;
    return t;
}

}  // namespace

bool weight_gradient_turned(const Problem& p, const Context& on) {
    // Cycles of an element: channels first a panel is transposed; loads keep a narrow tile waiting.
    const double of_copy = p.layout == Layout::channels_first ? 0.75 : 0.1, of_one_vector = 1.3;
    const ConvShape& s = p.shape;
    if (s.in_channels == 1) return false;  // of one channel a vector would be copied
    const auto free = [](const Axis& a) { return a.kernel == 1 && a.stride == 1 && !a.padded(); };
    if (!std::all_of(s.axis.begin(), s.axis.end(), free)) return false;
    const auto cycles = [&](std::int64_t copied, std::int64_t read) {  // of a pixel
        const std::int64_t vectors = ceil_div(copied * size_of(p.dtype), on.vector_bytes());
        return 0.5 * as_double(vectors) * as_double(read) * (vectors == 1 ? of_one_vector : 1.0) + of_copy * as_double(copied);
    };
    return cycles(s.in_channels, s.out_channels) < cycles(s.out_channels, s.in_channels);
}

Problem turned_problem(Problem p) {
    std::swap(p.shape.in_channels, p.shape.out_channels);
    return p;
}

WeightGradientTiling tile_weight_gradient(const Problem& p, const Context& on) { return tile(p, on, entry_for(on.entries->gemm, p, on)); }

}  // namespace npconv

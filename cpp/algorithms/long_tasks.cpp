// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/long_tasks.hpp"

#include "core/parallel.hpp"
#include "core/workspace.hpp"

namespace npconv {

using Size = std::int64_t;

void each_long_task(const LongTiling& tiling, int threads, const std::function<void(const LongTask&, char*)>& body) {
    const PoolShape& shape = tiling.shape;
    const int used = tiling.slots(threads);
    const Workspace<1> workspace({tiling.bytes}, used);
    parallel_for(tiling.tasks(), used, [&](Size number, int slot) {
        const auto next = [&number](Size n) {
            const Size i = number % n;
            number /= n;
            return i;
        };
        const auto part_of = [&](const EvenSplit& split, Size i, const ClassOfAxis& axis) {
            const Size n = axis.ranges(tiling.spread).results;
            return Part{std::min(split.begin(i), n), std::min(split.begin(i + 1), n)};
        };
        LongTask t{tiling};
        const Size part = next(tiling.parts.parts), tile_b = next(tiling.tiles[1].parts), tile_a = next(tiling.tiles[0].parts);
        std::array<Size, 3> group{};
        for (std::size_t i = 0; i < 3; ++i) group[i] = next(tiling.groups[i].parts);
        const Size channels = next(tiling.channels.parts);
        t.image = number;
        t.channel = tiling.channels.begin(channels);
        for (const std::size_t i : {tiling.a, tiling.b}) t.axis[i] = class_of(shape.axis[i], group[i], 1);
        t.tile_a = part_of(tiling.tiles[0], tile_a, t.a());
        t.tile_b = part_of(tiling.tiles[1], tile_b, t.b());
        const EvenSplit& classes = tiling.groups[tiling.outer];
        const Size end = classes.begin(group[tiling.outer] + 1);
        for (Size c = classes.begin(group[tiling.outer]); c < end; c += t.outer().lanes) {
            t.axis[tiling.outer] = class_of(shape.axis[tiling.outer], c, tiling.last ? 1 : end - c);
            t.lanes = tiling.last ? tiling.channels.length(channels) : t.outer().lanes;
            t.part = part_of(tiling.parts, part, t.outer());
            if (t.part.length() > 0 && t.tile_a.length() > 0 && t.tile_b.length() > 0) body(t, workspace.get<char>(slot, 0));
        }
    });
}

}  // namespace npconv

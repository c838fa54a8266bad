// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_tiling.hpp"

#include <algorithm>

#include "kernels/registry.hpp"
#include "plan/describe.hpp"
#include "plan/gemm_costs.hpp"

namespace npconv {
namespace {

// The most vectors of sums of a register tile with lane = channel.
// One product a cycle: sums leave the registers while those of the next tile begin, which fits in the processor's window only if they are
// few: 4 x 4 vectors lose 10 cycles a tile, 7 x 4 lose 60. Where k is long enough to hide that, larger tiles read fewer weights.
// Two products a cycle: weights stream from the second-level cache twice as fast, which is too fast for 4 x 4; and on Granite Rapids 7 x 4,
// where one vector of weights finds no register, lose 10% by loading it for each pixel. On Zen 5 they lose nothing, and very short sums
// are quickest with 5 x 4.
std::int64_t most_sums(const Core& core, int products_per_cycle, std::int64_t k_length) {
    constexpr std::int64_t all = max_mr * max_nv, short_sum = 256, very_short_sum = 32;
    if (products_per_cycle == 1) return k_length <= short_sum ? 18 : all;
    if (core.far_sighted) return k_length <= very_short_sum ? 20 : all;
    return 24;
}

// With short sums the cost of a call matters: up to about one_call products to a sum, or one_call_of_pixels with lane = pixel, all tiles of
// a panel are one call. With longer sums it matters more that the pixels of a tile stay in the first-level cache for all panels.
// (lane = channel, 10 products to 512 channels: 20% faster; 64 to 256: 3%. lane = pixel, 16 to 96: 7%, but 64 to 256 6% slower.)
constexpr std::int64_t one_call = 128, one_call_of_pixels = 64;
constexpr std::int64_t near_weights = 128 * 1024;   // bytes: an eighth of a second-level cache, half of an old one
constexpr std::int64_t second_level = 1024 * 1024;  // bytes: weights that do not stay there are read for more pixels at a time
constexpr std::int64_t blocks_of_large_map = 16;
constexpr std::int64_t few_tasks = 4;

// Runs of at most `most`; an even number if there are several, so that two threads get as much each.
SpreadSplit paired(std::int64_t n, std::int64_t most) {
    const std::int64_t parts = split_by(n, std::max<std::int64_t>(1, most)).parts;
    return SpreadSplit(n, parts > 1 && parts < n ? parts + parts % 2 : parts);
}

// Rows are cut where they alone fill a block; else a block has whole rows, and where all rows fit whole slices.
void cut_map(GemmTiling& t, std::int64_t most) {
    t.blocks[2] = paired(ceil_div(t.map[2], t.step), most / t.step);
    const std::int64_t row = t.lane == Lane::pixel ? ceil_div(t.map[2], t.step) * t.step : t.map[2];  // whole vectors are kept
    std::int64_t room = t.blocks[2].parts > 1 ? 1 : most / std::max<std::int64_t>(1, row);
    for (const std::size_t a : {std::size_t{1}, std::size_t{0}}) {
        t.blocks[a] = paired(t.map[a], room);
        room = t.blocks[a].parts > 1 ? 1 : room / std::max<std::int64_t>(1, t.map[a]);
    }
}

// Blocks cost something each, and each reads the weights anew: on large maps they are up to `times` larger.
std::int64_t pixels_of_block(const ConvShape& s, std::int64_t pixels, std::int64_t times) {
    return std::clamp(s.pixels() / blocks_of_large_map, pixels, pixels * times);
}

// Where nothing is kept of a block but its output, or a copy of its input that is no larger than elsewhere.
std::int64_t times_if_nothing_is_kept(const Context& on, const ConvShape& s) {
    return std::clamp<std::int64_t>(on.limits.gemm.k_of_block / std::max<std::int64_t>(1, s.in_channels), 1, on.limits.gemm.larger_block);
}

// lane = channel, channels first: a copy in the order of channels last is read as a stream, where the input in place is a line of memory
// for each channel; and two products a cycle do wait for those. It pays where a copied value is used often, or else the channels are far
// apart. A far-sighted core waits only where they push each other out of its first-level cache.
bool worth_copying(const Problem& p, const Context& on, const GemmTiling& t, std::int64_t element) {
    const ConvShape& s = p.shape;
    if (t.flat || t.lane == Lane::pixel || p.layout == Layout::channels_last || s.without_products()) return false;
    const double channels = as_double(t.most_channels_of_chunk());
    if (on.machine.core.far_sighted) {
        const double products = as_double(t.most_pixels()) * as_double(t.k.longest()) * channels;
        return channels_alias(s, t.k.channels.longest(), element) &&
               products >= as_double(on.limits.gemm.used_aliased) * copied_values(s, t);
    }
    double used = channels;
    for (const Axis& a : s.axis) used *= as_double(a.kernel) / as_double(std::min(a.kernel, a.stride));
    return used >= as_double(channels_far_apart(s, element) ? on.limits.gemm.used_from_afar : on.limits.gemm.often_used);
}

// A copied block has a border that its neighbours copy, too: it grows while that saves something and the copy stays small.
void enlarge_copies(const Context& on, GemmTiling& t, const ConvShape& s, std::int64_t most, std::int64_t element) {
    constexpr double saving = 0.95;
    const std::int64_t most_bytes = std::min(on.limits.gemm.bytes_of_copy, on.machine.l2_bytes * 3 / 4);
    const auto for_each_pixel = [&](const GemmTiling& tiling) { return copied_values(s, tiling) / as_double(tiling.most_pixels()); };
    for (std::int64_t times = 2; times <= on.limits.gemm.larger_copy; times *= 2) {
        GemmTiling larger = t;
        cut_map(larger, times * most);
        if (larger.blocks_of_map() * s.groups < on.limits.gemm.enough_tasks) return;
        if (copied_values(s, larger) * as_double(element) > as_double(most_bytes)) return;
        if (for_each_pixel(larger) <= saving * for_each_pixel(t)) t = larger;
    }
}

// Bytes of the input that a register tile reads in a block of k, at most.
std::int64_t bytes_of_tile(const Problem& p, const GemmTiling& t) { return t.pixels_of_tile() * t.k.longest() * size_of(p.dtype); }

// A block of pixels whose input is read again for each panel: smaller, until that input stays in the second-level cache beside the slice
// of a panel's weights.
void fit_second_level(const Problem& p, const Context& on, GemmTiling& t) {
    if (p.shape.without_products()) return;
    for (std::int64_t most = t.most_pixels(); t.cache_use(p).l2 > on.machine.l2_bytes && most > t.step;) {
        most = std::max(t.step, std::min(most - 1, most * 7 / 8));
        cut_map(t, most);
    }
}

// lane = channel
void set_channel_tiles(GemmTiling& t, const Problem& p, const Context& on, const GemmEntry& kernels, int products_per_cycle) {
    const ConvShape& s = p.shape;
    t.nv = static_cast<int>(std::min<std::int64_t>(kernels.nv, on.limits.gemm.widest_tile));
    t.unit = t.lanes;
    t.panels = split_by(ceil_div(s.out_channels, t.unit), t.nv);
    t.nv = static_cast<int>(std::max<std::int64_t>(1, t.panels.longest()));
    t.mr = kernels.mr[t.nv - 1];
    const std::int64_t sums = most_sums(on.machine.core, products_per_cycle, t.k_length);
    t.mr = static_cast<int>(std::min<std::int64_t>(t.mr, sums / t.nv));
    t.waiting_rows = on.vector_bytes() >= 64 && products_per_cycle > 1 ? 4 : 2;
    t.step = t.mr;
    const std::int64_t channels = std::min(t.panels.n * t.unit, on.limits.gemm.channels_of_chunk);
    const bool near = p.layout == Layout::channels_last && channels * t.k.longest() * size_of(p.dtype) <= near_weights;
    t.panels_inside = near && t.k_length > one_call && bytes_of_tile(p, t) <= on.machine.l1d_bytes;
    if (!t.flat) t.copy = Layout::channels_last;
    const bool nothing_kept = near && t.k.blocks() == 1;
    const std::int64_t times = nothing_kept ? times_if_nothing_is_kept(on, s) : std::min<std::int64_t>(2, on.limits.gemm.larger_block);
    const bool far_weights = products_per_cycle > 1 && channels * t.k_length * size_of(p.dtype) > second_level &&
                             t.panels.parts >= few_tasks;  // which are all the tasks of a small map
    const bool once = p.packing == Packing::every_call && s.batch == 1 && !near;
    const bool larger = far_weights || (once && s.pixels() <= 2 * on.limits.gemm.pixels_of_block);
    if (larger) cut_map(t, pixels_of_block(s, 2 * on.limits.gemm.pixels_of_block, times));
    const double usual = as_double(on.limits.gemm.k_of_block * 2 * on.limits.gemm.pixels_of_block);
    if (!larger || copied_values(s, t) > usual) cut_map(t, pixels_of_block(s, on.limits.gemm.pixels_of_block, times));
    fit_second_level(p, on, t);
    t.packs_panels = once && t.blocks_of_map() == 1;
    // A few tasks and an odd number of them: one of two threads would wait for the other's last.
    const std::int64_t tasks = t.panels.parts * s.groups;
    if (t.blocks_of_map() == 1 && !once && tasks < on.limits.gemm.enough_tasks && tasks % 2 == 1 && s.pixels() >= few_tasks * t.mr) {
        cut_map(t, ceil_div(ceil_div(s.pixels(), t.step), 2) * t.step);
    }
}

// lane = pixel
void set_pixel_tiles(GemmTiling& t, const Problem& p, const Context& on, const GemmEntry& kernels) {
    const ConvShape& s = p.shape;
    t.nv = static_cast<int>(std::min<std::int64_t>(kernels.pixel_nv, on.limits.gemm.widest_tile));
    t.mr = kernels.pixel_mr;
    t.panels = split_by(s.out_channels, t.mr);
    t.mr = static_cast<int>(std::max<std::int64_t>(1, t.panels.longest()));
    t.step = t.lanes;
    t.panels_inside = t.flat && t.k_length >= one_call_of_pixels && bytes_of_tile(p, t) <= on.machine.l1d_bytes;
    const bool nothing_kept = t.flat && t.k.blocks() == 1;
    cut_map(t, pixels_of_block(s, on.limits.gemm.pixel_lanes_of_block, nothing_kept ? times_if_nothing_is_kept(on, s) : 1));
    if (!t.flat && t.k.blocks() == 1 && !s.without_products())
        enlarge_copies(on, t, s, on.limits.gemm.pixel_lanes_of_block, size_of(p.dtype));
    fit_second_level(p, on, t);
}

GemmTiling tile_with(const Problem& p, const Context& on, const GemmEntry& kernels, Lane lane) {
    const ConvShape& s = p.shape;
    GemmTiling t;
    t.lanes = kernels.lanes;
    t.lane = lane;
    const int per_cycle = on.products_per_cycle();
    t.flat = s.flat();
    t.copy = p.layout;
    t.map = t.flat ? std::array<std::int64_t, 3>{1, 1, s.pixels()}
                   : std::array<std::int64_t, 3>{s.axis[0].output, s.axis[1].output, s.axis[2].output};
    t.k = order_k(s, on.limits.gemm.taps_of_block, on.limits.gemm.k_of_block);
    t.k_length = s.k();
    if (lane == Lane::channel) {
        set_channel_tiles(t, p, on, kernels, per_cycle);
    } else {
        set_pixel_tiles(t, p, on, kernels);
    }
    // Of one image. Where not even a panel of weights may be packed as a whole, each task packs it block by block of k, whatever it costs.
    const bool long_panels = p.packing == Packing::every_call && s.batch == 1 &&
                             t.panels.longest() * t.unit * t.k_length * size_of(p.dtype) > on.limits.gemm.bytes_of_weights;
    if (long_panels) {
        t.packs_panels = true;
        t.panels_inside = false;
    }
    const std::int64_t blocks = s.empty() ? 0 : s.batch * s.groups * t.blocks_of_map();
    const std::int64_t width = std::max<std::int64_t>(1, t.panels.longest()) * t.unit;  // no channels: no panels
    const std::int64_t panels_of_chunk = std::max<std::int64_t>(1, on.limits.gemm.channels_of_chunk / width);
    const std::int64_t fewest = ceil_div(t.panels.parts, panels_of_chunk);
    // A copy of the input that is used for few products would cost as much as they do.
    const std::int64_t least_panels =
        lane == Lane::pixel && t.k_length > 0 ? ceil_div(on.limits.gemm.products_of_copy, s.taps() * width) : 1;
    const std::int64_t most = std::max<std::int64_t>(1, t.panels.parts / std::max<std::int64_t>(1, least_panels));
    std::int64_t wanted = std::min(most, ceil_div(on.limits.gemm.enough_tasks, std::max<std::int64_t>(blocks, 1)));
    // Chunks of one and of two panels are no even shares. (Flat maps are not copied for each chunk.)
    if (t.flat && wanted > 1 && t.panels.parts % wanted != 0 && t.panels.parts <= std::min(most, 2 * wanted)) wanted = t.panels.parts;
    t.chunks = SpreadSplit(t.panels.parts, std::clamp(wanted, fewest, t.panels.parts));
    t.always_copied = per_cycle > 1 && worth_copying(p, on, t, size_of(p.dtype));
    t.tasks = blocks * t.chunks.parts;
    return t;
}

GemmTiling tile(const Problem& p, const Context& on, const GemmEntry& kernels) {
    if (p.packed_as.lane != Lane::automatic) return tile_with(p, on, kernels, p.packed_as.lane);
    if (on.limits.gemm.lane != Lane::automatic) return tile_with(p, on, kernels, on.limits.gemm.lane);
    if (p.layout == Layout::channels_last || p.shape.without_products()) return tile_with(p, on, kernels, Lane::channel);
    Problem image = p;  // packed weights serve every batch, and a plain call does what a plan does: one image decides
    image.shape.batch = 1;
    image.packing = Packing::once;
    const Context usual = on.for_decisions();
    const auto cycles = [&](Lane lane) { return gemm_cycles(image, usual, tile_with(image, usual, kernels, lane)); };
    return tile_with(p, on, kernels, cycles(Lane::pixel) < cycles(Lane::channel) ? Lane::pixel : Lane::channel);
}

}  // namespace

Box GemmTiling::block(std::int64_t i) const {
    Box b;
    for (std::size_t a = 3; a-- > 0;) {
        const std::int64_t n = i % blocks[a].parts, each = a == 2 ? step : 1;
        b.begin[a] = blocks[a].begin(n) * each;
        b.end[a] = std::min(map[a], (blocks[a].begin(n) + blocks[a].length(n)) * each);
        i /= blocks[a].parts;
    }
    return b;
}

std::array<std::int64_t, 3> GemmTiling::longest_block() const {
    return {blocks[0].longest(), blocks[1].longest(), std::min(map[2], blocks[2].longest() * step)};
}

std::int64_t GemmTiling::most_pixels() const {
    const auto n = longest_block();
    return n[0] * n[1] * n[2];
}

CacheUse GemmTiling::cache_use(const Problem& p) const {
    CacheUse use;
    const std::int64_t element = size_of(p.dtype);
    if (panels.parts < 2 || p.shape.without_products()) return use;  // each value of the input is read for one panel
    if (panels_inside) use.l1 = pixels_of_tile() * k.longest() * element;
    const double input = copied_values(p.shape, *this) * as_double(element);
    use.l2 = static_cast<std::int64_t>(input) + panels.longest() * unit * k.longest() * element;
    return use;
}

std::int64_t GemmTiling::most_vectors_of_pixels() const {
    const auto n = longest_block();
    return n[0] * n[1] * ceil_div(n[2], lanes);
}

GemmTiling tile_gemm(const Problem& p, const Context& on) { return tile(p, on, entry_for(on.entries->gemm, p, on)); }

GemmTiling tile_gemm_pieces(const Problem& problem, const Context& on, std::int64_t pixels) {
    GemmTiling t = tile_gemm(problem, on);
    t.step = std::max<std::int64_t>(1, std::min(pixels, t.map[2]));
    t.blocks = {SpreadSplit(t.map[0], t.map[0]), SpreadSplit(t.map[1], t.map[1]),
                SpreadSplit(ceil_div(t.map[2], t.step), ceil_div(t.map[2], t.step))};
    t.chunks = SpreadSplit(t.panels.parts, t.panels.parts);
    return t;
}

GemmTiling tile_gemm_blocks(const Problem& problem, const Context& on, std::int64_t pixels) {
    GemmTiling t = tile_gemm_pieces(problem, on, pixels);
    t.chunks = SpreadSplit(t.panels.parts, 1);
    t.made_input = true;
    return t;
}

GemmTiling tile_gemm_parts(const Problem& problem, const Context& on, const std::array<std::int64_t, 3>& longest, std::int64_t panels) {
    GemmTiling t = tile_gemm(problem, on);
    const auto runs = [](std::int64_t n, std::int64_t most) { return SpreadSplit(n, split_by(n, most).parts); };
    t.step = t.flat ? longest[0] * longest[1] * longest[2] : longest[2];
    if (!t.flat) t.blocks = {runs(t.map[0], longest[0]), runs(t.map[1], longest[1]), {}};
    t.blocks[2] = runs(ceil_div(t.map[2], t.step), 1);
    t.chunks = runs(t.panels.parts, panels);
    t.packs_panels = false;
    return t;
}

// In double precision: a free batch may be tried with more images than anybody has.
int worthwhile_threads(const Problem& p, const Context& on, int threads) {
    return direct_count(p.shape) < 2.0 * as_double(on.limits.gemm.macs_of_region) ? 1 : threads;
}

}  // namespace npconv

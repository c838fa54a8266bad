// SPDX-License-Identifier: BSD-3-Clause
#include "plan/transposed_tiling.hpp"

#include <algorithm>
#include <cmath>

#include "plan/planner.hpp"

namespace npconv {
namespace {

constexpr std::int64_t most_phases = 1024, most_merged = 1 << 16;
constexpr std::int64_t most_depthwise = 16;  // each has arrays of its own

std::int64_t phases_of_axis(const Axis& a) { return std::min(a.stride, a.input); }

PhasePart part_of(const Problem& forward, const Phases& phases, const std::array<std::int64_t, 3>& r) {
    const ConvShape& f = forward.shape;
    PhasePart part{forward, {}};
    ConvShape& s = part.problem.shape;
    s.in_channels = f.out_channels;
    s.out_channels = f.in_channels * (phases.merged ? phases.all() : 1);
    for (std::size_t a = 0; a < 3; ++a) {
        part.phase[a] = phase_of(f.axis[a], r[a] - phases.shift[a], phases.map[a]);
        s.axis[a] = part.phase[a].axis;
    }
    const bool any = std::all_of(part.phase.begin(), part.phase.end(), [](const Phase& p) { return p.taps > 0; });
    if (!any) {
        s.in_channels = 0;
        for (std::size_t a = 0; a < 3; ++a) {
            s.axis[a] = {};
            s.axis[a].input = s.axis[a].output = phases.map[a];
        }
    }
    part.problem.border = Border::zeros;
    part.problem.flip = false;  // its weights are a copy, in the right order
    return part;
}

}  // namespace

namespace {

// May all phases be channels of one convolution?
bool phases_merge(const ConvShape& f) {
    std::int64_t room = most_merged / std::max<std::int64_t>(1, f.in_channels);
    for (const Axis& a : f.axis) {
        if (a.kernel % a.stride != 0 || (a.stride > 1 && a.dilation != 1) || phases_of_axis(a) != a.stride) return false;
        room /= a.stride;
    }
    return room > 0;
}

// Too many to be looked at each for itself?
bool too_many(const ConvShape& f, std::int64_t most) {
    for (const Axis& a : f.axis) most /= std::max<std::int64_t>(1, phases_of_axis(a));
    return most == 0;
}

// The products of x with all taps.
PhasePart part_by_tap(const Problem& forward) {
    const ConvShape& f = forward.shape;
    PhasePart part{forward, {}};
    ConvShape& s = part.problem.shape;
    s.in_channels = f.out_channels;
    s.out_channels = f.in_channels * f.taps();
    for (std::size_t a = 0; a < 3; ++a) {
        s.axis[a] = {};
        s.axis[a].input = s.axis[a].output = f.axis[a].output;
        part.phase[a].axis = s.axis[a];
        part.phase[a].taps = 1;
    }
    part.problem.border = Border::zeros;
    part.problem.flip = false;
    part.problem.activation = {};
    return part;
}

// The number of rows of x that `rows` rows of y meet, at most.
std::int64_t rows_met(const Axis& height, std::int64_t rows) {
    return std::min(height.output, (rows - 1 + (height.kernel - 1) * height.dilation) / height.stride + 1);
}

// Elements of a row of one phase of y: whole vectors.
std::int64_t row_of_sums(const Axis& width, int lanes) { return ceil_div(ceil_div(width.input, width.stride), lanes) * lanes; }

double band_bytes(const Problem& p, std::int64_t rows) {
    const ConvShape& f = p.shape;
    const double products = as_double(f.in_channels * f.taps()) * as_double(rows_met(f.axis[1], rows)) * as_double(f.axis[2].output);
    return products * as_double(size_of(p.dtype));
}

bool flat(const Axis& a) { return a.kernel == 1 && a.stride == 1 && !a.padded() && a.input == a.output; }

bool taps_serve(const Problem& p) {
    constexpr std::int64_t most_channels = 8, most_taps = 1024, longest_stride = 16, longest_row = 1 << 14;
    constexpr double most_bytes = 1 << 20;
    const ConvShape& f = p.shape;
    const Axis &depth = f.axis[0], &width = f.axis[2];
    if (p.layout != Layout::channels_first || !flat(depth) || f.in_channels > most_channels || f.taps() > most_taps) return false;
    if (f.axis[1].stride > longest_stride || width.stride > longest_stride || width.input > longest_row) return false;
    const std::int64_t least = std::min({f.in_channels, width.output, f.axis[1].output, width.input, f.axis[1].input, depth.input});
    return least > 0 && band_bytes(p, 1) <= most_bytes;
}

EvenSplit bands_of(const Problem& p, const Context& on) {
    const std::int64_t height = p.shape.axis[1].input;
    std::int64_t rows = std::min(on.limits.transposed.rows_of_band, std::max<std::int64_t>(1, height));
    while (rows > 1 && band_bytes(p, rows) > as_double(on.limits.transposed.bytes_of_block)) rows /= 2;
    return split_by(height, rows);
}

// Each row of products is read once, each row of y written twice.
double cycles_by_tap(const Problem& forward, const Context& on, const Phases& phases) {
    constexpr double of_product = 4.0, of_result = 8.0, of_row = 60.0;
    const ConvShape& f = forward.shape;
    const EvenSplit bands = bands_of(forward, on);
    const PhasePart& part = phases.parts[0];
    const double lanes = as_double(on.vector_bytes() / size_of(forward.dtype));
    const double twice = as_double(bands.parts * rows_met(f.axis[1], bands.longest())) / as_double(f.axis[1].output);
    const double products = as_double(f.groups * part.problem.shape.out_channels) * as_double(part.problem.shape.pixels()) / lanes;
    const double rows = as_double(f.groups * f.in_channels * f.axis[0].input) * as_double(f.axis[1].input);
    const double results = rows * as_double(f.axis[2].input) / lanes;
    return twice * consider(part.problem, on, Algorithm::gemm).cycles + of_product * products + of_result * results + of_row * rows;
}

double cycles_with(const Context& on, const Phases& phases, Algorithm algorithm, Lane lane) {
    double cycles = 0.0;
    for (const PhasePart& part : phases.parts) {
        Problem p = part.problem;
        p.packed_as.lane = lane;
        p.shape.batch = 1;
        cycles += consider(p, on, p.shape.in_channels == 0 ? Algorithm::gemm : algorithm).cycles;
    }
    return cycles;
}

// All taps at once, in the order that phases have them.
PhasePart part_of_planes(const Problem& forward) {
    const ConvShape& f = forward.shape;
    PhasePart part{forward, {}};
    for (std::size_t a = 0; a < 3; ++a) {
        Axis& axis = part.problem.shape.axis[a];
        axis = {};
        axis.kernel = f.axis[a].kernel;
        axis.input = f.axis[a].output;
        axis.output = f.axis[a].output;
        part.phase[a].axis = axis;
        part.phase[a].taps = axis.kernel;
    }
    part.problem.border = Border::zeros;
    part.problem.flip = false;
    return part;
}

bool planes_serve(const Problem& p) {
    constexpr std::int64_t longest_row = 1 << 15;
    const ConvShape& f = p.shape;
    const Axis &depth = f.axis[0], &height = f.axis[1], &width = f.axis[2];
    if (p.layout != Layout::channels_first || f.in_channels != 1 || f.out_channels != 1 || !flat(depth)) return false;
    const std::int64_t k = height.kernel, largest = least_transposed_taps + transposed_sizes - 1;
    if (k != width.kernel || k < least_transposed_taps || k > largest) return false;
    for (const Axis* a : {&height, &width}) {
        if (a->stride != 2 || a->dilation != 1 || a->pad_before >= k) return false;
    }
    return width.output <= longest_row && width.input <= longest_row;
}

// Two rows of a vector of places at a time, and what a channel costs; y from memory.
double cycles_of_planes(const Problem& forward, const Context& on) {
    constexpr double of_step = 12.0, of_product = 0.5, of_channel = 40.0, of_line = 2.0;
    const ConvShape& f = forward.shape;
    const double lanes = as_double(on.vector_bytes() / size_of(forward.dtype));
    const double rows = as_double(ceil_div(f.axis[1].input, 2)), vectors = std::ceil(as_double(ceil_div(f.axis[2].input, 2)) / lanes);
    const double lines = as_double(f.axis[1].input) * as_double(f.axis[2].input) * as_double(size_of(forward.dtype)) / 64.0;
    const double of_plane = of_channel + rows * vectors * (of_step + of_product * as_double(f.taps())) + of_line * lines;
    return as_double(f.groups) * as_double(f.axis[0].input) * of_plane;
}

// One lane for all phases: that by which they are estimated to take less.
Lane lane_of(const Context& on, const Phases& phases) {
    if (phases.parts.empty()) return Lane::channel;
    const Problem& p = phases.parts[0].problem;
    if (p.packed_as.lane != Lane::automatic) return p.packed_as.lane;
    if (on.limits.gemm.lane != Lane::automatic) return on.limits.gemm.lane;
    if (p.layout == Layout::channels_last) return Lane::channel;
    const auto cycles = [&](Lane lane) { return cycles_with(on, phases, Algorithm::gemm, lane); };
    return cycles(Lane::pixel) < cycles(Lane::channel) ? Lane::pixel : Lane::channel;
}

void add_parts(const Problem& forward, Phases& phases) {
    if (phases.merged) {
        phases.parts.push_back(part_of(forward, phases, {}));
        return;
    }
    std::array<std::int64_t, 3> r{};
    for (r[0] = 0; r[0] < phases.count[0]; ++r[0]) {
        for (r[1] = 0; r[1] < phases.count[1]; ++r[1]) {
            for (r[2] = 0; r[2] < phases.count[2]; ++r[2]) phases.parts.push_back(part_of(forward, phases, r));
        }
    }
}

}  // namespace

bool one_phase(const ConvShape& forward) {
    return std::all_of(forward.axis.begin(), forward.axis.end(), [](const Axis& a) { return phases_of_axis(a) == 1; });
}

Phases phases_of(const Problem& forward, const Context& on, Arrangement arrangement) {
    const bool merged = arrangement == Arrangement::merged;
    Phases phases;
    phases.merged = merged;
    phases.by_tap = arrangement == Arrangement::by_tap;
    phases.planes = arrangement == Arrangement::planes;
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = forward.shape.axis[a];
        phases.stride[a] = axis.stride;
        phases.count[a] = phases_of_axis(axis);
        phases.shift[a] = merged ? axis.pad_before % axis.stride : 0;
        phases.map[a] = axis.input == 0 ? 0 : (axis.input - 1 + phases.shift[a]) / axis.stride + 1;
    }
    if (phases.by_tap) {
        phases.parts.push_back(part_by_tap(forward));
    } else if (phases.planes) {
        phases.parts.push_back(part_of_planes(forward));
        return phases;
    } else {
        add_parts(forward, phases);
    }
    if (one_phase(forward.shape)) return phases;
    const Lane lane = lane_of(on, phases);
    for (PhasePart& part : phases.parts) {
        part.problem.packed_as.lane = lane;
        part.problem.packed_as.depthwise_lane = Lane::channel;
    }
    return phases;
}

bool phases_serve(const Problem& forward, const PhaseWay& way) {
    const bool gemm = way.algorithm == Algorithm::gemm, apart = !too_many(forward.shape, gemm ? most_phases : most_depthwise);
    switch (way.arrangement) {
        case Arrangement::apart: return apart;
        case Arrangement::merged: return gemm && phases_merge(forward.shape);
        case Arrangement::by_tap: return gemm && apart && taps_serve(forward);
        case Arrangement::planes: return way.algorithm == Algorithm::depthwise && planes_serve(forward);
    }
    return false;
}

PhaseProspect prospect_of_phases(const Problem& forward, const Context& on, Algorithm algorithm) {
    PhaseProspect prospect;
    prospect.way.algorithm = algorithm;
    const bool gemm = algorithm == Algorithm::gemm;
    const auto serves = [&](Arrangement arrangement) { return phases_serve(forward, {algorithm, arrangement}); };
    const bool apart = serves(Arrangement::apart), merged = serves(Arrangement::merged), by_tap = serves(Arrangement::by_tap),
               planes = serves(Arrangement::planes);
    if (!gemm && algorithm != Algorithm::depthwise) {
        prospect.refusal = "the phases of a stride are put together by \"gemm\" and \"depthwise\" only";
    } else if (!apart && !merged) {
        prospect.refusal = "the stride makes too many phases";
    }
    if (!prospect.refusal.empty()) return prospect;
    const auto consider_way = [&](Arrangement arrangement) {
        if (arrangement == Arrangement::planes) {
            prospect.way = {algorithm, arrangement, cycles_of_planes(forward, on)};
            return;
        }
        const Phases phases = phases_of(forward, on, arrangement);
        for (const PhasePart& part : phases.parts) {
            if (!gemm && part.problem.shape.in_channels > 0) prospect.refusal = depthwise_refusal(part.problem, on);
            if (!prospect.refusal.empty()) return;
        }
        const double cycles = phases.by_tap ? cycles_by_tap(forward, on, phases)
                                            : cycles_with(on, phases, algorithm,
                                                          phases.parts.empty() ? Lane::channel : phases.parts[0].problem.packed_as.lane);
        if (prospect.way.cycles == 0.0 || cycles < prospect.way.cycles) prospect.way = {algorithm, arrangement, cycles};
    };
    constexpr std::int64_t narrowest = 4;                      // columns of y: fewer leave nearly all lanes empty
    if (planes && forward.shape.axis[2].input >= narrowest) {  // always quicker than planes of phases
        consider_way(Arrangement::planes);
        return prospect;
    }
    if (apart) consider_way(Arrangement::apart);
    if (merged) consider_way(Arrangement::merged);
    if (by_tap) consider_way(Arrangement::by_tap);
    return prospect;
}

Box TransposedTiling::block(std::int64_t i) const {
    Box box;
    for (std::size_t a = 3; a-- > 0;) {
        const std::int64_t n = i % blocks[a].parts;
        box.begin[a] = blocks[a].begin(n);
        box.end[a] = box.begin[a] + blocks[a].length(n);
        i /= blocks[a].parts;
    }
    return box;
}

namespace {

SpreadSplit runs(std::int64_t n, std::int64_t most) { return SpreadSplit(n, split_by(n, std::max<std::int64_t>(1, most)).parts); }

// Whole rows, of more than one only if they are whole, and likewise planes: a block's pixels are neighbours.
void cut_map(TransposedTiling& t, const std::array<std::int64_t, 3>& map, std::int64_t most) {
    for (std::size_t a = 3; a-- > 0;) {
        t.blocks[a] = runs(map[a], most);
        most = t.blocks[a].parts > 1 ? 1 : most / std::max<std::int64_t>(1, map[a]);
    }
}

// Of few tasks two threads get as many each.
void cut_evenly(TransposedTiling& t, std::int64_t groups) {
    constexpr std::int64_t few = 16;
    const std::int64_t tasks = groups * t.chunks.parts * t.blocks_of_map();
    if (tasks % 2 == 0 || tasks > few) return;
    for (std::size_t a = 0; a < 3; ++a) {
        SpreadSplit& blocks = t.blocks[a];
        if (blocks.parts == 1 || blocks.parts == blocks.n) continue;
        blocks = SpreadSplit(blocks.n, blocks.parts + 1);
        return;
    }
}

std::array<std::int64_t, 3> longest_block(const TransposedTiling& t) {
    return {t.blocks[0].longest(), t.blocks[1].longest(), t.blocks[2].longest()};
}

// channels: of a block.
void set_rows(TransposedTiling& t, Layout layout, std::int64_t parts, std::int64_t channels, std::int64_t lanes) {
    const auto n = longest_block(t);
    const std::int64_t pixels = n[0] * n[1] * n[2];
    // Whole vectors, and an odd number of them: channels do not push each other out of the caches.
    t.row = layout == Layout::channels_first ? (ceil_div(pixels, lanes) | 1) * lanes : channels;
    t.part_elements = t.row * (layout == Layout::channels_first ? channels : pixels);
    t.block_elements = parts * t.part_elements;
}

void tile_gemm_phases(TransposedTiling& t, const Problem& forward, const Context& on, const Phases& phases) {
    const ConvShape& s = phases.parts[0].problem.shape;
    const GemmTiling whole = tile_gemm(phases.parts[0].problem, on);
    const std::int64_t parts = static_cast<std::int64_t>(phases.parts.size()), all_panels = whole.panels.parts;
    const std::int64_t width = std::max<std::int64_t>(1, whole.panels.longest() * whole.unit);
    // Pixels first: a register tile wants some, and the copies of a block have a border.
    const std::int64_t wanted = on.limits.transposed.pixels_of_block * (whole.lane == Lane::pixel ? 2 : 1);
    const std::int64_t room =
        std::max<std::int64_t>(1, on.limits.transposed.bytes_of_block / size_of(forward.dtype) / parts);  // elements of a part
    const std::int64_t places = std::max<std::int64_t>(1, phases.map[0] * phases.map[1] * phases.map[2]);
    const std::int64_t panels = std::clamp<std::int64_t>(room / (width * std::min(wanted, places)), 1, all_panels);
    std::int64_t most = std::clamp<std::int64_t>(room / (panels * width), 1, wanted), chunks = runs(all_panels, panels).parts;
    if (whole.lane == Lane::pixel) {  // an input is copied for each chunk: rather more blocks than more chunks
        const std::int64_t blocks = ceil_div(on.limits.transposed.enough_tasks, s.groups * chunks);
        most = std::clamp<std::int64_t>(ceil_div(places, blocks), std::min(most, on.limits.transposed.pixels_of_block / 2), most);
        cut_map(t, phases.map, most);
    } else {
        cut_map(t, phases.map, most);
        chunks = std::max(chunks, ceil_div(on.limits.transposed.enough_tasks, std::max<std::int64_t>(1, s.groups * t.blocks_of_map())));
    }
    t.chunks = SpreadSplit(all_panels, std::min(all_panels, chunks));
    cut_evenly(t, s.groups);
    for (const PhasePart& part : phases.parts) t.parts.push_back(tile_gemm_parts(part.problem, on, longest_block(t), t.chunks.longest()));
    set_rows(t, forward.layout, parts, std::min(t.chunks.longest() * width, s.out_channels), whole.lanes);
    t.tasks = s.batch * s.groups * t.chunks.parts * t.blocks_of_map();
}

void tile_depthwise_phases(TransposedTiling& t, const Problem& forward, const Context& on, const Phases& phases) {
    const std::int64_t parts = static_cast<std::int64_t>(phases.parts.size()), element = size_of(forward.dtype);
    const ConvShape& f = forward.shape;
    const std::int64_t channels = f.groups * f.in_channels, places = phases.map[0] * phases.map[1] * phases.map[2];
    std::int64_t most = std::max<std::int64_t>(
        depthwise_pixels, on.limits.transposed.bytes_of_block / (element * parts * std::max<std::int64_t>(1, channels)));
    most = std::min(most, std::max<std::int64_t>(depthwise_pixels, ceil_div(places, on.limits.transposed.enough_tasks)));
    for (const PhasePart& part : phases.parts) {
        t.depthwise.push_back(tile_depthwise_blocks(part.problem, on, most));
        if (part.problem.shape.in_channels > 0) most = std::min(most, t.depthwise.back().most_pixels());
    }
    cut_map(t, phases.map, most);
    for (DepthwiseTiling& part : t.depthwise) part.map = t.blocks;
    t.chunks = SpreadSplit(1, 1);
    const int lanes = t.depthwise[0].lanes;
    set_rows(t, forward.layout, parts, channels, lanes);
    const auto n = longest_block(t);
    t.turned_row = ceil_div(channels, lanes) * lanes;
    t.turned_elements = n[0] * n[1] * n[2] * t.turned_row;
    t.tasks = f.batch * t.blocks_of_map();
}

void tile_planes(TransposedTiling& t, const Problem& forward, const Context& on) {
    const ConvShape& f = forward.shape;
    const auto at_most = [&](std::int64_t bytes) { return on.limits.transposed.bytes_of_planes / std::max<std::int64_t>(1, bytes); };
    const std::int64_t row = f.axis[2].input * size_of(forward.dtype);
    t.bands = split_by(f.axis[1].input, std::max<std::int64_t>(2, at_most(row)));
    const std::int64_t channels = std::max<std::int64_t>(1, at_most(t.bands.longest() * row) / std::max<std::int64_t>(1, f.axis[0].input));
    const std::int64_t chunks = std::max(split_by(f.groups, channels).parts, ceil_div(on.limits.transposed.enough_tasks, t.bands.parts));
    t.chunks = SpreadSplit(f.groups, std::clamp<std::int64_t>(chunks, 1, std::max<std::int64_t>(1, f.groups)));
    // Of x, for rows whose elements are apart: those of all pairs of rows that the band touches.
    const std::int64_t pairs = t.bands.longest() / 2 + 1;
    t.row = std::min(f.axis[1].output, pairs + (f.axis[1].kernel - 1) / 2) * f.axis[2].output;
    t.block_elements = t.row;
    t.tasks = f.batch * t.chunks.parts * t.bands.parts;
}

void tile_by_tap(TransposedTiling& t, const Problem& forward, const Context& on, const Phases& phases) {
    const ConvShape &f = forward.shape, &s = phases.parts[0].problem.shape;
    t.bands = bands_of(forward, on);
    const std::int64_t rows = rows_met(f.axis[1], t.bands.longest()), width = f.axis[2].output;
    const GemmTiling whole = tile_gemm(phases.parts[0].problem, on);
    t.parts.push_back(tile_gemm_parts(phases.parts[0].problem, on, {1, rows, width}, whole.panels.parts));
    t.row = (ceil_div(rows * width, whole.lanes) | 1) * whole.lanes;
    t.part_elements = s.out_channels * t.row;
    t.sums_row = row_of_sums(f.axis[2], whole.lanes);
    t.block_elements = t.part_elements + 2 * f.axis[2].stride * t.sums_row;
    t.tasks = f.batch * f.groups * f.axis[0].input * t.bands.parts;
}

}  // namespace

TransposedTiling tile_transposed(const Problem& forward, const Context& on, const Phases& phases, Algorithm algorithm) {
    TransposedTiling t;
    if (phases.parts.empty()) return t;
    if (phases.planes) {
        tile_planes(t, forward, on);
        return t;
    }
    if (phases.by_tap) {
        tile_by_tap(t, forward, on, phases);
    } else if (algorithm == Algorithm::depthwise) {
        tile_depthwise_phases(t, forward, on, phases);
    } else {
        tile_gemm_phases(t, forward, on, phases);
    }
    return t;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/explain.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "plan/depthwise_tiling.hpp"
#include "plan/describe.hpp"
#include "plan/direct_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {
namespace {

void describe(Text& out, const GemmExecution& e) {
    const Problem& p = e.problem;
    const GemmTiling& t = e.tiling;
    const bool pixel = t.lane == Lane::pixel;
    const std::int64_t pixels = pixel ? t.nv * t.lanes : t.mr, channels = pixel ? t.mr : t.nv * t.lanes;
    out << "tiling       register tile " << pixels << " pixels x " << channels << " channels, lane = " << (pixel ? "pixel" : "channel")
        << "; k " << t.k_length << " in " << t.k.blocks() << " block(s) of at most " << t.k.longest() << "\n"
        << "             " << t.tasks << " task(s): " << t.blocks_of_map() << " block(s) of at most " << t.most_pixels() << " pixels x "
        << t.chunks.parts << " chunk(s) of at most " << t.chunks.longest() << " of " << t.panels.parts
        << " panel(s) of channels, for each image and group\n";
    const auto at_least_1 = [](std::int64_t n) { return static_cast<double>(n > 0 ? n : 1); };
    const double real = at_least_1(t.panels.n * t.unit) / at_least_1(p.shape.out_channels);
    out << "operations   " << count(direct_count(p.shape)) << " (direct count)";
    if (pixel) {
        out << "; the last vector of a row of pixels may be part empty\n";
    } else {
        out << ", " << count(direct_count(p.shape) * real) << " at most done: channels of a group fill whole vectors of " << t.lanes
            << ", taps in a border of zeros are left out\n";
        if (t.always_copied) out << "             the input is read from copies of its parts in the order of channels last\n";
    }
}

void describe(Text& out, const DepthwiseExecution& e) {
    const Problem& p = e.problem;
    const DepthwiseTiling& t = e.tiling;
    if (p.shape.empty()) return;
    const bool pixel = t.lane == Lane::pixel;
    if (pixel) {
        out << "tiling       strips of columns in vectors of " << t.lanes << " pixels, lane = pixel, walk down the rows\n";
    } else {
        out << "tiling       register tile " << depthwise_pixels << " pixels x " << t.lanes
            << " channels, lane = channel; rows of the kernel in " << t.taps.parts << " run(s) of at most " << t.taps.longest()
            << " tap(s)\n";
    }
    out << "             " << t.tasks << " task(s): " << t.blocks() << " block(s) of at most " << t.most_pixels() << " pixels x "
        << t.chunks.parts << " chunk(s) of at most " << t.chunks.longest() << (pixel ? " channel(s)" : " vector(s) of channels")
        << ", for each image\n";
    if (t.copied) out << "             the input is read from copies of its parts, vectors of channels\n";
    out << "operations   " << count(direct_count(p.shape)) << " (direct count); taps in a border of zeros are left out\n";
}

void describe(Text& out, const DirectExecution& e) {
    const Problem& p = e.problem;
    const DirectTiling& t = e.tiling;
    if (p.shape.empty()) return;
    const std::int64_t pixels = t.vectors * t.lanes;
    out << "tiling       register tile " << pixels * (t.kind == DirectRows::vectors ? t.rows : 1) << " pixels";
    if (t.kind == DirectRows::rows) out << " of " << t.rows << " rows";
    if (t.row_step > 1 && t.kind == DirectRows::rows) out << " that are " << t.row_step << " apart";
    out << " x " << t.channels << " channels, lane = pixel; " << p.shape.k() << " products summed in " << t.chunks.parts
        << " chunk(s) of at most " << t.chunks.longest() << " input channels\n"
        << "             " << t.tasks << " task(s): " << t.blocks_of_map() << " block(s) of at most " << t.longest_block()[0] << " x "
        << t.longest_block()[1] << " x " << t.longest_block()[2] << " pixels for each image and group; "
        << (t.masked ? "only blocks that touch the border above or below are copied"
                     : "blocks that touch a border or are no whole vectors of neighbours are copied")
        << "\n"
        << "operations   " << count(direct_count(p.shape)) << " (direct count); the last vector of a row of pixels may be part empty\n";
}

// As it was considered for the decision, or for these words.
Candidate candidate_of(const Problem& p, const Context& on, const Decision& d, Algorithm algorithm) {
    for (const Candidate& c : d.candidates) {
        if (c.algorithm == algorithm) return c;
    }
    return consider(p, on, algorithm);
}

void describe_tiles(Text& out, const AxisTiles& a) {
    const std::int64_t rest = a.alike ? 0 : a.outputs % a.whole, tiles = a.alike ? a.count() : a.outputs / a.whole;
    out << tiles << " tile(s) of " << a.whole << (rest ? " and one of " + std::to_string(rest) : "") << " output(s), " << a.taps()
        << " tap(s)";
    if (a.runs > 1) out << " in " << a.runs << " runs";
    if (a.input_phases() > 1) out << " of each of " << a.input_phases() << " phases of the input";
    if (a.phases > 1) out << ", for each of " << a.phases << " phases of the output";
    out << "\n";
}

void describe(Text& out, const WinogradExecution& e) {
    const Problem& p = e.problem;
    const WinogradTiling& t = e.tiling;
    if (p.shape.empty()) return;
    const char* names[] = {"depth: ", "height:", "width: "};
    const char* begin = "tiling       ";
    for (std::size_t a = 0; a < 3; ++a) {
        if (t.axis[a].kernel == 1 && t.axis[a].length == 1) continue;
        out << begin << names[a] << " ";
        describe_tiles(out, t.axis[a]);
        begin = "             ";
    }
    out << "             " << t.points() << " points; " << t.blocks << " block(s) of at most " << t.most_tiles() << " tiles, "
        << (t.shared ? "shared by the threads" : "one for each thread") << "; " << t.products() << " products of a point summed in "
        << t.sums() << " block(s) of at most " << t.units.longest() * t.step_of_sum() << ", " << t.chunks.parts << " chunk(s) of at most "
        << t.chunk_width() << " output channels\n"
        << "             weights are transformed "
        << (t.few        ? "in registers"
            : t.prepared ? "once, beside the taps"
                         : "where they are used")
        << "\n";
    const ConvShape& s = p.shape;
    const double real =
        2.0 * static_cast<double>(s.batch * s.groups * t.products()) * static_cast<double>(t.panels.n * t.lanes) * t.points_of_map();
    out << "operations   " << count(direct_count(s)) << " (direct count), " << count(real) << " done in products of points\n";
}

void describe(Text& out, const NaiveExecution& e) { out << "operations   " << count(direct_count(e.problem.shape)) << "\n"; }

void describe_error(Text& out, const WinogradExecution& e) {
    const Problem& p = e.problem;
    const WinogradTiling& t = e.tiling;
    const double u = p.dtype == DType::f32 ? 0x1p-24 : 0x1p-53;
    out << "error        about " << winograd_expected_error(p, t) * u
        << " (relative, L2) for normally distributed data; |y - exact| <= " << winograd_bound(t) * u << " max|x of the\n"
        << "             tile| sum|w|, before bias, residual and activation. Tiles that are not finite, or in which values differ by more "
           "than "
        << winograd_range << " times from one receptive field to another, are computed as by gemm\n";
}

}  // namespace

std::string explain(const ConvExecution& execution, const Decision& d, const Footprint& footprint) {
    const Problem& p = execution.problem();
    const Context& on = execution.on();
    const ConvShape& s = p.shape;
    Text out;
    describe_shape(out, "convolution  ", p);
    if (p.merged) out << "  height: the depth, which alone has taps; width: the rows of height and width, one after the other\n";
    out << "algorithm    " << entry_of(d.algorithm).name << " (asked for: " << d.wanted << "): " << entry_of(d.algorithm).summary << "\n";
    double chosen = 0.0;
    for (const Candidate& c : d.candidates) chosen = c.algorithm == d.algorithm ? c.cycles : chosen;
    for (const AlgorithmEntry& e : algorithms()) {
        const Candidate c = candidate_of(p, on, d, e.algorithm);
        out << "  " << e.name << std::string(13 - std::string(e.name).size(), ' ');
        if (!c.refusal.empty()) {
            out << "cannot serve: " << c.refusal;
        } else {
            out << "about " << count(c.cycles) << " cycles on one thread";
            if (c.algorithm != d.algorithm && chosen > 0) (out << ", ").number(c.cycles / chosen, 3) << " times the choice";
            if (c.measured_seconds > 0) out << ", measured " << c.measured_seconds * 1e6 << " us";
            if (!e.automatic) out << "; only by name";
        }
        out << "\n";
    }
    const bool naive = std::holds_alternative<NaiveExecution>(execution.way);
    if (!naive) describe_kernels(out, on);
    std::visit([&](const auto& e) { describe(out, e); }, execution.way);
    describe_memory(out, footprint);
    if (const auto* winograd = std::get_if<WinogradExecution>(&execution.way)) {
        describe_error(out, *winograd);
        return out.str();
    }
    const bool naive_f32 = naive && p.dtype == DType::f32;  // summed in double, rounded once
    describe_bound(out, "error        |y - exact|", s.k(), naive_f32 ? DType::f64 : p.dtype, naive_f32 ? 0x1p-24 : 0.0);
    return out.str();
}

std::string explain_separable(const SeparableProblem& p, const SeparableExecution& e, const Footprint& footprint) {
    Text out;
    describe_shape(out, "depthwise    ", p.depthwise);
    describe_shape(out, "pointwise    ", p.pointwise);
    out << "algorithm    separable: depthwise results of a block of pixels stay in the caches until the products have used them\n";
    if (!p.depthwise.shape.empty()) {
        const SeparableTiling& t = e.tiling;
        describe_kernels(out, *e.depthwise.on);
        out << "tiling       " << t.tasks << " task(s): " << t.depthwise.blocks() << " block(s) of at most " << t.most_pixels
            << " pixels, with all channels, for each image\n";
    }
    out << "operations   " << count(direct_count(p.depthwise.shape) + direct_count(p.pointwise.shape)) << " (direct count)\n";
    describe_memory(out, footprint);
    describe_bound(out, "error        of the depthwise result: |y - exact|", p.depthwise.shape.k(), p.depthwise.dtype);
    describe_bound(out, "             of the pointwise one:    |y - exact|", p.pointwise.shape.k(), p.pointwise.dtype);
    return out.str();
}

namespace {

void describe_transposed(Text& out, const Problem& forward) {
    const ConvShape& s = forward.shape;
    out << "transposed   " << name_of(forward.dtype) << ", "
        << (forward.layout == Layout::channels_last ? "channels last" : "channels first") << ", batch "
        << (forward.free_batch ? "any (figures of one image)" : std::to_string(s.batch)) << ", " << s.groups << " group(s) of "
        << s.out_channels << " -> " << s.in_channels << " channels\n";
    const char* names[] = {"depth ", "height", "width "};
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = s.axis[a];
        if (a < 2 && axis.input == 1 && axis.output == 1 && axis.kernel == 1) continue;
        out << "  " << names[a] << "  " << axis.output << " -> " << axis.input << ", kernel " << axis.kernel << ", stride " << axis.stride
            << ", dilation " << axis.dilation << ", " << axis.pad_before << " cut off before\n";
    }
}

void describe_transposed_bound(Text& out, const Problem& forward, DType dtype, double rounded = 0.0) {
    std::int64_t taps = 1;  // of an output, at most
    for (const Axis& a : forward.shape.axis)
        taps *= std::max<std::int64_t>(1, ceil_div(a.kernel, a.stride / std::gcd(a.stride, a.dilation)));
    describe_bound(out, "error        |y - exact|", taps * forward.shape.out_channels, dtype, rounded);
}

}  // namespace

std::string explain_phases(const TransposedDecision& d, const PhasesExecution& e, const Footprint& footprint) {
    const Phases& phases = e.phases;
    const TransposedTiling& t = e.tiling;
    Text out;
    describe_transposed(out, d.forward);
    out << "algorithm    phases by " << d.algorithm << " (asked for: " << d.wanted << "): the stride makes " << phases.all()
        << " phases of the output, convolutions of stride 1, which are put together\n";
    for (const Candidate& c : d.candidates) {
        const std::string name = entry_of(c.algorithm).name;
        out << "  " << name << std::string(13 - name.size(), ' ');
        if (!c.refusal.empty()) {
            out << "cannot serve: " << c.refusal << "\n";
        } else {
            out << "about " << count(c.cycles) << " cycles on one thread for an image";
            if (c.measured_seconds > 0) out << ", measured " << c.measured_seconds * 1e6 << " us";
            out << "\n";
        }
    }
    describe_kernels(out, *e.on);
    if (phases.merged) {
        const ConvShape& s = phases.parts[0].problem.shape;
        out << "phases       channels of one convolution of " << s.in_channels << " -> " << s.out_channels << " channels, kernel "
            << s.axis[0].kernel << " x " << s.axis[1].kernel << " x " << s.axis[2].kernel << ", because all meet the same inputs\n";
    } else if (phases.planes) {
        out << "phases       side by side in registers: two rows of y at a time, channel by channel\n";
    } else if (phases.by_tap) {
        out << "phases       rows of them are sums of rows of products of x with all taps, a 1x1 convolution to "
            << phases.parts[0].problem.shape.out_channels << " channels\n";
    } else {
        out << "phases       " << phases.parts.size() << " convolutions, of at most "
            << ceil_div(d.forward.shape.axis[0].kernel, phases.stride[0]) << " x "
            << ceil_div(d.forward.shape.axis[1].kernel, phases.stride[1]) << " x "
            << ceil_div(d.forward.shape.axis[2].kernel, phases.stride[2]) << " taps without dilation\n";
    }
    out << "tiling       " << t.tasks * d.forward.shape.batch << " task(s): ";
    if (phases.planes || phases.by_tap) {
        out << t.bands.parts << " band(s) of at most " << t.bands.longest() << " rows of the output";
    } else {
        out << t.blocks_of_map() << " block(s) of at most " << t.blocks[0].longest() * t.blocks[1].longest() * t.blocks[2].longest()
            << " outputs of each phase";
    }
    if (!phases.by_tap) out << " x " << t.chunks.parts << " chunk(s) of channels";
    out << ", for each image" << (phases.planes ? "" : " and group") << "\n"
        << "operations   " << count(direct_count(d.forward.shape)) << " (direct count: of all taps and all inputs)\n";
    describe_memory(out, footprint);
    describe_transposed_bound(out, d.forward, d.forward.dtype);
    return out.str();
}

std::string explain_one_phase(const Problem& forward, const ConvExecution& phase, const Decision& d, const Footprint& footprint) {
    Text out;
    describe_transposed(out, forward);
    out << "             without a stride it is one convolution, of the part of x that it meets, with the taps in reverse order:\n"
        << explain(phase, d, footprint);
    return out.str();
}

std::string explain_transposed_definition(const Problem& forward, const std::string& reason, const Footprint& footprint) {
    Text out;
    describe_transposed(out, forward);
    out << "algorithm    the definition, in double precision: " << reason << "\n"
        << "operations   " << count(direct_count(forward.shape)) << "\n";
    describe_memory(out, footprint);
    const bool f32 = forward.dtype == DType::f32;  // summed in double, rounded once
    describe_transposed_bound(out, forward, DType::f64, f32 ? 0x1p-24 : 0.0);
    return out.str();
}

}  // namespace npconv

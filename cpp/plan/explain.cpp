// SPDX-License-Identifier: BSD-3-Clause
#include "plan/explain.hpp"

#include <cmath>
#include <sstream>

#include "plan/gemm_tiling.hpp"
#include "plan/winograd_error.hpp"
#include "plan/winograd_tiling.hpp"

namespace npconv {
namespace {

const char* name_of(Border border) {
    switch (border) {
        case Border::zeros: return "zeros";
        case Border::reflect: return "reflect";
        case Border::replicate: return "replicate";
        case Border::circular: return "circular";
    }
    return "";
}

void describe_axis(std::ostream& out, const char* name, const Axis& a) {
    out << "  " << name << "  " << a.input << " -> " << a.output << ", kernel " << a.kernel << ", stride " << a.stride << ", dilation "
        << a.dilation << ", padding (" << a.pad_before << ", " << a.pad_after << ")\n";
}

void describe_gemm(std::ostream& out, const Problem& p) {
    const GemmTiling t = tile_gemm(p);
    const bool pixel = t.lane == Lane::pixel;
    const std::int64_t pixels = pixel ? t.nv * t.lanes : t.mr, channels = pixel ? t.mr : t.nv * t.lanes;
    out << "tiling       register tile " << pixels << " pixels x " << channels << " channels, lane = " << (pixel ? "pixel" : "channel")
        << "; k " << t.k_length << " in " << t.k.blocks() << " block(s) of at most " << t.k.longest() << "\n"
        << "             " << t.tasks << " task(s): " << t.blocks_of_map() << " block(s) of at most " << t.most_pixels() << " pixels x "
        << t.chunks.parts << " chunk(s) of at most " << t.chunks.longest() << " of " << t.panels.parts
        << " panel(s) of channels, for each image and group\n";
    const auto at_least_1 = [](std::int64_t n) { return static_cast<double>(n > 0 ? n : 1); };
    const double real = at_least_1(t.panels.n * t.unit) / at_least_1(p.shape.out_channels);
    out << "operations   " << 2 * p.shape.macs() << " (direct count)";
    if (pixel) {
        out << "; the last vector of a row of pixels may be part empty\n";
    } else {
        out << ", " << std::llround(2.0 * static_cast<double>(p.shape.macs()) * real)
            << " at most done: channels of a group fill whole vectors of " << t.lanes << ", taps in a border of zeros are left out\n";
        if (t.always_copied) out << "             the input is read from copies of its parts in the order of channels last\n";
    }
}

void describe_winograd(std::ostream& out, const Problem& p, int whole) {
    const WinogradTiling t = tile_winograd(p, whole);
    const auto axis = [](const AxisTiles& a) {
        const std::int64_t rest = a.outputs % a.whole;
        return std::to_string(a.outputs / a.whole) + " of " + std::to_string(a.whole) + (rest ? " and one of " + std::to_string(rest) : "");
    };
    out << "tiling       outputs of a column in " << axis(t.rows) << ", of a row in " << axis(t.columns) << "; " << t.points()
        << " points\n"
        << "             " << t.blocks << " block(s) of at most " << t.most_tiles() << " tiles, "
        << (t.shared ? "shared by the threads" : "one for each thread") << "; " << p.shape.in_channels << " channels summed in "
        << t.units.parts << " block(s) of at most " << t.units.longest() * t.lanes << ", " << t.chunks.parts << " chunk(s) of at most "
        << t.chunk_width() << " output channels\n"
        << "             weights are transformed "
        << (t.few        ? "in registers"
            : t.prepared ? "once, beside the taps"
                         : "where they are used")
        << "\n";
    const ConvShape& s = p.shape;
    const double real =
        2.0 * static_cast<double>(s.batch * s.groups * s.in_channels) * static_cast<double>(t.panels.n * t.lanes) * t.points_of_map();
    out << "operations   " << 2 * s.macs() << " (direct count), " << std::llround(real) << " done in products of points\n";
}

void describe_error(std::ostream& out, const Problem& p, int whole) {
    const ConvShape& s = p.shape;
    const double u = p.dtype == DType::f32 ? 0x1p-24 : 0x1p-53;
    out << "error        |y - exact| <= " << winograd_bound(whole, s.in_channels, winograd_limits().channels_of_k_block) * u
        << " max|x of the tile| sum|w|, before bias, residual and activation; thousands of times less on ordinary data. Tiles that are not "
           "finite, or in\n"
        << "             which values differ by more than " << winograd_range
        << " times from one receptive field to another, are computed as by gemm\n";
}

}  // namespace

std::string explain(const Problem& p, const Decision& d, const Footprint& footprint) {
    const ConvShape& s = p.shape;
    std::ostringstream out;
    out << "convolution  " << npconv::name_of(p.dtype) << ", " << (p.layout == Layout::channels_last ? "channels last" : "channels first")
        << ", batch " << (p.free_batch ? "any (figures of one image)" : std::to_string(s.batch)) << ", " << s.groups << " group(s) of "
        << s.in_channels << " -> " << s.out_channels << " channels, padding_mode " << name_of(p.border) << "\n";
    const char* names[] = {"depth ", "height", "width "};
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = s.axis[a];
        if (a == 2 || axis.input != 1 || axis.output != 1 || axis.kernel != 1) describe_axis(out, names[a], axis);
    }
    out << "algorithm    " << entry_of(d.algorithm).name << " (asked for: " << d.wanted << "): " << entry_of(d.algorithm).summary << "\n";
    for (const Candidate& c : d.candidates) {
        const AlgorithmEntry& e = entry_of(c.algorithm);
        out << "  " << e.name << std::string(13 - std::string(e.name).size(), ' ');
        if (!c.refusal.empty()) {
            out << "cannot serve: " << c.refusal;
        } else {
            out << "about " << std::llround(c.cycles) << " cycles on one thread";
            if (c.measured_seconds > 0) out << ", measured " << c.measured_seconds * 1e6 << " us";
            if (!e.automatic) out << "; only by name";
        }
        out << "\n";
    }
    const int whole = winograd_whole(d.algorithm);
    if (d.algorithm == Algorithm::naive) {
        out << "operations   " << 2 * s.macs() << "\n";
    } else {
        out << "kernels      " << p.kernels->isa << " (" << p.kernels->description << "), tiles for a core that multiplies "
            << p.core.products_per_cycle(p.kernels->vector_bytes) << " vector(s) a cycle\n";
        if (!whole) describe_gemm(out, p);
        if (whole && !s.empty()) describe_winograd(out, p, whole);
    }
    out << "memory       workspace " << footprint.workspace_bytes << " bytes for at most " << footprint.threads
        << " thread(s), packed weights " << footprint.packed_bytes << " bytes\n";
    if (whole) {
        describe_error(out, p, whole);
        return out.str();
    }
    const bool naive_f32 = d.algorithm == Algorithm::naive && p.dtype == DType::f32;  // summed in double, rounded once
    const double u = naive_f32 || p.dtype == DType::f64 ? 0x1p-53 : 0x1p-24;
    const double mu = static_cast<double>(s.k() + 2) * u;
    out << "error        |y - exact| <= ";
    if (mu < 1) {
        out << mu / (1 - mu) + (naive_f32 ? 0x1p-24 : 0.0) << " (|x|*|w| + |b| + |r|) + " << s.k() << " * "
            << (p.dtype == DType::f32 ? "1.2e-38" : "2.2e-308") << ", before the activation\n";
    } else {
        out << "unbounded: the sum is too long\n";
    }
    return out.str();
}

}  // namespace npconv

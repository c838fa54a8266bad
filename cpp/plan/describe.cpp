// SPDX-License-Identifier: BSD-3-Clause
#include "plan/describe.hpp"

#include <cmath>

namespace npconv {
namespace {

const char* border_name(Border border) {
    switch (border) {
        case Border::zeros: return "zeros";
        case Border::reflect: return "reflect";
        case Border::replicate: return "replicate";
        case Border::circular: return "circular";
    }
    return "";
}

void describe_axis(Text& out, const char* name, const Axis& a) {
    out << "  " << name << "  " << a.input << " -> " << a.output << ", kernel " << a.kernel << ", stride " << a.stride << ", dilation "
        << a.dilation << ", padding (" << a.pad_before << ", " << a.pad_after << ")\n";
}

}  // namespace

std::string count(double n) {
    constexpr double most = 1e15;
    Text out;
    if (n < most) {
        out << std::llround(n);
    } else {
        out << n;
    }
    return out.str();
}

double direct_count(const ConvShape& s) {
    return 2.0 * static_cast<double>(s.batch) * static_cast<double>(s.groups * s.out_channels) * static_cast<double>(s.pixels()) *
           static_cast<double>(s.k());
}

void describe_shape(Text& out, const char* begin, const Problem& p) {
    const ConvShape& s = p.shape;
    out << begin << name_of(p.dtype) << ", " << (p.layout == Layout::channels_last ? "channels last" : "channels first") << ", batch "
        << (p.free_batch ? "any (figures of one image)" : std::to_string(s.batch)) << ", " << s.groups << " group(s) of " << s.in_channels
        << " -> " << s.out_channels << " channels, padding_mode " << border_name(p.border) << "\n";
    describe_axes(out, s.axis);
}

void describe_axes(Text& out, const std::array<Axis, 3>& axes) {
    const char* names[] = {"depth ", "height", "width "};
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = axes[a];
        if (a == 2 || axis.input != 1 || axis.output != 1 || axis.kernel != 1) describe_axis(out, names[a], axis);
    }
}

void describe_bound(Text& out, const char* of, std::int64_t n, DType dtype, double rounded) {
    const double mu = static_cast<double>(n + 2) * (dtype == DType::f64 ? 0x1p-53 : 0x1p-24);
    if (mu < 1) {
        out << of << " <= " << mu / (1 - mu) + rounded << " (|x|*|w| + |b| + |r|) + " << n << " * "
            << (dtype == DType::f32 || rounded > 0 ? "1.2e-38" : "2.2e-308") << ", before the activation\n";
    } else {
        out << of << " unbounded: the sum is too long\n";
    }
}

void describe_memory(Text& out, const Footprint& footprint) {
    out << "memory       workspace " << footprint.workspace_bytes << " bytes for at most " << footprint.threads
        << " thread(s), packed weights " << footprint.packed_bytes << " bytes\n";
}

void describe_kernels(Text& out, const Context& on) {
    out << "kernels      " << on.entries->isa << " (" << on.entries->description << "), tiles for a core that multiplies "
        << on.products_per_cycle() << " vector(s) a cycle\n";
}

}  // namespace npconv

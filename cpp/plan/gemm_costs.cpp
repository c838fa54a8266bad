// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_costs.hpp"

#include <algorithm>
#include <numeric>

#include "core/border.hpp"
#include "core/split.hpp"

namespace npconv {
namespace {

double as_double(std::int64_t n) { return static_cast<double>(n); }

// Cycles that a vector of sums costs beside its multiplications, and a value that is copied; measured on Zen 4, Zen 5 and Granite Rapids
// with maps that are larger than the second-level cache.
struct Costs {
    double stored = 6.0;        // to leave the registers for the output
    double transposed = 16.0;   // to leave through a buffer
    double copied = 0.4;        // a run of values
    double turned = 0.6;        // values that go from channels first to channels last
    double picked = 1.2;        // every n-th value
    double pixel_lanes = 1.02;  // a multiplication with lane = pixel: vectors cross cache lines
    double far_channels = 1.0;  // a multiplication with lane = channel whose input stands on more pages than a core keeps at hand
    double segment = 0.0;       // to begin with another run of neighbouring values, with lane = channel
};

// Two wide products a cycle wait less patiently: where taps shift the vectors of pixels, most of them cross cache lines. Zen 5 does not
// mind that, but translates addresses for channels that are far apart.
Costs costs_of(const ConvShape& s, const Core& core, int vector_bytes) {
    Costs costs;
    if (vector_bytes < 64 || core.wide_products == 1) return costs;
    if (core.far_sighted) {
        costs.far_channels = 1.05;
        costs.transposed = s.flat() ? 8.0 : 12.0;
        costs.segment = 0.5;
    } else if (s.flat()) {
        costs.far_channels = 1.1;
    } else {
        costs.stored = 9.0;
        costs.transposed = 28.0;
        costs.pixel_lanes = 1.25;
        costs.segment = 0.8;
    }
    return costs;
}

constexpr std::int64_t page = 4096, near_pages = 96;  // a core finds so many without looking them up

std::int64_t plane_bytes(const ConvShape& s, std::int64_t element) { return s.axis[0].input * s.axis[1].input * s.axis[2].input * element; }

std::int64_t pages(std::int64_t channels, std::int64_t plane) { return plane >= page ? channels : ceil_div(channels * plane, page); }

double copies(const ConvShape& s, const GemmTiling& t) {
    return copied_values(s, t) * as_double(t.blocks_of_map() * t.chunks.parts * t.k.blocks());
}

// The part of an axis' taps that find their pixel inside the input; of more than can be counted in no time, all.
double part_inside(const Axis& a) {
    constexpr std::int64_t countable = 1024;
    if (a.kernel > countable) return 1.0;
    std::int64_t sum = 0;
    for (std::int64_t t = 0; t < a.kernel; ++t) {
        const Inside pixels = inside(a.at(0, t), a.stride, a.input, 0, a.output);
        sum += pixels.end - pixels.begin;
    }
    return a.kernel * a.output > 0 ? as_double(sum) / (as_double(a.kernel) * as_double(a.output)) : 1.0;
}

// Is the input, read in place, slow to find?
bool far_channels(const ConvShape& s, const GemmTiling& t, const Core& core, std::int64_t element) {
    if (t.flat) return channels_far_apart(s, element);
    if (!core.far_sighted || t.always_copied) return false;
    return pages(s.in_channels, plane_bytes(s, element)) + pages(t.panels.longest() * t.unit, s.pixels() * element) > near_pages;
}

template <class T>
double cycles_with_channel_lanes(const Problem& p, const Kernels<T>& kernels, const GemmTiling& t, const Costs& cost, double k) {
    const ConvShape& s = p.shape;
    const bool last = p.layout == Layout::channels_last;
    const double vectors = as_double(s.pixels()) * as_double(ceil_div(s.out_channels, kernels.lanes));
    const bool merged = last || t.always_copied;  // the taps of a row are neighbours, channels included
    const double segments = as_double(merged ? s.axis[0].kernel * s.axis[1].kernel : s.taps());
    const double leaving = (last ? cost.stored : cost.transposed) + segments * cost.segment;
    // Both meanings of a lane leave out rows in a border of zeros, but only this one leaves out its columns.
    const double left = p.border == Border::zeros ? part_inside(s.axis[2]) : 1.0;
    const double products = k * left * (!last && far_channels(s, t, p.core, sizeof(T)) ? cost.far_channels : 1.0);
    return vectors * (products + leaving) + (t.always_copied ? copies(s, t) * cost.turned : 0.0);
}

template <class T>
double cycles_with_pixel_lanes(const Problem& p, const Kernels<T>& kernels, const GemmTiling& t, const Costs& cost, double k) {
    const ConvShape& s = p.shape;
    const std::int64_t lanes = kernels.lanes;
    const std::int64_t rows = s.axis[0].output * s.axis[1].output;
    const std::int64_t vectors = s.flat() ? ceil_div(s.pixels(), lanes) : rows * ceil_div(s.axis[2].output, lanes);
    const bool in_place = s.flat() && s.pixels() % lanes == 0;
    const double copied = in_place ? 0.0 : copies(s, t) * (s.axis[2].stride == 1 ? cost.copied : cost.picked);
    // A load an FMA: a vector of pixels counts twice, because it may cross cache lines.
    const double channels = as_double(std::min<std::int64_t>(std::max<std::int64_t>(1, s.out_channels), kernels.pixel_mr));
    const double per_product = std::max(cost.pixel_lanes, (2.0 * kernels.pixel_nv + channels) / (channels * kernels.pixel_nv));
    return as_double(vectors) * as_double(s.out_channels) * (k * per_product + cost.stored) + copied;
}

template <class T>
double cycles(const Problem& p, const Kernels<T>& kernels, const GemmTiling& t) {
    const int vector_bytes = kernels.lanes * static_cast<int>(sizeof(T));
    const Costs cost = costs_of(p.shape, p.core, vector_bytes);
    const double k = as_double(p.shape.k()) / p.core.products_per_cycle(vector_bytes);
    return t.lane == Lane::channel ? cycles_with_channel_lanes(p, kernels, t, cost, k) : cycles_with_pixel_lanes(p, kernels, t, cost, k);
}

}  // namespace

bool channels_far_apart(const ConvShape& s, std::int64_t element) { return pages(s.in_channels, plane_bytes(s, element)) > near_pages; }

bool channels_alias(const ConvShape& s, std::int64_t channels, std::int64_t element) {
    constexpr std::int64_t way_bytes = 4096, ways = 12;
    return channels > way_bytes / std::gcd(plane_bytes(s, element), way_bytes) * ways;
}

double copied_values(const ConvShape& s, const GemmTiling& t) {
    const auto pixels = t.longest_block();
    double values = as_double(t.k.channels.longest());
    for (std::size_t i = 0; i < 3; ++i) {
        const Axis& a = s.axis[i];
        const double n = as_double(pixels[i]), taps = as_double(t.k.taps[i].longest());
        values *= std::min((n - 1) * as_double(a.stride) + (taps - 1) * as_double(a.dilation) + 1, n * taps);
    }
    return values;
}

double gemm_cycles(const Problem& p, const GemmTiling& t) {
    if (p.shape.without_products()) return 0.0;
    const double image = p.dtype == DType::f32 ? cycles(p, p.kernels->f32, t) : cycles(p, p.kernels->f64, t);
    return image * as_double(p.shape.groups);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/gemm_costs.hpp"

#include <algorithm>

#include "core/split.hpp"

namespace npconv {
namespace {

double as_double(std::int64_t n) { return static_cast<double>(n); }

// Cycles that a vector of sums costs beside its multiplications, and a value that is copied; measured on Zen 4 and on Granite Rapids with
// maps that are larger than the second-level cache.
struct Costs {
    double stored = 6.0;        // to leave the registers for the output
    double transposed = 16.0;   // to leave through a buffer
    double copied = 0.4;        // a run of values
    double picked = 1.2;        // every n-th value
    double pixel_lanes = 1.02;  // a multiplication with lane = pixel: vectors cross cache lines
    double far_channels = 1.0;  // a multiplication with lane = channel whose input stands on more pages than a core keeps at hand
    double segment = 0.0;       // to begin with another run of neighbouring values, with lane = channel
};

// Two wide products a cycle wait less patiently: where taps shift the vectors of pixels, most of them cross cache lines.
Costs costs_of(const ConvShape& s, const Core& core, int vector_bytes) {
    Costs costs;
    if (vector_bytes < 64 || core.wide_products == 1) return costs;
    if (s.flat()) {
        costs.far_channels = 1.1;
    } else {
        costs.stored = 9.0;
        costs.transposed = 28.0;
        costs.pixel_lanes = 1.25;
        costs.segment = 0.8;
    }
    return costs;
}

template <class T>
double cycles(const Problem& p, const Kernels<T>& kernels, Lane lane) {
    const ConvShape& s = p.shape;
    const int vector_bytes = kernels.lanes * static_cast<int>(sizeof(T));
    const Costs cost = costs_of(s, p.core, vector_bytes);
    const std::int64_t lanes = kernels.lanes;
    const double k = as_double(s.k()) / p.core.products_per_cycle(vector_bytes);
    if (lane == Lane::channel) {
        const bool last = p.layout == Layout::channels_last;
        const bool far = !last && s.flat() && channels_far_apart(s, sizeof(T));
        const double leaving = (last ? cost.stored : cost.transposed) + as_double(s.axis[0].kernel * s.axis[1].kernel) * cost.segment;
        return as_double(s.pixels()) * as_double(ceil_div(s.out_channels, lanes)) * (k * (far ? cost.far_channels : 1.0) + leaving);
    }
    const std::int64_t rows = s.axis[0].output * s.axis[1].output;
    const std::int64_t vectors = s.flat() ? ceil_div(s.pixels(), lanes) : rows * ceil_div(s.axis[2].output, lanes);
    const bool in_place = s.flat() && s.pixels() % lanes == 0;
    const double values = as_double(s.in_channels) * as_double(s.axis[0].input * s.axis[1].input * s.axis[2].input);
    const double copied = in_place ? 0.0 : values * (s.axis[2].stride == 1 ? cost.copied : cost.picked);
    // A load an FMA: a vector of pixels counts twice, because it may cross cache lines.
    const double channels = as_double(std::min<std::int64_t>(std::max<std::int64_t>(1, s.out_channels), kernels.pixel_mr));
    const double per_product = std::max(cost.pixel_lanes, (2.0 * kernels.pixel_nv + channels) / (channels * kernels.pixel_nv));
    return as_double(vectors) * as_double(s.out_channels) * (k * per_product + cost.stored) + copied;
}

}  // namespace

bool channels_far_apart(const ConvShape& s, std::int64_t element) {
    constexpr std::int64_t page = 4096, near_pages = 96;  // a core finds so many without looking them up
    const std::int64_t plane = s.axis[0].input * s.axis[1].input * s.axis[2].input * element;
    return (plane >= page ? s.in_channels : ceil_div(s.in_channels * plane, page)) > near_pages;
}

double gemm_cycles(const Problem& p, Lane lane) {
    const double image = p.dtype == DType::f32 ? cycles(p, p.kernels->f32, lane) : cycles(p, p.kernels->f64, lane);
    return image * as_double(p.shape.groups);
}

}  // namespace npconv

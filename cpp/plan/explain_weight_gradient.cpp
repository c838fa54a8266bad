// SPDX-License-Identifier: BSD-3-Clause
#include "plan/depthwise_gradient_tiling.hpp"
#include "plan/explain.hpp"
#include "plan/weight_gradient_tiling.hpp"

namespace npconv {
namespace {

// The parts of a sum, after what makes the tasks.
void describe_parts(Text& out, std::int64_t tasks, const SpreadSplit& parts) {
    out << "             " << tasks << " task(s)";
    if (parts.parts > 1) out << ": the sum is cut in " << parts.parts << " parts, which are added in order";
    out << "\n";
}

void describe_kernels_of_few_channels(Text& out, const DepthwiseGradientTiling& t) {
    if (t.planes) {
        out << "algorithm    planes: lane = pixel, all taps of a channel at a time, x and the gradient read in place\n"
            << "tiling       blocks of at most " << t.rows << " rows of a plane" << (t.images_together ? ", of all images in one call" : "")
            << "\n";
    } else {
        out << "algorithm    lane = channel: " << t.lanes / t.group << " group(s) of " << t.group << " fill a vector, " << t.taps_of_run
            << " tap(s) of a row share the gradient\n"
            << "tiling       blocks of at most " << t.rows << " rows of a plane; what they meet of x is copied with its border\n";
    }
    describe_parts(out, t.tasks, t.parts);
}

void describe_matrix_product(Text& out, const WeightGradientTiling& t, bool turned) {
    out << "algorithm    a matrix product, summed over pixels"
        << (turned ? "; x and the gradient have changed places, because x has fewer channels to be copied" : "") << "\n"
        << "tiling       register tile " << t.mr << (t.windowed ? " taps and channels" : " channels") << " x " << t.width()
        << " channels of " << (turned ? "x" : "the gradient") << ", of which blocks of at most " << t.pixels_of_block()
        << " pixels are copied\n";
    if (t.windowed) {
        out << "             few channels: what whole rows of outputs meet of x is copied with its border, and taps are rows of a tile\n";
    }
    describe_parts(out, t.tasks, t.parts);
}

}  // namespace

std::string explain_weight_gradient(const WeightGradientExecution& e, const Footprint& footprint) {
    const Problem& p = e.problem;
    const ConvShape& s = p.shape;
    Text out;
    out << "gradient     of a convolution in its weights: for each tap, sums over the pixels of all images\n";
    describe_shape(out, "convolution  ", p);
    if (s.groups * s.out_channels * s.k() == 0 || s.pixels() == 0 || (s.batch == 0 && !p.free_batch)) {
        out << "algorithm    none: there is nothing to be summed\n";
        return out.str();
    }
    describe_kernels(out, *e.on);
    if (e.depthwise) {
        describe_kernels_of_few_channels(out, e.by_depthwise.tiling);
    } else {
        describe_matrix_product(out, e.by_product.tiling, e.turned);
    }
    out << "operations   " << count(direct_count(s)) << " (direct count)\n";
    describe_memory(out, footprint);
    return out.str();
}

}  // namespace npconv

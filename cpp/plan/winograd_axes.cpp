// SPDX-License-Identifier: BSD-3-Clause
#include "plan/winograd_axes.hpp"

namespace npconv {
namespace {

// Expected errors in units of u: 1.55e-6 of float32, a quarter below the promise, because sets of points differ by 15% from what is
// expected, and products that are rounded by 10%; and 1.2e-6, which longer blocks are not worth more than.
constexpr double most_error = 26.0, good_error = 20.5;
constexpr std::int64_t usual_block = 128, least_block = 32;
constexpr WinogradAxis exact_axis{4, 3};
constexpr std::int64_t most_runs = 64, most_taps = 1000;
constexpr double most_products = 1e9;

std::int64_t dilation_of(const Axis& a) { return a.kernel > 1 ? a.dilation : 1; }

// Of a phase of the input.
std::int64_t taps_of(const Axis& a) { return ceil_div(a.kernel, std::min(a.stride, a.kernel)); }

// Transforms of an axis, from the fewest products and the largest error.
enum class Size { large, middle, small };

WinogradAxis transform_of(std::int64_t taps, WinogradTiles tiles, Size size) {
    if (taps == 1) return {1, 1};
    if (tiles == WinogradTiles::two) return exact_axis;
    if (tiles == WinogradTiles::six) return {8, 3};
    const bool large = size == Size::large, small = size == Size::small;
    switch (taps) {
        case 2: return {6, 2};
        case 3: return large ? WinogradAxis{8, 3} : WinogradAxis{6, 3};
        case 4: return small ? WinogradAxis{6, 4} : WinogradAxis{7, 4};
        case 5: return large ? WinogradAxis{8, 5} : small ? WinogradAxis{6, 5} : WinogradAxis{7, 5};
        case 6: return large ? WinogradAxis{9, 6} : small ? WinogradAxis{6, 3} : WinogradAxis{7, 4};
        case 7: return large ? WinogradAxis{9, 7} : small ? WinogradAxis{6, 3} : WinogradAxis{7, 4};
        default: break;
    }
    if (small) return {6, 3};
    const double of_fours = 7.0 / 4.0 * static_cast<double>(ceil_div(taps, 4)),
                 of_fives = 9.0 / 5.0 * static_cast<double>(ceil_div(taps, 5));
    return large && of_fives < of_fours ? WinogradAxis{9, 5} : WinogradAxis{7, 4};  // products for an output
}

// All tiles alike: of such a size that they have the fewest points.
int best_whole(const WinogradAxis& axis, std::int64_t outputs) {
    int best = axis.outputs();
    const auto points = [&](int whole) { return ceil_div(outputs, whole) * (whole + axis.taps - 1); };
    for (int whole = axis.outputs() - 1; whole > 0; --whole) {
        if (points(whole) < points(best)) best = whole;
    }
    return best;
}

AxisTiles cut_axis(const Axis& a, const WinogradAxis& transform) {
    AxisTiles t;
    t.kind = number_of(transform);
    t.whole = transform.outputs();
    t.stride = a.stride;
    t.kernel = a.kernel;
    t.runs = ceil_div(taps_of(a), transform.taps);
    t.phases = dilation_of(a);
    t.length = a.output;
    t.outputs = ceil_div(a.output, t.phases);
    t.alike = t.runs > 1 || t.phases > 1;
    if (t.runs > 1) {
        t.whole = transform.taps;
    } else if (t.alike) {
        t.whole = best_whole(transform, t.outputs);
    }
    return t;
}

using Axes = std::array<AxisTiles, 3>;

// The taps of the depth are summed.
Axes cut_axes(const ConvShape& s, const WinogradAxis& rows, const WinogradAxis& columns) {
    return {cut_axis(s.axis[0], {1, 1}), cut_axis(s.axis[1], rows), cut_axis(s.axis[2], columns)};
}

std::int64_t runs_of(const Axes& axis) { return axis[0].runs * axis[1].runs * axis[2].runs; }

// Summed at a point: channels, for each run of taps and phase of the input.
std::int64_t products_of_point(const ConvShape& s, const std::array<AxisTiles, 3>& axis) {
    std::int64_t products = s.in_channels;
    for (const AxisTiles& a : axis) products *= a.runs * a.input_phases();
    return products;
}

// Is its error within the limit? At least a vector of channels is summed at a time, over all runs of taps.
bool fine(const ConvShape& s, const Axes& axis) {
    constexpr std::int64_t vector = 16;
    const std::int64_t runs = runs_of(axis), block = std::max(least_block, vector * runs);
    return runs <= most_runs && winograd_expected_error(axes_of(axis), products_of_point(s, axis), block) <= most_error;
}

// For an output, on large maps.
double products_of(const Axes& axis) {
    double products = 1.0;
    for (const AxisTiles& a : axis) products *= static_cast<double>(a.points() * a.runs) / a.whole;
    return products;
}

// As large as the error allows along height and width, or along the width alone, where the taps of the height are summed: the fewest
// products. Small ones, if the error of none is within its limit: then there is a reason to refuse.
Axes choose_transforms(const ConvShape& s, WinogradTiles tiles) {
    const std::int64_t height = taps_of(s.axis[1]), width = taps_of(s.axis[2]);
    const auto cut = [&](Size size) { return cut_axes(s, transform_of(height, tiles, size), transform_of(width, tiles, size)); };
    if (tiles != WinogradTiles::accurate) return cut(Size::large);
    Axes best = cut(Size::small);
    bool found = fine(s, best);
    const auto along_width = [&](Size size) { return width > 1 ? cut_axes(s, {1, 1}, transform_of(width, tiles, size)) : best; };
    const Axes others[] = {along_width(Size::middle), along_width(Size::large), cut(Size::middle), cut(Size::large)};
    for (const Axes& other : others) {
        if (!fine(s, other) || (found && products_of(other) >= products_of(best))) continue;
        best = other;
        found = true;
    }
    return best;
}

// Sizes of height and width, for a message.
std::string of_map(const ConvShape& s, std::int64_t Axis::*size) {
    return std::to_string(s.axis[1].*size) + " x " + std::to_string(s.axis[2].*size);
}

}  // namespace

std::string winograd_axes_refusal(const ConvShape& s, WinogradTiles tiles, std::array<AxisTiles, 3>* chosen) {
    const auto here = [&] { return "; here the kernel is " + of_map(s, &Axis::kernel) + " with stride " + of_map(s, &Axis::stride); };
    double products = static_cast<double>(s.in_channels);
    for (std::size_t i = 0; i < 3; ++i) {
        const Axis& a = s.axis[i];
        if (a.stride > 1 && dilation_of(a) > 1) {
            return "no axis may have both a stride and a dilation; here one has stride " + std::to_string(a.stride) + " and dilation " +
                   std::to_string(a.dilation);
        }
        if (dilation_of(a) > 1 && dilation_of(a) >= a.output) {
            return "the dilation must leave several outputs to a phase: be less than the outputs of its axis; here it is " +
                   std::to_string(a.dilation) + " with " + std::to_string(a.output) + " output(s)";
        }
        const std::int64_t taps = taps_of(a);
        if (i > 0 && taps > 1 && tiles != WinogradTiles::accurate && taps != 3)
            return "the kernel must have three taps along height and width, or one (with a stride: of each phase)" + here();
        products *= static_cast<double>(a.kernel);
        if (taps > most_taps) return "the kernel must be smaller: at most " + std::to_string(most_taps) + " taps along an axis";
        if (products > most_products) return "the kernel must be smaller: an output is a sum of too many products";
        if (i == 2 && taps_of(s.axis[1]) == 1 && taps == 1) {
            const bool deep = s.axis[0].kernel > 1;  // else, and of a convolution without stride and padding, its rows would be merged
            return std::string("the kernel must be longer than the stride along height or width (1-D: along the length)") +
                   (deep ? ", or along the depth alone in a convolution without stride and padding along the others" : "") +
                   ", or nothing is saved" + here();
        }
    }
    const Axes axis = choose_winograd_axes(s, tiles);
    if (runs_of(axis) > most_runs) return "the kernel must be smaller: at most " + std::to_string(most_runs) + " runs of taps";
    if (tiles == WinogradTiles::accurate && !fine(s, axis)) return "the error of its sums of products would be too large";
    if (chosen) *chosen = axis;
    return {};
}

bool winograd_by_tiles(const ConvShape& s) {
    constexpr std::int64_t few_channels = 8;
    std::int64_t phases = 1;
    for (const Axis& a : s.axis) phases *= std::min(a.stride, a.kernel);
    return phases > 1 && s.in_channels <= few_channels && dilation_of(s.axis[2]) == 1;
}

std::array<AxisTiles, 3> choose_winograd_axes(const ConvShape& s, WinogradTiles tiles) {
    Axes axis = choose_transforms(s, tiles);
    if (!winograd_by_tiles(s)) return axis;
    for (std::size_t a = 1; a < 3; ++a) {
        if (axis[a].alike) continue;
        axis[a].alike = true;
        axis[a].whole = best_whole(axis[a].axis(), axis[a].outputs);
    }
    return axis;
}

WinogradAxes axes_of(const std::array<AxisTiles, 3>& axis) { return {axis[0].axis(), axis[1].axis(), axis[2].axis()}; }

std::int64_t winograd_block(const WinogradAxes& axes, std::int64_t products, std::int64_t step, std::int64_t most) {
    const auto error = [&](std::int64_t block) { return winograd_expected_error(axes, products, block); };
    // F(2, 3) is there for its small error.
    const bool exact = axes[1] == exact_axis || axes[2] == exact_axis;
    std::int64_t block = std::max(exact ? std::min(most, usual_block) : most, least_block);
    while (block > usual_block && error(block) > good_error) block /= 2;
    while (block > least_block && error(block) > (block < usual_block ? most_error : good_error)) block /= 2;
    return std::max<std::int64_t>(1, std::min(block, most) / step) * step;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/winograd_error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "core/split.hpp"

namespace npconv {
namespace {

double magnitude(long double a) { return std::abs(static_cast<double>(a)); }

template <std::size_t N>
double row_sum(const long double (&row)[N]) {
    double sum = 0.0;
    for (const long double a : row) sum += magnitude(a);
    return sum;
}

template <std::size_t N>
double square_sum(const long double (&row)[N]) {
    double sum = 0.0;
    for (const long double a : row) sum += magnitude(a) * magnitude(a);
    return sum;
}

template <std::size_t N, std::size_t M>
double norm(const long double (&matrix)[N][M]) {
    double most = 0.0;
    for (const auto& row : matrix) most = std::max(most, row_sum(row));
    return most;
}

// The most that an output can be, for inputs of magnitude 1 and weights whose magnitudes sum to 1.
double amplification(const CookToom& t) {
    double most = 0.0;
    for (int k = 0; k < t.outputs; ++k) {
        double sum = 0.0;
        for (int i = 0; i < t.points; ++i) {
            double tap = 0.0;
            for (const long double g : t.g[i]) tap = std::max(tap, magnitude(g));
            sum += magnitude(t.at[k][i]) * row_sum(t.bt[i]) * tap;
        }
        most = std::max(most, sum);
    }
    return most;
}

// The variance of the products that an output is made of, over its own.
double noise(const CookToom& t) {
    double sum = 0.0;
    for (int k = 0; k < t.outputs; ++k) {
        for (int i = 0; i < t.points; ++i) {
            const double at = magnitude(t.at[k][i]);
            sum += at * at * square_sum(t.g[i]) * square_sum(t.bt[i]);
        }
    }
    return sum / (t.outputs * t.taps);
}

struct Figures {
    double growth = 0.0, amplification = 0.0, noise = 0.0;
};

Figures figures_of(WinogradAxis axis) {
    Figures f;
    for (int outputs = 1; outputs <= axis.outputs(); ++outputs) {
        const CookToom t = cook_toom(axis.points, axis.taps, outputs);
        f.growth = std::max(f.growth, norm(t.at) * norm(t.g) * norm(t.bt));
        f.amplification = std::max(f.amplification, amplification(t));
        f.noise = noise(t);  // of whole tiles
    }
    return f;
}

const Figures& figures(WinogradAxis axis) {
    static const auto all = [] {
        std::array<Figures, static_cast<std::size_t>(winograd_axis_count)> f;
        for (std::size_t i = 0; i < f.size(); ++i) f[i] = figures_of(winograd_axes[i]);
        return f;
    }();
    return all[static_cast<std::size_t>(number_of(axis))];
}

}  // namespace

int number_of(WinogradAxis axis) {
    const auto* found = std::find(std::begin(winograd_axes), std::end(winograd_axes), axis);
    if (found == std::end(winograd_axes)) throw std::invalid_argument("no such tile");
    return static_cast<int>(found - winograd_axes);
}

CookToom winograd_matrices(WinogradAxis axis, int outputs) {
    number_of(axis);  // throws, if there is no such axis
    if (outputs < 1 || outputs > axis.outputs()) throw std::invalid_argument("no such tile");
    return cook_toom(axis.points, axis.taps, outputs);
}

double winograd_growth(const WinogradAxes& axes) {
    double growth = 1.0;
    for (const WinogradAxis& a : axes) growth *= figures(a).growth;
    return growth;
}

double winograd_bound(const WinogradAxes& axes, std::int64_t products, std::int64_t block) {
    // Roundings on the way of a value: a row of each matrix, with its rounded coefficients, along each axis; and the sum over channels.
    double rows = 0.0, most = 1.0;
    for (const WinogradAxis& a : axes) {
        if (a.transforms()) rows += (a.points + 2) + (a.taps + 2) + (a.points + 2);
        most *= figures(a).amplification;
    }
    const double sum = static_cast<double>(std::min(products, block) + ceil_div(products, block));
    return most * (rows + sum);
}

double winograd_expected_error(const WinogradAxes& axes, std::int64_t products, std::int64_t block) {
    double noise = 1.0;
    for (const WinogradAxis& a : axes) noise *= figures(a).noise;
    return std::sqrt(noise * (1.4 + 0.1 * static_cast<double>(std::min(products, block) + ceil_div(products, block))));
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "plan/winograd_error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "core/split.hpp"

namespace npconv {
namespace {

template <int Whole>
constexpr std::array<CookToom, static_cast<std::size_t>(most_winograd_outputs)> matrices_of() {
    std::array<CookToom, static_cast<std::size_t>(most_winograd_outputs)> all{};
    all[0] = cook_toom(Whole, 1);
    all[1] = cook_toom(Whole, 2);
    if constexpr (Whole > 2) {
        all[2] = cook_toom(Whole, 3);
        all[3] = cook_toom(Whole, 4);
    }
    if constexpr (Whole > 4) {
        all[4] = cook_toom(Whole, 5);
        all[5] = cook_toom(Whole, 6);
    }
    return all;
}

constexpr auto matrices_f2 = matrices_of<2>(), matrices_f4 = matrices_of<4>(), matrices_f6 = matrices_of<6>();

double magnitude(long double a) { return std::abs(static_cast<double>(a)); }

template <std::size_t N>
double row_sum(const long double (&row)[N]) {
    double sum = 0.0;
    for (const long double a : row) sum += magnitude(a);
    return sum;
}

template <std::size_t N, std::size_t M>
double norm(const long double (&matrix)[N][M]) {
    double most = 0.0;
    for (const auto& row : matrix) most = std::max(most, row_sum(row));
    return most;
}

// Along one axis: the most that an output can be, for inputs of magnitude 1 and weights whose magnitudes sum to 1.
double amplification(const CookToom& t) {
    double most = 0.0;
    for (const auto& row : t.at) {
        double sum = 0.0;
        for (int i = 0; i < t.points; ++i) {
            double tap = 0.0;
            for (const long double g : t.g[i]) tap = std::max(tap, magnitude(g));
            sum += magnitude(row[i]) * row_sum(t.bt[i]) * tap;
        }
        most = std::max(most, sum);
    }
    return most;
}

}  // namespace

CookToom winograd_matrices(int whole, int outputs) {
    if ((whole != 2 && whole != 4 && whole != 6) || outputs < 1 || outputs > whole) throw std::invalid_argument("no such tile");
    return (whole == 2 ? matrices_f2 : whole == 4 ? matrices_f4 : matrices_f6)[static_cast<std::size_t>(outputs - 1)];
}

double winograd_growth(int whole) {
    double most = 0.0;
    for (int outputs = 1; outputs <= whole; ++outputs) {
        const CookToom t = winograd_matrices(whole, outputs);
        most = std::max(most, norm(t.at) * norm(t.g) * norm(t.bt));
    }
    return most * most;
}

double winograd_bound(int whole, std::int64_t in_channels, std::int64_t k_block) {
    // Roundings on the way of a value: a row of each matrix, with its rounded coefficients, along both axes; and the sum over channels.
    const double rows = 2.0 * ((whole + 2 + 2) + (winograd_taps + 2) + (whole + 2 + 2));
    const double sum = static_cast<double>(std::min(in_channels, k_block) + ceil_div(in_channels, k_block));
    double most = 0.0;
    for (int outputs = 1; outputs <= whole; ++outputs) most = std::max(most, amplification(winograd_matrices(whole, outputs)));
    return most * most * (rows + sum);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The matrices of Winograd's convolution F(m, r): y = AT ((G w) * (BT x)) gives m outputs of r taps from m + r - 1 inputs with as many
// multiplications. They come from evaluating polynomials at points and interpolating (Toom 1963, Cook 1966, Winograd 1980); no number is
// typed but the points.
//
// A set of n points is a, -a, b, -b, ... and infinity, with 0 in front if n is even; it serves every m + r - 1 = n. With V(p) =
// (1, p, p^2, ...), P(z) the product of (z - q) over all finite points, P_p(z) = P(z) / (z - p) and N_p = P_p(p):
//
//   AT  column p: V(p);  infinity: (0, ..., 0, 1)
//   G   row    p: V(p) / N_p;  infinity: (0, ..., 0, 1)
//   BT  row    p: the coefficients of P_p;  infinity: of P
//
// A smaller tile uses infinity and the first of the other points, without 0 if the rest are pairs, because pairs share work. Its G is that
// of the whole set, so that transformed weights serve both tiles. BT corrects for that: its row p is multiplied by N_p of the whole set
// over N_p of the tile's own points.
//
// Everything is evaluated in long double, and rounded once by its users. Kernels use the values as constants, so that no kernel object
// contains a copy of these functions (the build would fail).
#pragma once

namespace npconv {

constexpr int most_winograd_taps = 7;  // along an axis, as everything here
constexpr int most_winograd_outputs = 6;
constexpr int most_winograd_points = 9;

// F(m, r) by a set of points: m = points - taps + 1. One point and one tap: no transform.
struct WinogradAxis {
    int points;
    int taps;
    constexpr int outputs() const { return points - taps + 1; }
    constexpr bool transforms() const { return points > 1; }
    constexpr bool operator==(const WinogradAxis&) const = default;
};

// The axes that have kernels.
constexpr WinogradAxis winograd_axes[] = {{1, 1}, {4, 3}, {6, 2}, {6, 3}, {6, 4}, {6, 5}, {7, 4},
                                          {7, 5}, {8, 3}, {8, 5}, {9, 5}, {9, 6}, {9, 7}};
constexpr int winograd_axis_count = sizeof winograd_axes / sizeof winograd_axes[0];

struct CookToom {
    int outputs;
    int taps;
    int points;
    int first;                                // the number of its first point in the whole set; its last point is infinity
    long double point[most_winograd_points];  // the finite points
    bool paired[most_winograd_points];        // the next point is its negative
    long double at[most_winograd_points][most_winograd_points];
    long double g[most_winograd_points][most_winograd_taps];
    long double bt[most_winograd_points][most_winograd_points];
};

namespace cook_toom_detail {

constexpr long double square_root(long double a) {
    long double x = a;
    for (int i = 0; i < 64; ++i) x = (x + a / x) / 2;
    return x;
}

// The pairs a, -a, b, -b, ... Six points: neighbours are twice as large, and squares and products of them are powers of two: half the error
// of 0, 1, -1, 2, -2. Seven and nine: the best of a search over tenths by winograd_expected_error. (Barabasz et al., "Error analysis and
// improving the accuracy of Winograd convolution for deep neural networks", 2020, search for such points; docs/winograd.md has the
// figures.)
constexpr long double pair(int set, int i) {
    if (set == 4) return 1.0L;
    if (set == 6) return i == 0 ? square_root(0.5L) : square_root(2.0L);
    if (set == 7) return i == 0 ? 0.3L : i == 1 ? 0.8L : 1.8L;
    if (set == 9) return i == 0 ? 0.2L : i == 1 ? 0.7L : i == 2 ? 1.1L : 2.2L;
    return i == 0 ? 0.5L : i == 1 ? 2.0L : 1.0L;
}

constexpr bool has_zero(int set) { return set % 2 == 0; }

// Finite point i of a set, in the order in which smaller tiles use them.
constexpr long double finite_point(int set, int i) {
    if (has_zero(set) && i == 0) return 0.0L;
    const int j = has_zero(set) ? i - 1 : i;
    const long double p = pair(set, j / 2);
    return j % 2 == 0 ? p : -p;
}

// N_p for point number i of points first .. first + n - 1.
constexpr long double scale(int set, int first, int n, int i) {
    long double product = 1.0L;
    for (int j = first; j < first + n; ++j) {
        if (j != i) product *= finite_point(set, i) - finite_point(set, j);
    }
    return product;
}

struct Polynomial {
    long double coefficient[most_winograd_points] = {1.0L};
    int degree = 0;

    constexpr void multiply(long double root) {  // by z - root
        coefficient[degree + 1] = coefficient[degree];
        for (int k = degree; k > 0; --k) coefficient[k] = coefficient[k - 1] - root * coefficient[k];
        coefficient[0] *= -root;
        ++degree;
    }
};

}  // namespace cook_toom_detail

// The number in the set of the first point that a tile of `points` points uses.
constexpr int first_point(int set, int points) { return cook_toom_detail::has_zero(set) && points % 2 == 1 ? 1 : 0; }

// The matrices of a tile of `outputs` outputs of `taps` taps, with points of a set.
constexpr CookToom cook_toom(int set, int taps, int outputs) {
    using namespace cook_toom_detail;
    CookToom t{};
    t.outputs = outputs;
    t.taps = taps;
    t.points = outputs + taps - 1;
    t.first = first_point(set, t.points);
    const int finite = t.points - 1;
    for (int i = 0; i < finite; ++i) t.point[i] = finite_point(set, t.first + i);
    for (int i = 0; i + 1 < finite; ++i) t.paired[i] = t.point[i] != 0.0L && t.point[i + 1] == -t.point[i];
    for (int i = 0; i <= finite; ++i) {
        const bool infinite = i == finite;
        const long double p = infinite ? 0.0L : t.point[i];
        const long double own = infinite ? 1.0L : scale(set, t.first, finite, t.first + i);
        const long double all = infinite ? 1.0L : scale(set, 0, set - 1, t.first + i);
        long double power = 1.0L;
        for (int k = 0; k < outputs; ++k, power *= p) t.at[k][i] = infinite ? (k == outputs - 1 ? 1.0L : 0.0L) : power;
        power = 1.0L;
        for (int k = 0; k < taps; ++k, power *= p) t.g[i][k] = infinite ? (k == taps - 1 ? 1.0L : 0.0L) : power / all;
        const int partner = infinite ? -1 : t.paired[i] ? i + 1 : i > 0 && t.paired[i - 1] ? i - 1 : -1;
        Polynomial polynomial;
        for (int j = 0; j < finite; ++j) {
            if (j != i && j != partner) polynomial.multiply(t.point[j]);
        }
        if (partner >= 0) polynomial.multiply(-p);  // last: whole pairs leave exact zeros
        for (int k = 0; k <= polynomial.degree; ++k) t.bt[i][k] = polynomial.coefficient[k] * (all / own);
    }
    return t;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The matrices of Winograd's convolution F(m, 3): y = AT ((G w) * (BT x)) gives m outputs of three taps from m + 2 inputs with m + 2
// multiplications. They come from evaluating polynomials at points and interpolating (Toom 1963, Cook 1966, Winograd 1980); no number is
// typed but the points.
//
// The points of a whole tile are 0, a, -a, b, -b, ... and infinity. With V(p) = (1, p, p^2, ...), P(z) the product of (z - q) over all
// finite points, P_p(z) = P(z) / (z - p) and N_p = P_p(p):
//
//   AT  column p: V(p);  infinity: (0, ..., 0, 1)
//   G   row    p: V(p) / N_p;  infinity: (0, 0, 1)
//   BT  row    p: the coefficients of P_p;  infinity: of P
//
// A smaller tile uses infinity and the first m + 1 of the other points (without 0 if m is odd: pairs share their work). Its G is that of
// the whole tile, so that transformed weights serve both; BT makes up for that, by N_p of the whole tile over N_p of its own.
//
// Everything here is evaluated by the compiler, in the widest type it has, and rounded once by whoever uses it: as constants only, so that
// kernels do not leave a copy of a function in their objects (the build would stop).
#pragma once

namespace npconv {

constexpr int winograd_taps = 3;  // along an axis, as everything here
constexpr int most_winograd_outputs = 6;
constexpr int most_winograd_points = most_winograd_outputs + winograd_taps - 1;

struct CookToom {
    int outputs;                              // m
    int points;                               // m + 2
    int first;                                // the number that its first point has among those of the whole tile; the last is infinity
    long double point[most_winograd_points];  // the finite ones
    long double at[most_winograd_outputs][most_winograd_points];
    long double g[most_winograd_points][winograd_taps];
    long double bt[most_winograd_points][most_winograd_points];
};

namespace cook_toom_detail {

constexpr long double square_root(long double a) {
    long double x = a;
    for (int i = 0; i < 64; ++i) x = (x + a / x) / 2;
    return x;
}

// The pairs a, -a, b, -b, ... F(4, 3): neighbours are twice as large, and squares and products of them are powers of two: half the error
// of 0, 1, -1, 2, -2. (Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution for deep neural networks", 2020,
// search for such points; docs/winograd.md has the figures.)
constexpr long double pair(int outputs, int i) {
    if (outputs == 2) return 1.0L;
    if (outputs == 4) return i == 0 ? square_root(0.5L) : square_root(2.0L);
    return i == 0 ? 0.5L : i == 1 ? 2.0L : 1.0L;
}

// Of a whole tile: 0, a, -a, ...
constexpr long double finite_point(int whole, int i) {
    if (i == 0) return 0.0L;
    const long double p = pair(whole, (i - 1) / 2);
    return i % 2 == 1 ? p : -p;
}

// N_p for point number i of points first .. first + n - 1.
constexpr long double scale(int whole, int first, int n, int i) {
    long double product = 1.0L;
    for (int j = first; j < first + n; ++j) {
        if (j != i) product *= finite_point(whole, i) - finite_point(whole, j);
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

// The tile of `outputs` outputs beside whole ones of `whole`: 2, 4 or 6.
constexpr CookToom cook_toom(int whole, int outputs) {
    using namespace cook_toom_detail;
    CookToom t{};
    t.outputs = outputs;
    t.points = outputs + winograd_taps - 1;
    t.first = outputs % 2;
    const int finite = t.points - 1;
    for (int i = 0; i <= finite; ++i) {
        const int number = t.first + i;
        const bool infinite = i == finite;
        const long double p = infinite ? 0.0L : finite_point(whole, number);
        const long double own = infinite ? 1.0L : scale(whole, t.first, finite, number);
        const long double all = infinite ? 1.0L : scale(whole, 0, whole + 1, number);
        t.point[i] = p;
        long double power = 1.0L;
        for (int k = 0; k < outputs; ++k, power *= p) t.at[k][i] = infinite ? (k == outputs - 1 ? 1.0L : 0.0L) : power;
        power = 1.0L;
        for (int k = 0; k < winograd_taps; ++k, power *= p) t.g[i][k] = infinite ? (k == winograd_taps - 1 ? 1.0L : 0.0L) : power / all;
        const int partner = infinite || number == 0 ? -1 : (number % 2 == 1 ? number + 1 : number - 1) - t.first;
        Polynomial polynomial;
        for (int j = 0; j < finite; ++j) {
            if (j != i && j != partner) polynomial.multiply(finite_point(whole, t.first + j));
        }
        if (partner >= 0) polynomial.multiply(-p);  // last: whole pairs leave exact zeros
        for (int k = 0; k <= polynomial.degree; ++k) t.bt[i][k] = polynomial.coefficient[k] * (all / own);
    }
    return t;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// A transposed convolution along one axis, as phases. It is described by the axis of the convolution whose adjoint it is: axis.output
// elements of x give axis.input elements of y.
//
//   y[o] = sum over t of w[t] * x[i],  where i * s + t * d = o + p        (p: pad_before, what is cut off)
//
// Outputs r, r + s, r + 2 s, ... meet the taps with t * d = r + p modulo s. Let g = gcd(s, d). If g does not divide r + p, there are none.
// Else they are every (s / g)-th tap, beginning with some `first_tap`. In reverse order they are the taps of a convolution of stride 1 and
// dilation d / g.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "core/shape.hpp"

namespace npconv {

struct Phase {
    Axis axis;                     // the convolution; it reads axis.input elements of x,
    std::int64_t first_input = 0;  //   beginning with this one
    std::int64_t taps = 0;         // 0: no tap meets x, and `axis` means nothing
    std::int64_t first_tap = 0, tap_step = 1;

    // The tap of w that is tap j of the convolution.
    std::int64_t tap(std::int64_t j) const { return first_tap + (taps - 1 - j) * tap_step; }
};

// The t in 0 ... modulus - 1 with t * a = b modulo the modulus. a and the modulus must be coprime.
inline std::int64_t quotient_modulo(std::int64_t a, std::int64_t b, std::int64_t modulus) {
    std::int64_t inverse = 0, next = 1, left = modulus, right = a % modulus;  // Euclid's algorithm, extended
    while (right != 0) {
        const std::int64_t q = left / right;
        inverse = std::exchange(next, inverse - q * next);
        left = std::exchange(right, left - q * right);
    }
    if (inverse < 0) inverse += modulus;
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::int64_t>(static_cast<Wide>(inverse) * static_cast<Wide>(b % modulus) % static_cast<Wide>(modulus));
}

// The phase of outputs r, r + stride, ...: `outputs` of them. The last one may lie beyond y.
inline Phase phase_of(const Axis& a, std::int64_t r, std::int64_t outputs) {
    Phase p;
    const std::int64_t g = std::gcd(a.stride, a.dilation), place = r + a.pad_before;
    p.tap_step = a.stride / g;
    if (place % g != 0) return p;
    const std::int64_t t = quotient_modulo(a.dilation / g, place / g, p.tap_step);
    if (t >= a.kernel) return p;
    p.first_tap = t;
    const std::int64_t taps = (a.kernel - 1 - t) / p.tap_step + 1;
    // Tap 0 of the convolution, which is the last tap of w, meets x[begin] for the first output. Its last tap meets x[end - 1] for the last
    // output.
    const std::int64_t start = (place - t * a.dilation) / a.stride, dilation = a.dilation / g;  // exact
    const std::int64_t begin = start - (taps - 1) * dilation, end = start + outputs;
    p.first_input = std::clamp<std::int64_t>(begin, 0, a.output);
    p.axis.input = std::clamp<std::int64_t>(end, p.first_input, a.output) - p.first_input;
    if (p.axis.input == 0) return p;
    p.taps = p.axis.kernel = taps;
    p.axis.dilation = taps > 1 ? dilation : 1;
    p.axis.output = outputs;
    p.axis.pad_before = p.first_input - begin;
    p.axis.pad_after = std::max<std::int64_t>(0, end - p.first_input - p.axis.input);
    return p;
}

}  // namespace npconv

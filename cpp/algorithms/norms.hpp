// SPDX-License-Identifier: BSD-3-Clause
// Powers and roots of norms, with the roundings of the kernels; and norms whose sum of powers overflows or vanishes although the norm
// itself does not.
#pragma once
#include <cmath>
#include <limits>

#include "algorithms/pooling.hpp"

namespace npconv {

inline double raised(double v, double p) {
    return p == 1 ? v : p == 2 ? v * v : p == 3 ? v * (v * v) : p == 4 ? (v * v) * (v * v) : std::pow(v, p);
}
inline double root(double v, double p) { return p == 1 ? v : p == 2 ? std::sqrt(v) : p == 3 ? std::cbrt(v) : std::pow(v, 1 / p); }

// Norms of elements of type X that a sum of powers in float64 may get wrong: infinite norms, and norms below `low`. The sum of the latter
// is below 2^-900, so small that powers in it may have lost digits. (The distance to the smallest double leaves room for any number of
// powers.)
template <class X>
struct NormRange {
    double low;

    explicit NormRange(double p) : low(std::pow(2.0, -900 / p)) {}
    bool doubtful(double norm) const { return norm < low || norm > std::numeric_limits<X>::max(); }
};

// Computes doubtful norms again, from elements divided by the largest magnitude of their window.
void mend_norms(const PoolExecution& execution, const PoolOperands& io, int threads);

}  // namespace npconv

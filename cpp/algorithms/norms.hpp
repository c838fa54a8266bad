// SPDX-License-Identifier: BSD-3-Clause
// Powers and roots of norms, with the roundings of the kernels; and norms whose sum of powers overflows, or vanishes, where they do not.
#pragma once
#include <cmath>
#include <limits>

#include "algorithms/pooling.hpp"

namespace npconv {

inline double raised(double v, double p) {
    return p == 1 ? v : p == 2 ? v * v : p == 3 ? v * (v * v) : p == 4 ? (v * v) * (v * v) : std::pow(v, p);
}
inline double root(double v, double p) { return p == 1 ? v : p == 2 ? std::sqrt(v) : p == 3 ? std::cbrt(v) : std::pow(v, 1 / p); }

// Norms of elements of type X that sums of powers in float64 may not give: infinite ones, and those below `low`, whose sum is so small that
// powers in it have lost digits (it is below 2^-900, which leaves room for any number of them).
template <class X>
struct NormRange {
    double low;

    explicit NormRange(double p) : low(std::pow(2.0, -900 / p)) {}
    bool doubtful(double norm) const { return norm < low || norm > std::numeric_limits<X>::max(); }
};

// Makes doubtful results of a pooling of norms anew, from elements divided by the largest of their window.
void mend_norms(const PoolExecution& execution, const PoolOperands& io, int threads);

}  // namespace npconv

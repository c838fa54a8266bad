// SPDX-License-Identifier: BSD-3-Clause
// max(largest, |v|), NaN if either is.
template <class Vec>
[[gnu::always_inline]] inline typename Vec::V larger_magnitude(typename Vec::V largest, typename Vec::V v) {
    if constexpr (requires { Vec::larger_magnitude(largest, v); }) {
        return Vec::larger_magnitude(largest, v);
    } else {
        return Vec::later(largest, Vec::abs(v));
    }
}

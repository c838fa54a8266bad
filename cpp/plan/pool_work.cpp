// SPDX-License-Identifier: BSD-3-Clause
#include "plan/pool_work.hpp"

#include <algorithm>

#include "core/split.hpp"

namespace npconv {
namespace {

constexpr double seconds = 4e9;  // readings, or additions

// Readings of all windows one by one, to elements.
struct Readings {
    double taps, cells;
    explicit Readings(const PoolShape& s) : taps(as_double(s.planes())), cells(taps) {
        for (const Axis& a : s.axis) taps *= as_double(std::min(a.kernel, ceil_div(a.input, a.dilation))) * as_double(a.output);
        cells *= as_double(std::max(s.inputs(), s.outputs()));
    }
};

}  // namespace

bool too_many_taps(const PoolShape& s) {
    constexpr double several = 16;
    const Readings r(s);
    return r.taps > seconds && r.taps > several * r.cells;
}

bool too_many_taps_apart(const PoolShape& s) {
    constexpr double tenth_of_a_second = 1e6, several = 4;
    const Readings r(s);
    return s.axis[2].dilation > 1 && r.taps > tenth_of_a_second && r.taps > several * r.cells;
}

bool long_rows_apart(const PoolShape& s) {
    const Readings r(s);
    return s.axis[2].kernel >= 64 && r.taps <= 4 * r.cells;
}

bool far_more_one_by_one(const PoolShape& s, std::int64_t doubtful) {
    double taps = as_double(doubtful);
    for (const Axis& a : s.axis) taps *= as_double(std::min(a.kernel, ceil_div(a.input, a.dilation)));
    constexpr double many = 1e8, several = 64;
    return taps > many && taps > several * as_double(s.planes()) * as_double(std::max(s.inputs(), s.outputs()));
}

bool too_many_additions(const PoolShape& s) {
    constexpr double several = 64;
    double additions = 1;
    bool spread = false;
    for (const Axis& a : s.axis) {
        spread |= a.stride != 1;
        additions *= as_double((a.kernel - 1) / a.stride + 1);
    }
    return spread && additions > several && additions * as_double(s.planes() * s.inputs()) > seconds;
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// If neither height nor width of a volume has taps, strides or padding, its pixels form one row for each depth. A convolution along the
// depth alone, as in the temporal half of a (2+1)-D layer, is then one along the height of an image of long rows, which all algorithms
// serve.
#pragma once
#include "core/shape.hpp"
#include "core/types.hpp"

namespace npconv {

inline bool rows_merge(const ConvShape& s) {
    const auto plain = [](const Axis& a) { return a.kernel == 1 && a.stride == 1 && !a.padded(); };
    return s.axis[0].kernel > 1 && plain(s.axis[1]) && plain(s.axis[2]);
}

inline ConvShape with_merged_rows(const ConvShape& s) {
    ConvShape merged = s;
    Axis row;
    row.input = row.output = s.axis[1].output * s.axis[2].output;
    merged.axis = {Axis{}, s.axis[0], row};
    return merged;
}

// Can the rows of a view be merged, because each row begins where the row before it ends? rows, columns: sizes of the tensor, 1 and 1 for
// weights.
template <class T>
bool rows_follow(const TensorView<T>& v, std::int64_t rows, std::int64_t columns) {
    return rows <= 1 || columns <= 1 || v.spatial[1] == columns * v.spatial[2];
}
template <class T>
TensorView<T> with_merged_rows(TensorView<T> v, std::int64_t columns) {
    v.spatial = {0, v.spatial[0], columns > 1 ? v.spatial[2] : v.spatial[1]};
    return v;
}

}  // namespace npconv

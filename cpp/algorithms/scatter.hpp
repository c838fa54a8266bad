// SPDX-License-Identifier: BSD-3-Clause
// By places in planes: the gradient of maxima, unpooling and its gradient. No atomics: each element of y belongs to one task, which adds in
// the order of x. All arrays are dense but for the batch of y.
#pragma once
#include <cstdint>
#include <optional>

#include "algorithms/pooling.hpp"

namespace npconv {

struct PlacedShape {
    std::int64_t batch = 1, channels = 1;
    std::int64_t few = 1;   // elements of a plane that have places
    std::int64_t many = 1;  // elements of the plane where these are
};

// A place below `least` or beyond the plane, if there is one.
std::optional<std::int64_t> bad_place(const PlacedShape& shape, std::int64_t least, const PoolCall& call, const std::int64_t* places);

// y = 0, then y[places] += x, and nothing at place -1. The places are right.
template <class X>
void add_at_places(const PlacedShape& shape, const PoolCall& call, const X* x, const std::int64_t* places, X* y, std::int64_t y_batch);

// y = 0, then y[places] = x.
template <class X>
void put_at_places(const PlacedShape& shape, const PoolCall& call, const X* x, const std::int64_t* places, X* y, std::int64_t y_batch);

// y = x[places]
template <class X>
void take_from_places(const PlacedShape& shape, const PoolCall& call, const X* x, const std::int64_t* places, X* y);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Scatter and gather by places in planes: the gradient of maxima, unpooling and its gradient. No atomics: each element of y belongs to one
// task, which adds in the order of x. Inputs may have any strides. Outputs are dense, except for the batch stride of y.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "algorithms/pooling.hpp"

namespace npconv {

struct PlacedShape {
    std::int64_t batch = 1, channels = 1;
    std::int64_t few = 1;   // elements of a plane that holds places
    std::int64_t many = 1;  // elements of a plane that places point into
    // Depth, height and width of the two planes. Their products are `few` and `many`.
    std::array<std::int64_t, 3> few_sizes{1, 1, 1}, many_sizes{1, 1, 1};
    std::int64_t pixel = 0;  // channels last: elements between pixels of y, if y has more channels than these; else 0

    PlacedShape() = default;
    PlacedShape(std::int64_t images, std::int64_t of_channels, const std::array<std::int64_t, 3>& with_places,
                const std::array<std::int64_t, 3>& of_plane)
        : batch(images),
          channels(of_channels),
          few(with_places[0] * with_places[1] * with_places[2]),
          many(of_plane[0] * of_plane[1] * of_plane[2]),
          few_sizes(with_places),
          many_sizes(of_plane) {}
};

using PlacesView = TensorView<const std::int64_t>;

// A place below `least` or beyond the plane, if any.
std::optional<std::int64_t> bad_place(const PlacedShape& shape, std::int64_t least, const PoolCall& call, const PlacesView& places);

// y = 0, then y[places] += x. Place -1 adds nothing. Places must be valid.
void add_at_places(const PlacedShape& shape, const PoolCall& call, const AnyView& x, const PlacesView& places, void* y,
                   std::int64_t y_batch);

// y = 0, then y[places] = x.
void put_at_places(const PlacedShape& shape, const PoolCall& call, const AnyView& x, const PlacesView& places, void* y,
                   std::int64_t y_batch);

// y = x[places]
void take_from_places(const PlacedShape& shape, const PoolCall& call, const AnyView& x, const PlacesView& places, void* y);

}  // namespace npconv

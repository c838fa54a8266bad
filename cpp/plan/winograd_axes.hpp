// SPDX-License-Identifier: BSD-3-Clause
// Selection of Winograd's transforms for a convolution, axis by axis.
#pragma once
#include <array>
#include <string>

#include "core/shape.hpp"
#include "plan/winograd_axis.hpp"
#include "plan/winograd_error.hpp"

namespace npconv {

// The tiles: the fastest ones within the error that "auto" promises; F(2, 3); or F(6, 3).
enum class WinogradTiles { accurate, two, six };

// Why no transforms serve the shape; empty if some do, and then `*chosen` is set unless `chosen` is null.
std::string winograd_axes_refusal(const ConvShape& shape, WinogradTiles tiles, std::array<AxisTiles, 3>* chosen = nullptr);

// The shape must not be one that is refused.
std::array<AxisTiles, 3> choose_winograd_axes(const ConvShape& shape, WinogradTiles tiles);

// Are there so few channels that vectors hold tiles instead? All tiles are then whole.
bool winograd_by_tiles(const ConvShape& shape);

WinogradAxes axes_of(const std::array<AxisTiles, 3>& axis);

// The number of products at a point that are summed at a time: a multiple of `step`, at least `step`, else at most `most`, and fewer where
// the error bound requires it.
std::int64_t winograd_block(const WinogradAxes& axes, std::int64_t products, std::int64_t step, std::int64_t most);

}  // namespace npconv

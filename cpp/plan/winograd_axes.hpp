// SPDX-License-Identifier: BSD-3-Clause
// Which of Winograd's transforms serve a convolution, axis by axis.
#pragma once
#include <array>
#include <string>

#include "core/shape.hpp"
#include "plan/winograd_axis.hpp"
#include "plan/winograd_error.hpp"

namespace npconv {

// Which tiles: those that are fastest within the error that "auto" promises, or F(2, 3), or F(6, 3).
enum class WinogradTiles { accurate, two, six };

// Why there are none; empty if there are, which `chosen` is then.
std::string winograd_axes_refusal(const ConvShape& shape, WinogradTiles tiles, std::array<AxisTiles, 3>* chosen = nullptr);

// Of a shape that is not refused.
std::array<AxisTiles, 3> choose_winograd_axes(const ConvShape& shape, WinogradTiles tiles);

// Are channels so few that vectors hold tiles instead? Then all tiles are whole.
bool winograd_by_tiles(const ConvShape& shape);

WinogradAxes axes_of(const std::array<AxisTiles, 3>& axis);

// How many products at a point are summed at a time, in steps of so many, and at least one step: at most `most`, and fewer where the error
// asks for it.
std::int64_t winograd_block(const WinogradAxes& axes, std::int64_t products, std::int64_t step, std::int64_t most);

}  // namespace npconv

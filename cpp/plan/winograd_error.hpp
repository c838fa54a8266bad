// SPDX-License-Identifier: BSD-3-Clause
// Rounding errors of Winograd's convolution: bounds and expectations from the matrices of core/cook_toom.hpp.
#pragma once
#include <array>
#include <cstdint>

#include "core/cook_toom.hpp"

namespace npconv {

// The transforms of depth, height and width.
using WinogradAxes = std::array<WinogradAxis, 3>;

// The place of a transform among winograd_axes. std::invalid_argument if it is none of them.
int number_of(WinogradAxis axis);

// The matrices of a tile of `outputs` outputs, which may be smaller than a whole tile. axis: one of winograd_axes.
CookToom winograd_matrices(WinogradAxis axis, int outputs);

// The largest factor by which values can grow from input and weights to an output: the product of the norms (largest row sums of
// magnitudes) of AT, G and BT; the maximum over all sizes of tiles.
double winograd_growth(const WinogradAxes& axes);

// c in |y - exact| <= c u max|x| sum|w| for each output of a tile, to first order in u. The maximum is over the tile's input, the sum over
// all weights of the output's channel. products: number at each point; block: number that is summed at a time. The bound holds for every
// input unless values underflow. On ordinary data, errors are thousands of times smaller.
double winograd_bound(const WinogradAxes& axes, std::int64_t products, std::int64_t block);

// The expected relative error (L2) for normally distributed input and weights, in units of u: the weight of a rounding at a point in an
// output, times the roundings of sums and transforms, which add up as a random walk does. Two coefficients are fitted
// (bench/winograd_error.py compares them with measurements).
double winograd_expected_error(const WinogradAxes& axes, std::int64_t products, std::int64_t block);

}  // namespace npconv

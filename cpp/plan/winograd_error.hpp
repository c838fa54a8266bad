// SPDX-License-Identifier: BSD-3-Clause
// How far rounding goes in Winograd's convolution: bounds and expectations from the matrices of core/cook_toom.hpp.
#pragma once
#include <array>
#include <cstdint>

#include "core/cook_toom.hpp"

namespace npconv {

// Those of the axes of a convolution.
using WinogradAxes = std::array<WinogradAxis, 3>;

// The matrices of a tile of `outputs` outputs beside whole ones; axis: one of winograd_axes.
CookToom winograd_matrices(WinogradAxis axis, int outputs);

// The largest factor by which values can grow from input and weights to an output: norms (largest row sums of magnitudes) of AT, G and BT,
// multiplied; the most of any size of tile.
double winograd_growth(const WinogradAxes& axes);

// c of |y - exact| <= c u max|x| sum|w| for each output of a tile, with the maximum over the tile's input and the sum over all weights of
// the output's channel, first order in u; of so many products at each point, summed in blocks. It holds for every input, underflow aside;
// on ordinary data errors are thousands of times smaller.
double winograd_bound(const WinogradAxes& axes, std::int64_t products, std::int64_t block);

// The relative error (L2) to expect of normally distributed input and weights, in units of u: what a rounding at a point weighs in an
// output, times the roundings of sums and transforms, which add up as a random walk does. The two coefficients are fitted
// (bench/winograd_error.py has figures beside it).
double winograd_expected_error(const WinogradAxes& axes, std::int64_t products, std::int64_t block);

}  // namespace npconv

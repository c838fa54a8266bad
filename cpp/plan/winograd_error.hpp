// SPDX-License-Identifier: BSD-3-Clause
// How far rounding can go in Winograd's convolution: bounds from the matrices of core/cook_toom.hpp.
#pragma once
#include <cstdint>

#include "core/cook_toom.hpp"

namespace npconv {

// The matrices of a tile of `outputs` outputs beside whole ones of `whole`.
CookToom winograd_matrices(int whole, int outputs);

// The largest factor by which values can grow from input and weights to an output: norms (largest row sums of magnitudes) of AT, G and BT,
// multiplied and squared; the most of any size of tile.
double winograd_growth(int whole);

// c of |y - exact| <= c u max|x| sum|w| for each output of a tile, with the maximum over the tile's input and the sum over all weights of
// the output's channel, first order in u. It holds for every input, underflow aside; on ordinary data errors are thousands of times
// smaller.
double winograd_bound(int whole, std::int64_t in_channels, std::int64_t k_block);

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// What Winograd's convolution has to do: products and transforms, those of the weights where they are not prepared; and to prepare them.
#pragma once
#include "plan/context.hpp"
#include "plan/winograd_tiling.hpp"
#include "plan/work.hpp"

namespace npconv {

WorkCounts winograd_work(const Problem& problem, const Context& on, const WinogradTiling& tiling);
// Of a plain call at least, whatever the tiling.
WorkCounts least_winograd_work(const Problem& problem, const Context& on);
WorkCounts winograd_packing_work(const Problem& problem, const Context& on, const WinogradTiling& tiling);

}  // namespace npconv

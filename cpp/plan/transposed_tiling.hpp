// SPDX-License-Identifier: BSD-3-Clause
// Tiling of a transposed convolution. It is described by the convolution whose adjoint it is (`forward`: its output is our x, its input our
// y). It consists of phases (core/phases.hpp), convolutions of stride 1 whose outputs are interleaved in y:
//
//   y[o] with o = m * stride + r - shift is output m of phase r
//
// merged: if the stride divides the kernel and there is no dilation, all phases meet the same inputs, and may be channels of one
// convolution. Each input is then read once, and few channels fill vectors, but maps are one longer if the border cuts a stride.
// apart: each phase is a convolution of its own. With stride 1 there is one phase, which any algorithm may compute.
//
// by_tap: few output channels leave register tiles partly empty. Instead, a 1x1 convolution of a band of rows of x gives the products with
// every tap; it has one output channel for each channel of y and tap. Rows of y are sums of rows of these products. The number of products
// is the same, but there are more sums.
//
// planes: depthwise planes with stride 2 have kernels that compute all phases in registers, for a chunk of channels and a band of rows.
//
//   LOOP 1  tasks: image, group, chunk of panels, block of places m     the parallel dimension
//   LOOP 2    phases                      by the GEMM path or depthwise kernels, into an array that stays in the second-level cache
//   LOOP 3    rows of y                   interleaved from the phases
//
//   by tap:
//   LOOP 1  tasks: image, group, depth, band of rows of y
//   LOOP 2    rows of x that the band meets     products
//   LOOP 3    rows of y                         sums of products, phase by phase, interleaved
//
//   planes:
//   LOOP 1  tasks: image, chunk of channels, band of rows of y
//   LOOP 2    depth                             by a kernel, in place
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/phases.hpp"
#include "plan/context.hpp"
#include "plan/depthwise_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/planner.hpp"
#include "plan/problem.hpp"

namespace npconv {

struct PhasePart {
    Problem problem;             // a convolution of stride 1, without products where no tap meets x
    std::array<Phase, 3> phase;  // the part of x that the phase meets, and its taps; merged: those of the first phase
};

// How phases are computed; see above.
enum class Arrangement { apart, merged, by_tap, planes };

// The phases of a transposed convolution.
struct Phases {
    bool merged = false;
    bool by_tap = false;  // one part: the products of x with all taps
    bool planes = false;  // one part: all taps, for the kernels of transposed planes
    std::array<std::int64_t, 3> stride{1, 1, 1};
    std::array<std::int64_t, 3> count{1, 1, 1};  // phases that have an output
    std::array<std::int64_t, 3> shift{};
    std::array<std::int64_t, 3> map{};  // places m
    std::vector<PhasePart> parts;       // one for each phase, in the order depth, height, width; or a single part

    std::int64_t all() const { return count[0] * count[1] * count[2]; }
};

// Is the transposed convolution a single convolution of stride 1?
bool one_phase(const ConvShape& forward);

// A way to compute several phases.
struct PhaseWay {
    Algorithm algorithm = Algorithm::gemm;  // gemm or depthwise
    Arrangement arrangement = Arrangement::apart;
    double cycles = 0.0;  // estimated, on one thread
};
// The fastest way of an algorithm, or why the algorithm cannot serve.
struct PhaseProspect {
    std::string refusal;
    PhaseWay way;
};
PhaseProspect prospect_of_phases(const Problem& forward, const Context& on, Algorithm algorithm);

// Can the phases be computed in this way?
bool phases_serve(const Problem& forward, const PhaseWay& way);

// The arrangement must be possible. The problems of all parts get the same lane.
Phases phases_of(const Problem& forward, const Context& on, Arrangement arrangement);

struct TransposedTiling {
    std::vector<GemmTiling> parts;           // parts of the GEMM path, or
    std::vector<DepthwiseTiling> depthwise;  //   parts of the depthwise kernels, all channels of a block at once
    std::array<SpreadSplit, 3> blocks;       // places m -> blocks, whose pixels are adjacent
    SpreadSplit chunks;                      // panels of channels -> chunks, the same for all phases
    std::int64_t row = 0;                    // channels first: elements between channels of a block; channels last: between pixels
    std::int64_t part_elements = 0;          // elements of a block of one phase
    std::int64_t block_elements = 0;         // elements of a block of all phases
    std::int64_t turned_row = 0;             // depthwise: elements of a pixel of a block that is transposed or finished afterwards
    std::int64_t turned_elements = 0;
    std::int64_t tasks = 0;
    EvenSplit bands;            // by tap and planes: rows of y -> bands
    std::int64_t sums_row = 0;  // by tap: elements of a row of a phase, in whole vectors

    Box block(std::int64_t i) const;
    std::int64_t blocks_of_map() const { return blocks[0].parts * blocks[1].parts * blocks[2].parts; }
};
TransposedTiling tile_transposed(const Problem& forward, const Context& on, const Phases& phases, Algorithm algorithm);

}  // namespace npconv

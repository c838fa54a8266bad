// SPDX-License-Identifier: BSD-3-Clause
// How a transposed convolution is cut up. It is described by the convolution whose adjoint it is (`forward`: its output is our x, its input
// our y), and made of convolutions of stride 1, its phases (core/phases.hpp), whose outputs stand side by side:
//
//   y[o] with o = m * stride + r - shift is output m of phase r
//
// Where the stride divides the kernel and there is no dilation, all phases meet the same inputs, and may be channels of one convolution:
// each input is read once then, and few channels fill vectors; but maps are one longer, where the border cuts a stride. Else each phase is
// a convolution for itself. With stride 1 there is one phase, which any algorithm may compute.
//
// Few output channels leave register tiles empty. There what each tap makes of x is computed, a 1x1 convolution whose output channels are
// those of y times the taps, for a band of rows, and rows of y are sums of rows of these products: no more products, but more sums.
//
// Depthwise planes with stride 2 have kernels that compute the phases side by side in registers, for a chunk of channels and a band of
// rows.
//
//   LOOP 1  tasks: image, group, chunk of panels, block of places m     the parallel dimension
//   LOOP 2    phases                      by the GEMM path or depthwise kernels, to an array that the second-level cache keeps
//   LOOP 3    rows of y                   put together
//
//   by tap:
//   LOOP 1  tasks: image, group, depth, band of rows of y
//   LOOP 2    rows of x that the band meets     products
//   LOOP 3    rows of y                         sums of them, phase by phase, put together
//
//   planes:
//   LOOP 1  tasks: image, chunk of channels, band of rows of y
//   LOOP 2    depth                             by a kernel, where it stands
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
    std::array<Phase, 3> phase;  // the part of x that it meets, and its taps; of merged phases, of the first one
};

// How they are computed.
enum class Arrangement { apart, merged, by_tap, planes };

// The phases of a transposed convolution.
struct Phases {
    bool merged = false;
    bool by_tap = false;  // one part: the products of x with all taps
    bool planes = false;  // one part: all taps, for the kernels of transposed planes
    std::array<std::int64_t, 3> stride{1, 1, 1};
    std::array<std::int64_t, 3> count{1, 1, 1};  // of phases that have an output
    std::array<std::int64_t, 3> shift{};
    std::array<std::int64_t, 3> map{};  // places m
    std::vector<PhasePart> parts;       // phases in the order depth, height, width, or one part

    std::int64_t all() const { return count[0] * count[1] * count[2]; }
};

// Is it one convolution of stride 1?
bool one_phase(const ConvShape& forward);

// A way to compute several phases.
struct PhaseWay {
    Algorithm algorithm = Algorithm::gemm;  // or depthwise
    Arrangement arrangement = Arrangement::apart;
    double cycles = 0.0;  // estimated, of one thread
};
// The quickest one of an algorithm, or why it cannot serve.
struct PhaseProspect {
    std::string refusal;
    PhaseWay way;
};
PhaseProspect prospect_of_phases(const Problem& forward, const Context& on, Algorithm algorithm);

// Can the phases be computed in this way?
bool phases_serve(const Problem& forward, const PhaseWay& way);

// Of an arrangement that is possible. Their problems have the lane that all share.
Phases phases_of(const Problem& forward, const Context& on, Arrangement arrangement);

struct TransposedTiling {
    std::vector<GemmTiling> parts;           // of the GEMM path, or
    std::vector<DepthwiseTiling> depthwise;  //   of the depthwise kernels, all channels of a block at once
    std::array<SpreadSplit, 3> blocks;       // of the places m; whose pixels are neighbours
    SpreadSplit chunks;                      // of the panels of channels, which are the same for all phases
    std::int64_t row = 0;                    // channels first: elements between channels of a block; channels last: between pixels
    std::int64_t part_elements = 0;          // of a block of a phase
    std::int64_t block_elements = 0;         // of all phases
    std::int64_t turned_row = 0;             // depthwise: of a pixel of a block that is transposed or finished then
    std::int64_t turned_elements = 0;
    std::int64_t tasks = 0;
    EvenSplit bands;            // by tap, and of planes: of the rows of y;
    std::int64_t sums_row = 0;  //   elements of a row of a phase, whole vectors

    Box block(std::int64_t i) const;
    std::int64_t blocks_of_map() const { return blocks[0].parts * blocks[1].parts * blocks[2].parts; }
};
TransposedTiling tile_transposed(const Problem& forward, const Context& on, const Phases& phases, Algorithm algorithm);

}  // namespace npconv

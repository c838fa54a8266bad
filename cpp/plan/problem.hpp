// SPDX-License-Identifier: BSD-3-Clause
// A convolution to compute. Machine, threads and memory addresses are not part of it.
#pragma once
#include "core/shape.hpp"
#include "core/types.hpp"
#include "kernels/output.hpp"

namespace npconv {

struct ActivationSpec {
    Activation kind = Activation::none;
    double a = 0.0;  // clip: low; leaky_relu: slope
    double b = 0.0;  // clip: high
    bool operator==(const ActivationSpec&) const = default;
};

// What a lane of a vector holds in the GEMM path (gemm_tiling.hpp). Results are the same bit by bit, except for the sign of a zero. Packed
// weights differ.
enum class Lane { automatic, channel, pixel };

// A plan packs its weights once. A plain call packs them for itself, and the cost of packing counts.
enum class Packing { once, every_call };

// Winograd's transformed weights are packed beside the taps, or made where they are used. Results are the same bit by bit.
enum class Transformed { automatic, packed, made };

// How weights that are to be shared are already packed. Automatic: they are not packed yet, and the planner chooses.
struct PackedAs {
    Lane lane = Lane::automatic;            // by the GEMM path
    Lane depthwise_lane = Lane::automatic;  // by depthwise kernels (depthwise_tiling.hpp)
    Transformed transformed = Transformed::automatic;

    bool operator==(const PackedAs&) const = default;
};

struct Problem {
    ConvShape shape;
    bool free_batch = false;  // any batch is possible; shape.batch is 1
    bool merged = false;      // the shape is one with merged rows (core/merge.hpp)
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    Border border = Border::zeros;
    bool flip = false;
    ActivationSpec activation;
    Packing packing = Packing::once;
    PackedAs packed_as;
    std::int64_t all_channels = 0;  // output channels of a whole group, if the shape has only a section of them (sections.hpp); else 0

    bool operator==(const Problem&) const = default;
};

}  // namespace npconv

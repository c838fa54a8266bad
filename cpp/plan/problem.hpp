// SPDX-License-Identifier: BSD-3-Clause
// What is to be computed. Neither the machine nor threads nor memory addresses are part of it.
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

// What a lane of a vector holds in the GEMM path (gemm_tiling.hpp). The result is the same, bit by bit but
// for the sign of a zero; the packed weights are not.
enum class Lane { automatic, channel, pixel };

// Weights of a plan are packed once and for all; those of a plain call are packed for it alone, and the cost counts.
enum class Packing { once, every_call };

// Where Winograd's transformed weights come from: packed beside the taps, or made where they are used. The result is the same, bit by bit.
enum class Transformed { automatic, packed, made };

// Given, where weights are packed already and are to be shared: how. Automatic: they are not, and the answer says how they will be.
struct PackedAs {
    Lane lane = Lane::automatic;            // by the GEMM path
    Lane depthwise_lane = Lane::automatic;  // by depthwise kernels (depthwise_tiling.hpp)
    Transformed transformed = Transformed::automatic;

    bool operator==(const PackedAs&) const = default;
};

struct Problem {
    ConvShape shape;
    bool free_batch = false;  // shape.batch is 1 then, and stands for any
    bool merged = false;      // the shape is one with merged rows (core/merge.hpp)
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    Border border = Border::zeros;
    bool flip = false;
    ActivationSpec activation;
    Packing packing = Packing::once;
    PackedAs packed_as;
    std::int64_t all_channels = 0;  // of the output, of a group, if the shape has only a section of them (sections.hpp)

    bool operator==(const Problem&) const = default;
};

}  // namespace npconv

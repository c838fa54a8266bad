// SPDX-License-Identifier: BSD-3-Clause
// Transposed convolution without a plan: of one image in sections of the channels of the result (plan/sections.hpp).
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "algorithms/convolve_once.hpp"
#include "algorithms/transposed.hpp"
#include "algorithms/transposed_weights.hpp"

namespace npconv {
namespace {

std::int64_t bytes_of_weights(const Problem& forward) {
    const ConvShape& f = forward.shape;
    return f.groups * f.out_channels * f.k() * size_of(forward.dtype);
}

// Are the weights so few that they need not be cut, however they are packed? "measure" packs them as a whole for each candidate.
bool certainly_whole(const Problem& forward, const Context& on, const std::string& algorithm, int threads) {
    constexpr std::int64_t most_growth = 32;
    return forward.shape.batch > 1 || algorithm == "measure" || bytes_of_weights(forward) <= room_for_weights(on, threads) / most_growth;
}

Problem forward_of(const Problem& whole, const Section& section) {
    Problem p = whole;
    p.shape.groups = section.groups;
    p.shape.in_channels = section.channels;
    return p;
}

WeightsView weights_of(const Problem& forward, const Section& section, WeightsView weights) {
    const ConvShape& f = forward.shape;
    weights.w.data =
        moved(weights.w.data, section.group * f.out_channels * weights.w.batch + section.channel * weights.w.channel, forward.dtype);
    if (weights.bias) weights.bias = moved(weights.bias, section.first(f.in_channels) * weights.bias_stride, forward.dtype);
    return weights;
}

// io.y: dense, and that of all channels.
Operands operands_of(const Problem& forward, const Section& section, Operands io) {
    const ConvShape& f = forward.shape;
    const std::int64_t first = section.first(f.in_channels), places = f.axis[0].input * f.axis[1].input * f.axis[2].input;
    io.x.data = moved(io.x.data, section.group * f.out_channels * io.x.channel, forward.dtype);
    io.y = moved(io.y, forward.layout == Layout::channels_last ? first : first * places, forward.dtype);
    io.y_channels = f.groups * f.in_channels;
    return io;
}

}  // namespace

// What a plain call needs of a decision beside a plan.
class TransposedCall {
  public:
    TransposedCall(const Problem& forward, const Context& on, const std::string& algorithm) : of_(forward, on, algorithm) {
        if (!convolution()) return;
        Problem p = of_.phases().parts[0].problem;
        of_.way_.algorithm = decide(p, on, algorithm).algorithm;
        of_.forward_.packed_as.lane = p.packed_as.lane = plan_gemm(p, on).problem.packed_as.lane;
        of_.forward_.packed_as.depthwise_lane = p.packed_as.depthwise_lane =
            plan_conv(p, on, of_.way_.algorithm).problem().packed_as.depthwise_lane;
        set_part(p);
    }

    // The same decisions for some channels of the result.
    TransposedCall(const TransposedCall& whole, const Section& section, bool by_definition) : of_(whole.of_) {
        of_.forward_ = forward_of(whole.of_.forward_, section);
        of_.by_definition_ = by_definition;
        if (by_definition) return;
        if (!one_phase(of_.forward_.shape)) {
            of_.set_phases();
            return;
        }
        Problem p = phases_of(of_.forward_, *of_.on_, Arrangement::apart).parts[0].problem;
        p.all_channels = whole.of_.forward_.shape.in_channels;
        set_part(p);
    }

    bool by_definition() const { return of_.by_definition_; }

    // Bytes that packing takes at most, with a copy of the weights of a phase.
    std::int64_t bytes_to_pack() const {
        if (of_.by_definition_) return bytes_of_weights(of_.forward_);
        std::int64_t packed = 0, copy = 0;
        for (const PhasePart& part : of_.phases().parts) {
            const ConvShape& s = part.problem.shape;
            copy = std::max(copy, s.groups * s.out_channels * s.k() * size_of(of_.forward_.dtype));
            if (!of_.phases().planes) packed += packed_bytes(of_.execution_of(part));
        }
        return packed + copy;
    }

    SectionUnit unit() const {
        if (of_.by_definition_ || of_.phases().parts.empty()) return {};
        const PhasePart& part = of_.phases().parts[0];
        const Problem& p = part.problem;
        if (convolution()) return unit_of(of_.execution_of(part));
        if (of_.execution_->gemm.empty()) return {0, 0, std::max<std::int64_t>(1, of_.on_->vector_bytes() / size_of(p.dtype))};
        const std::int64_t panel = unit_of(plan_conv(p, *of_.on_, Algorithm::gemm)).channels;
        const bool several = of_.phases().by_tap || of_.phases().merged;
        return {ceil_div(panel, several ? p.shape.out_channels / of_.forward_.shape.in_channels : 1), 1, 1};
    }

    // Packs weights of a section and runs.
    void run(const WeightsView& weights, const Operands& operands, double largest, int threads) const {
        if (!convolution()) return of_.run(of_.pack({&weights, 1}, threads), operands, threads);
        const PhasePart& part = of_.phases().parts[0];
        const ConvShape& s = part.problem.shape;
        const Buffer taps = weights_of_part(of_.forward_, of_.phases(), part, weights.w);
        Buffer bias;
        if (weights.bias) bias = pack_bias(of_.forward_.dtype, s.groups * s.out_channels, weights);
        Operands io = operands;
        io.x = input_of_part(part, io.x);
        io.bias = weights.bias ? bias.as<const void>() : nullptr;
        pack_and_run(plan_conv(part.problem, *of_.on_, of_.way_.algorithm), view_of_part(s, taps), io, threads, largest);
    }

  private:
    bool convolution() const { return !of_.by_definition_ && one_phase(of_.forward_.shape); }
    void set_part(const Problem& p) {
        PhasesExecution e;
        e.phases = phases_of(of_.forward_, *of_.on_, Arrangement::apart);
        e.phases.parts[0].problem = p;
        of_.execution_ = std::make_shared<const PhasesExecution>(std::move(e));
    }

    PlannedTransposed of_;
};

void transpose_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights,
                    const Operands& operands, int threads) {
    const auto as_a_whole = [&] {
        const Planned<PlannedTransposed> plan = planned_transposed(forward, on, algorithm, weights, threads);
        plan.operation->run(plan.parameters, operands, threads);
    };
    if (certainly_whole(forward, on, algorithm, threads)) return as_a_whole();
    const TransposedCall whole(forward, on, algorithm);
    const ConvShape& f = forward.shape;
    const std::int64_t bytes = whole.bytes_to_pack(), room = room_for_weights(on, threads), channels = f.groups * f.in_channels;
    if (bytes <= room || channels == 0) return as_a_whole();
    const std::vector<Section> sections = cut_channels(f.groups, f.in_channels, ceil_div(bytes, channels), whole.unit(), room);
    if (sections.size() == 1) return as_a_whole();
    const double largest = largest_weight(forward, weights.w, threads);
    const bool by_definition = whole.by_definition() || !std::isfinite(largest);
    for (const Section& section : sections) {
        TransposedCall(whole, section, by_definition)
            .run(weights_of(forward, section, weights), operands_of(forward, section, operands), largest, threads);
    }
}

}  // namespace npconv

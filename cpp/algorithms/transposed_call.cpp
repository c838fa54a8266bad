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

template <class T>
WeightsView<T> weights_of(const ConvShape& f, const Section& section, WeightsView<T> weights) {
    weights.w.data += section.group * f.out_channels * weights.w.batch + section.channel * weights.w.channel;
    if (weights.bias) weights.bias += section.first(f.in_channels) * weights.bias_stride;
    return weights;
}

// io.y: dense, and that of all channels.
template <class T>
Operands<T> operands_of(const Problem& forward, const Section& section, Operands<T> io) {
    const ConvShape& f = forward.shape;
    const std::int64_t first = section.first(f.in_channels), places = f.axis[0].input * f.axis[1].input * f.axis[2].input;
    io.x.data += section.group * f.out_channels * io.x.channel;
    io.y += forward.layout == Layout::channels_last ? first : first * places;
    io.y_channels = f.groups * f.in_channels;
    return io;
}

}  // namespace

std::int64_t TransposedPlan::bytes_to_pack() const {
    if (by_definition_) return bytes_of_weights(forward_);
    std::int64_t packed = 0, copy = 0;
    for (const PhasePart& part : phases().parts) {
        const ConvShape& s = part.problem.shape;
        copy = std::max(copy, s.groups * s.out_channels * s.k() * size_of(forward_.dtype));
        if (phases().planes) continue;
        packed += npconv::packed_bytes(plan_conv(part.problem, *on_, s.in_channels > 0 ? way_.algorithm : Algorithm::gemm));
    }
    return packed + copy;
}

SectionUnit TransposedPlan::unit() const {
    if (by_definition_ || phases().parts.empty()) return {};
    const Problem& p = phases().parts[0].problem;
    if (one_phase(forward_.shape)) return unit_of(plan_conv(p, *on_, way_.algorithm));
    if (way_.algorithm != Algorithm::gemm) return {0, 0, std::max<std::int64_t>(1, on_->vector_bytes() / size_of(p.dtype))};
    const std::int64_t panel = unit_of(plan_conv(p, *on_, Algorithm::gemm)).channels;
    return {ceil_div(panel, phases().by_tap || phases().merged ? p.shape.out_channels / forward_.shape.in_channels : 1), 1, 1};
}

TransposedPlan::TransposedPlan(const TransposedPlan& whole, const Section& section, bool by_definition)
    : forward_(forward_of(whole.forward_, section)),
      on_(whole.on_),
      wanted_(whole.wanted_),
      by_definition_(by_definition),
      way_(whole.way_) {
    if (by_definition_) return;
    if (one_phase(forward_.shape)) {
        execution_.phases = phases_of(forward_, *on_, Arrangement::apart);
        execution_.phases.parts[0].problem.all_channels = whole.forward_.shape.in_channels;
    } else {
        set_phases();
    }
}

template <class T>
void TransposedPlan::run_section(const WeightsView<T>& weights, const Operands<T>& operands, double largest, int threads) const {
    if (by_definition_ || !one_phase(forward_.shape)) return run(forward_.shape, pack(weights, threads), operands, threads);
    const PhasePart& part = phases().parts[0];
    const ConvShape& s = part.problem.shape;
    const Buffer taps = weights_of_part(forward_, phases(), part, weights.w);
    Buffer bias;
    if (weights.bias) bias = pack_bias(s.groups * s.out_channels, weights.bias, weights.bias_stride);
    Operands<T> io = operands;
    io.x = input_of_part(part, io.x);
    io.bias = weights.bias ? bias.as<const T>() : nullptr;
    pack_and_run(plan_conv(part.problem, *on_, way_.algorithm), view_of_part<T>(s, taps), io, threads, largest);
}

template <class T>
void transpose_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                    const Operands<T>& operands, int threads) {
    const auto as_a_whole = [&] {
        const TransposedPlan plan(forward, on, algorithm, weights, threads);
        plan.run(forward.shape, plan.parameters_, operands, threads);
    };
    if (certainly_whole(forward, on, algorithm, threads)) return as_a_whole();
    TransposedPlan whole(forward, on, algorithm);
    const ConvShape& f = forward.shape;
    if (one_phase(f) && !whole.by_definition_) {
        Problem& p = whole.execution_.phases.parts[0].problem;
        whole.way_.algorithm = decide(p, on, algorithm).algorithm;
        whole.forward_.lane = p.lane = plan_gemm(p, on).problem.lane;
        if (whole.way_.algorithm == Algorithm::depthwise) {
            whole.forward_.depthwise_lane = p.depthwise_lane = plan_depthwise(p, on).problem.depthwise_lane;
        }
    }
    const std::int64_t bytes = whole.bytes_to_pack(), room = room_for_weights(on, threads), channels = f.groups * f.in_channels;
    if (bytes <= room || channels == 0) return as_a_whole();
    const std::vector<Section> sections = cut_channels(f.groups, f.in_channels, ceil_div(bytes, channels), whole.unit(), room);
    if (sections.size() == 1) return as_a_whole();
    const double largest = largest_weight(f, weights.w, threads);
    const bool by_definition = whole.by_definition_ || !std::isfinite(largest);
    for (const Section& section : sections) {
        const TransposedPlan plan(whole, section, by_definition);
        plan.run_section(weights_of(f, section, weights), operands_of(forward, section, operands), largest, threads);
    }
}

template void transpose_once(const Problem&, const Context&, const std::string&, const WeightsView<float>&, const Operands<float>&, int);
template void transpose_once(const Problem&, const Context&, const std::string&, const WeightsView<double>&, const Operands<double>&, int);

}  // namespace npconv

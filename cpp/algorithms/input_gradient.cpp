// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/input_gradient.hpp"

#include <algorithm>
#include <utility>

#include "core/border.hpp"
#include "core/parallel.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

constexpr std::int64_t elements_of_strip = 1 << 18;  // at most, unless one place of the input has more channels

// The border of the padded input, in boxes that do not meet.
std::vector<Box> border_boxes(const ConvShape& s) {
    Box inside, whole;
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = s.axis[a];
        inside.begin[a] = axis.pad_before;
        inside.end[a] = axis.pad_before + axis.input;
        // Beyond the last output's taps nothing comes back.
        whole.end[a] = axis.pad_before + axis.input + axis.pad_after;
    }
    std::vector<Box> boxes;
    for (std::size_t a = 0; a < 3; ++a) {  // axes before this one: inside; after it: all
        for (const bool after : {false, true}) {
            Box box = whole;
            for (std::size_t b = 0; b < a; ++b) {
                box.begin[b] = inside.begin[b];
                box.end[b] = inside.end[b];
            }
            (after ? box.begin[a] : box.end[a]) = after ? inside.end[a] : inside.begin[a];
            if (box.pixels() > 0) boxes.push_back(box);
        }
    }
    return boxes;
}

// In pieces of at most so many places.
void cut(const Box& box, std::int64_t most, std::vector<Box>& pieces) {
    if (box.pixels() <= most) {
        pieces.push_back(box);
        return;
    }
    std::size_t longest = 0;
    for (const std::size_t a : {std::size_t{1}, std::size_t{2}}) {
        if (box.length(a) > box.length(longest)) longest = a;
    }
    Box first = box, second = box;
    first.end[longest] = second.begin[longest] = box.begin[longest] + box.length(longest) / 2;
    cut(first, most, pieces);
    cut(second, most, pieces);
}

Problem linear(Problem p) {
    p.activation = {};
    p.border = Border::zeros;
    return p;
}

// The problem whose transposed convolution gives a box of the padded input.
Problem problem_of_box(const Problem& forward, const Box& box) {
    Problem p = linear(forward);
    p.shape.batch = 1;
    p.free_batch = false;
    for (std::size_t a = 0; a < 3; ++a) {
        p.shape.axis[a].input = box.length(a);
        p.shape.axis[a].pad_before = box.begin[a];
        p.shape.axis[a].pad_after = 0;
    }
    return p;
}

}  // namespace

std::int64_t InputGradientParameters::bytes() const {
    std::int64_t sum = inside.bytes();
    for (const TransposedParameters& p : strips) sum += p.bytes();
    return sum;
}

template <class T>
InputGradientPlan::InputGradientPlan(const Problem& forward, const std::string& algorithm, const WeightsView<T>& weights, int threads)
    : forward_(forward), inside_(std::make_unique<TransposedPlan>(linear(forward), algorithm, weights, threads)) {
    parameters_.inside = inside_->parameters();
    if (forward.border == Border::zeros || forward.shape.without_products()) return;
    std::vector<Box> boxes;
    const std::int64_t channels = std::max<std::int64_t>(1, forward.shape.groups * forward.shape.in_channels);
    for (const Box& box : border_boxes(forward.shape)) cut(box, std::max<std::int64_t>(1, elements_of_strip / channels), boxes);
    for (const Box& box : boxes) {
        strips_.push_back({box, std::make_unique<TransposedPlan>(problem_of_box(forward, box), algorithm, weights, threads)});
        parameters_.strips.push_back(strips_.back().plan->parameters());
    }
}

template <class T>
InputGradientParameters InputGradientPlan::pack(const WeightsView<T>& weights, int threads) const {
    InputGradientParameters packed{inside_->pack(weights, threads), {}};
    for (const Strip& strip : strips_) packed.strips.push_back(strip.plan->pack(weights, threads));
    return packed;
}

InputGradientParameters InputGradientPlan::parameters() const {
    const std::lock_guard lock(mutex_);
    return parameters_;
}

void InputGradientPlan::set_parameters(InputGradientParameters parameters) {
    const std::lock_guard lock(mutex_);
    parameters_ = std::move(parameters);
    inside_->set_parameters(parameters_.inside);
    for (std::size_t i = 0; i < strips_.size(); ++i) strips_[i].plan->set_parameters(parameters_.strips[i]);
}

std::int64_t InputGradientPlan::strip_elements() const {
    std::int64_t most = 0;
    for (const Strip& strip : strips_) most = std::max(most, strip.box.pixels() * forward_.shape.groups * forward_.shape.in_channels);
    return most;
}

std::int64_t InputGradientPlan::workspace_bytes(int threads) const {
    if (strips_.empty() || (forward_.shape.batch == 0 && !forward_.free_batch)) return inside_->workspace_bytes(threads);
    std::int64_t of_strips = 0;
    for (const Strip& strip : strips_) of_strips = std::max(of_strips, strip.plan->workspace_bytes(threads));
    return std::max(inside_->workspace_bytes(threads), of_strips + strip_elements() * size_of(forward_.dtype));
}

// What the border got goes to the elements that it repeats; the channels of an element in one task, in the order of the places.
template <class T>
void InputGradientPlan::fold(const ConvShape& s, const Strip& strip, const T* values, std::int64_t image, const Operands<T>& io,
                             int threads) const {
    const std::int64_t channels = s.groups * s.in_channels, pixels = strip.box.pixels();
    const std::int64_t inputs = s.axis[0].input * s.axis[1].input * s.axis[2].input;
    const bool last = forward_.layout == Layout::channels_last;
    const auto source = [&](std::size_t a, std::int64_t place) {
        return border_source(place - s.axis[a].pad_before, s.axis[a].input, forward_.border);
    };
    const EvenSplit blocks = split_by(channels, 16);
    constexpr std::int64_t worth_threads = 1 << 15;
    parallel_for(blocks.parts, channels * pixels < worth_threads ? 1 : threads, [&](std::int64_t block, int) {
        const std::int64_t begin = blocks.begin(block), end = begin + blocks.length(block);
        T* y = io.y + image * io.y_batch;
        std::int64_t i = 0;
        for (std::int64_t d = strip.box.begin[0]; d < strip.box.end[0]; ++d) {
            for (std::int64_t h = strip.box.begin[1]; h < strip.box.end[1]; ++h) {
                const std::int64_t row = (source(0, d) * s.axis[1].input + source(1, h)) * s.axis[2].input;
                for (std::int64_t w = strip.box.begin[2]; w < strip.box.end[2]; ++w, ++i) {
                    const std::int64_t to = row + source(2, w);
                    for (std::int64_t c = begin; c < end; ++c) {
                        (last ? y[to * channels + c] : y[c * inputs + to]) += last ? values[i * channels + c] : values[c * pixels + i];
                    }
                }
            }
        }
    });
}

template <class T>
void InputGradientPlan::run(const ConvShape& shape, const InputGradientParameters& parameters, const Operands<T>& io, int threads) const {
    inside_->run(shape, parameters.inside, io, threads);
    if (strips_.empty() || shape.batch == 0) return;
    const Buffer buffer(static_cast<std::size_t>(strip_elements()) * sizeof(T));
    T* values = buffer.as<T>();
    for (std::size_t i = 0; i < strips_.size(); ++i) {
        for (std::int64_t image = 0; image < shape.batch; ++image) {
            Operands<T> of_strip = io;
            of_strip.x.data += image * io.x.batch;
            of_strip.y = values;
            of_strip.y_batch = 0;
            strips_[i].plan->run(strips_[i].plan->problem().shape, parameters.strips[i], of_strip, threads);
            fold(shape, strips_[i], values, image, io, threads);
        }
    }
}

std::string InputGradientPlan::explain(int threads) const {
    std::string text =
        "gradient     of a convolution in its input: the transposed convolution with the same weights\n" + inside_->explain(threads);
    if (!strips_.empty()) {
        text += "border       " + std::to_string(strips_.size()) +
                " strip(s) of the padded input are computed for themselves, and added to the elements that they repeat\n";
    }
    return text;
}

template InputGradientPlan::InputGradientPlan(const Problem&, const std::string&, const WeightsView<float>&, int);
template InputGradientPlan::InputGradientPlan(const Problem&, const std::string&, const WeightsView<double>&, int);
template InputGradientParameters InputGradientPlan::pack(const WeightsView<float>&, int) const;
template InputGradientParameters InputGradientPlan::pack(const WeightsView<double>&, int) const;
template void InputGradientPlan::run(const ConvShape&, const InputGradientParameters&, const Operands<float>&, int) const;
template void InputGradientPlan::run(const ConvShape&, const InputGradientParameters&, const Operands<double>&, int) const;

}  // namespace npconv

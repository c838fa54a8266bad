// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/input_gradient.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/planner.hpp"
#include "plan/transposed_tiling.hpp"

namespace npconv {
namespace {

constexpr std::int64_t elements_of_strip = 1 << 19;  // at most, unless one place of the input has more channels

// Is the border so large that most of it meets no output, or that it would be cut in very many strips? Then the gradient is computed
// product by product.
bool huge_border(const ConvShape& s) {
    constexpr double most_places = 1 << 24, most_strips = 4096;
    double padded = 1.0, inputs = 1.0;
    for (const Axis& a : s.axis) {
        padded *= as_double(a.input) + as_double(a.pad_before) + as_double(a.pad_after);
        inputs *= as_double(a.input);
    }
    const double places = padded - inputs, channels = as_double(std::max<std::int64_t>(1, s.groups * s.in_channels));
    return places > most_places || places * channels > most_strips * as_double(elements_of_strip);
}

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

// A plan with the same weights, where they can be shared.
std::unique_ptr<TransposedPlan> shared(const TransposedPlan& plan, const ConvShape& shape) {
    try {
        return std::make_unique<TransposedPlan>(plan, shape, false);
    } catch (const std::invalid_argument&) {
        return nullptr;
    }
}

// The plan of a strip that needs weights of its own. A strip may be too narrow for the algorithm that serves the inside: then the matrix
// product does, or whatever puts phases together, none of which is Winograd's.
template <class T>
std::unique_ptr<TransposedPlan> plan_of_strip(const Problem& p, const Context& on, const std::string& algorithm,
                                              const WeightsView<T>& weights, int threads) {
    try {
        return std::make_unique<TransposedPlan>(p, on, algorithm, weights, threads);
    } catch (const std::invalid_argument&) {
        return std::make_unique<TransposedPlan>(p, on, one_phase(p.shape) ? "gemm" : "auto", weights, threads);
    }
}

// Does the border give its gradient back to elements that it repeats?
bool repeats(const Problem& forward) {
    return forward.border != Border::zeros && forward.shape.padded() && !forward.shape.without_products();
}

Problem with_shape(Problem p, const ConvShape& shape) {
    p.shape = shape;
    p.free_batch = false;
    return p;
}

}  // namespace

std::int64_t InputGradientParameters::bytes() const {
    std::int64_t sum = inside.bytes();
    for (const TransposedParameters& p : strips) sum += p.bytes();
    return sum;
}

template <class T>
InputGradientPlan::InputGradientPlan(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                                     int threads)
    : forward_(forward), on_(&on) {
    const bool border = repeats(forward);
    by_product_ = border && huge_border(forward.shape);
    expect_algorithm(algorithm);
    inside_ = std::make_unique<TransposedPlan>(linear(forward), on, by_product_ ? "naive" : algorithm, weights, threads);
    parameters_.inside = inside_->parameters();
    if (!border || by_product_) return;
    // What is measured is measured once: a plan that is made by the name of what was chosen computes the same.
    const std::string of_strips = algorithm == "measure" ? inside_->algorithm() : algorithm;
    std::vector<Box> boxes;
    const std::int64_t channels = std::max<std::int64_t>(1, forward.shape.groups * forward.shape.in_channels);
    for (const Box& box : border_boxes(forward.shape)) cut(box, std::max<std::int64_t>(1, elements_of_strip / channels), boxes);
    for (const Box& box : boxes) {
        const Problem p = problem_of_box(forward, box);
        std::unique_ptr<TransposedPlan> plan = shared(*inside_, p.shape);
        const bool own = !plan;
        if (own) plan = plan_of_strip(p, on, of_strips, weights, threads);
        if (own) parameters_.strips.push_back(plan->parameters());
        strips_.push_back({box, std::move(plan), own});
    }
}

template <class T>
InputGradientParameters InputGradientPlan::pack(const WeightsView<T>& weights, int threads) const {
    InputGradientParameters packed{inside_->pack(weights, threads), {}};
    for (const Strip& strip : strips_) {
        if (strip.own_weights) packed.strips.push_back(strip.plan->pack(weights, threads));
    }
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
    std::size_t own = 0;
    for (const Strip& strip : strips_) strip.plan->set_parameters(strip.own_weights ? parameters_.strips[own++] : parameters_.inside);
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
    if (by_product_) {
        Operands<T> definition = io;
        definition.w = parameters.inside.definition->as<const T>();
        count_naive_run();
        run_naive_input_gradient(with_shape(forward_, shape), *on_, definition, threads);
        return;
    }
    inside_->run(shape, parameters.inside, io, threads);
    if (strips_.empty() || shape.batch == 0) return;
    const Buffer buffer(static_cast<std::size_t>(strip_elements()) * sizeof(T));
    T* values = buffer.as<T>();
    std::size_t own = 0;
    for (const Strip& strip : strips_) {
        const TransposedParameters& packed = strip.own_weights ? parameters.strips[own++] : parameters.inside;
        for (std::int64_t image = 0; image < shape.batch && !call_stopped(); ++image) {
            Operands<T> of_strip = io;
            of_strip.x.data += image * io.x.batch;
            of_strip.y = values;
            of_strip.y_batch = 0;
            strip.plan->run(strip.plan->problem().shape, packed, of_strip, threads);
            fold(shape, strip, values, image, io, threads);
        }
    }
}

std::string InputGradientPlan::explain(int threads) const {
    std::string text =
        "gradient     of a convolution in its input: the transposed convolution with the same weights\n" + inside_->explain(threads);
    if (by_product_) text += "border       so large that most of it meets no output: product by product\n";
    if (!strips_.empty()) {
        text += "border       " + std::to_string(strips_.size()) +
                " strip(s) of the padded input are computed for themselves, and added to the elements that they repeat\n";
    }
    return text;
}

template <class T>
void input_gradient_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                         const Operands<T>& io, int threads) {
    if (!repeats(forward)) return transpose_once(linear(forward), on, algorithm, weights, io, threads);
    const InputGradientPlan plan(forward, on, algorithm, weights, threads);
    plan.run(forward.shape, plan.parameters(), io, threads);
}

template void input_gradient_once(const Problem&, const Context&, const std::string&, const WeightsView<float>&, const Operands<float>&,
                                  int);
template void input_gradient_once(const Problem&, const Context&, const std::string&, const WeightsView<double>&, const Operands<double>&,
                                  int);
template InputGradientPlan::InputGradientPlan(const Problem&, const Context&, const std::string&, const WeightsView<float>&, int);
template InputGradientPlan::InputGradientPlan(const Problem&, const Context&, const std::string&, const WeightsView<double>&, int);
template InputGradientParameters InputGradientPlan::pack(const WeightsView<float>&, int) const;
template InputGradientParameters InputGradientPlan::pack(const WeightsView<double>&, int) const;
template void InputGradientPlan::run(const ConvShape&, const InputGradientParameters&, const Operands<float>&, int) const;
template void InputGradientPlan::run(const ConvShape&, const InputGradientParameters&, const Operands<double>&, int) const;

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/input_gradient.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/transposed.hpp"
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

// Cuts the box into pieces of at most `most` places.
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
std::shared_ptr<const PlannedTransposed> shared(const PlannedTransposed& plan, const ConvShape& shape) {
    try {
        return plan.for_shape(shape, false);
    } catch (const std::invalid_argument&) {
        return nullptr;
    }
}

// The plan of a strip that needs weights of its own. A strip may be too narrow for the algorithm that serves the inside: then the matrix
// product does, or whatever puts phases together, none of which is Winograd's.
Planned<PlannedTransposed> plan_of_strip(const Problem& p, const Context& on, const std::string& algorithm, const WeightsView& weights,
                                         int threads) {
    try {
        return planned_transposed(p, on, algorithm, weights, threads);
    } catch (const std::invalid_argument&) {
        return planned_transposed(p, on, one_phase(p.shape) ? "gemm" : "auto", weights, threads);
    }
}

// Does the border give its gradient back to elements that it repeats?
bool repeats(const Problem& forward) {
    return forward.border != Border::zeros && forward.shape.padded() && !forward.shape.without_products();
}

// What the border got goes to the elements that it repeats; the channels of an element in one task, in the order of the places.
template <class T>
void fold(const Problem& forward, const Box& strip, const T* values, T* y, int threads) {
    const ConvShape& s = forward.shape;
    const std::int64_t channels = s.groups * s.in_channels, pixels = strip.pixels();
    const std::int64_t inputs = s.axis[0].input * s.axis[1].input * s.axis[2].input;
    const bool last = forward.layout == Layout::channels_last;
    const auto source = [&](std::size_t a, std::int64_t place) {
        return border_source(place - s.axis[a].pad_before, s.axis[a].input, forward.border);
    };
    const EvenSplit blocks = split_by(channels, 16);
    parallel_for(blocks.parts, threads_for(channels * pixels, threads), [&](std::int64_t block, int) {
        const std::int64_t begin = blocks.begin(block), end = begin + blocks.length(block);
        std::int64_t i = 0;
        for (std::int64_t d = strip.begin[0]; d < strip.end[0]; ++d) {
            for (std::int64_t h = strip.begin[1]; h < strip.end[1]; ++h) {
                const std::int64_t row = (source(0, d) * s.axis[1].input + source(1, h)) * s.axis[2].input;
                for (std::int64_t w = strip.begin[2]; w < strip.end[2]; ++w, ++i) {
                    const std::int64_t to = row + source(2, w);
                    for (std::int64_t c = begin; c < end; ++c) {
                        (last ? y[to * channels + c] : y[c * inputs + to]) += last ? values[i * channels + c] : values[c * pixels + i];
                    }
                }
            }
        }
    });
}

class PlannedInputGradient final : public PlannedOperation {
  public:
    // Packs what it plans.
    PlannedInputGradient(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights, int threads,
                         Parameters& packed)
        : forward_(forward), on_(&on) {
        const bool border = repeats(forward);
        by_product_ = border && huge_border(forward.shape);
        expect_algorithm(algorithm);
        Planned<PlannedTransposed> inside = planned_transposed(linear(forward), on, by_product_ ? "naive" : algorithm, weights, threads);
        inside_ = std::move(inside.operation);
        packed.parts.push_back(std::move(inside.parameters));
        if (!border || by_product_) return;
        // What is measured is measured once: a plan that is made by the name of what was chosen computes the same.
        const std::string of_strips = algorithm == "measure" ? inside_->algorithm() : algorithm;
        std::vector<Box> boxes;
        const std::int64_t channels = std::max<std::int64_t>(1, forward.shape.groups * forward.shape.in_channels);
        for (const Box& box : border_boxes(forward.shape)) cut(box, std::max<std::int64_t>(1, elements_of_strip / channels), boxes);
        for (const Box& box : boxes) {
            const Problem p = problem_of_box(forward, box);
            if (auto same = shared(*inside_, p.shape)) {
                strips_.push_back({box, std::move(same), 0});
                continue;
            }
            Planned<PlannedTransposed> own = plan_of_strip(p, on, of_strips, weights, threads);
            strips_.push_back({box, std::move(own.operation), packed.parts.size()});
            packed.parts.push_back(std::move(own.parameters));
        }
    }

    Parameters pack(std::span<const WeightsView> weights, int threads) const override {
        Parameters packed;
        packed.parts.push_back(inside_->pack(weights, threads));
        for (const Strip& strip : strips_) {
            if (strip.part > 0) packed.parts.push_back(strip.plan->pack(weights, threads));
        }
        return packed;
    }

    void run(const Parameters& parameters, const Operands& io, int threads) const override {
        if (by_product_) {
            count_naive_run();
            return run_naive_input_gradient(forward_, *on_, with_parameters(io, parameters.parts[0]), threads);
        }
        inside_->run(parameters.parts[0], io, threads);
        if (strips_.empty() || forward_.shape.batch == 0) return;
        const Buffer values(static_cast<std::size_t>(bytes_of_strip()));
        for (const Strip& strip : strips_) {
            for (std::int64_t image = 0; image < forward_.shape.batch && !call_stopped(); ++image) {
                Operands of_strip = io;
                of_strip.x.data = moved(io.x.data, image * io.x.batch, forward_.dtype);
                of_strip.y = values.as<void>();
                of_strip.y_batch = 0;
                strip.plan->run(parameters.parts[strip.part], of_strip, threads);
                with_real(forward_.dtype, [&](auto zero) {
                    using T = decltype(zero);
                    fold(forward_, strip.box, values.as<const T>(), static_cast<T*>(io.y) + image * io.y_batch, threads);
                });
            }
        }
    }

    std::int64_t workspace_bytes(const Parameters& parameters, int threads) const override {
        const std::int64_t inside = inside_->workspace_bytes(parameters.parts[0], threads);
        if (strips_.empty() || (forward_.shape.batch == 0 && !forward_.free_batch)) return inside;
        std::int64_t of_strips = 0;
        for (const Strip& strip : strips_) {
            of_strips = std::max(of_strips, strip.plan->workspace_bytes(parameters.parts[strip.part], threads));
        }
        return std::max(inside, of_strips + bytes_of_strip());
    }

    std::string algorithm() const override { return inside_->algorithm(); }

    std::string explain(const Parameters& parameters, int threads) const override {
        std::string text = "gradient     of a convolution in its input: the transposed convolution with the same weights\n" +
                           inside_->explain(parameters.parts[0], threads);
        if (by_product_) text += "border       so large that most of it meets no output: product by product\n";
        if (!strips_.empty()) {
            text += "border       " + std::to_string(strips_.size()) +
                    " strip(s) of the padded input are computed for themselves, and added to the elements that they repeat\n";
        }
        return text;
    }

    bool serves(std::int64_t batch, int) const override { return !forward_.free_batch && batch == forward_.shape.batch; }
    std::shared_ptr<const PlannedOperation> for_call(std::int64_t batch, int) const override {
        auto other = std::make_shared<PlannedInputGradient>(*this);
        other->forward_.shape.batch = batch;
        other->forward_.free_batch = false;
        other->inside_ = inside_->for_batch(batch);
        return other;
    }

  private:
    struct Strip {
        Box box;  // of the padded input
        std::shared_ptr<const PlannedTransposed> plan;
        std::size_t part;  // of the parameters: 0, those of the inside, or its own
    };
    std::int64_t bytes_of_strip() const {
        std::int64_t most = 0;
        for (const Strip& strip : strips_) most = std::max(most, strip.box.pixels());
        return most * forward_.shape.groups * forward_.shape.in_channels * size_of(forward_.dtype);
    }

    Problem forward_;
    const Context* on_;
    bool by_product_ = false;
    std::shared_ptr<const PlannedTransposed> inside_;
    std::vector<Strip> strips_;
};

}  // namespace

Planned<PlannedOperation> planned_input_gradient(const Problem& forward, const Context& on, const std::string& algorithm,
                                                 const WeightsView& weights, int threads) {
    Parameters packed;
    auto operation = std::make_shared<const PlannedInputGradient>(forward, on, algorithm, weights, threads, packed);
    return {std::move(operation), std::move(packed)};
}

void input_gradient_once(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView& weights,
                         const Operands& io, int threads) {
    if (!repeats(forward)) return transpose_once(linear(forward), on, algorithm, weights, io, threads);
    const Planned<PlannedOperation> plan = planned_input_gradient(forward, on, algorithm, weights, threads);
    plan.operation->run(plan.parameters, io, threads);
}

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/transposed.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "algorithms/depthwise.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/naive.hpp"
#include "algorithms/phase_assembly.hpp"
#include "algorithms/tap_sums.hpp"
#include "algorithms/transposed_planes.hpp"
#include "algorithms/transposed_weights.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "plan/explain.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { block, turned, listed, slots };
using BlockWorkspace = Workspace<slots>;

bool empty(const ConvShape& forward) {
    return forward.batch == 0 || forward.groups * forward.in_channels == 0 || forward.axis[0].input == 0 || forward.axis[1].input == 0 ||
           forward.axis[2].input == 0;
}

BlockWorkspace::Sizes sizes(const Problem& forward, const TransposedTiling& t) {
    const std::int64_t rows = t.sums_row > 0 ? TapSums<double>::most_rows(forward.shape) : 0;
    return {t.block_elements * size_of(forward.dtype), t.turned_elements * size_of(forward.dtype),
            rows * static_cast<std::int64_t>(sizeof(ShiftedRow<double>))};
}

std::int64_t bytes_of_thread(const PhasesExecution& e) {
    std::int64_t bytes = BlockWorkspace::bytes_per_thread(sizes(e.forward, e.tiling));
    if (!e.gemm.empty()) bytes += gemm_parts_bytes(e.gemm);
    for (const DepthwiseExecution& part : e.depthwise) {
        if (part.problem.shape.in_channels > 0) bytes += depthwise_blocks_bytes(part);
    }
    return bytes;
}

template <class T>
const T* bias_of(const TransposedParameters& parameters) {
    return parameters.bias_of_parts ? parameters.bias_of_parts->as<const T>() : nullptr;
}

// Of each phase, or of all taps, what the GEMM path computes from.
template <class T>
std::vector<Operands<T>> operands_of_parts(const PhasesExecution& e, const TransposedParameters& parameters, const Operands<T>& io) {
    std::vector<Operands<T>> parts;
    for (std::size_t i = 0; i < e.phases.parts.size(); ++i) {
        Operands<T> operands = with_parameters(io, parameters.parts[i]);
        operands.x = input_of_part(e.phases.parts[i], io.x);
        operands.bias = e.phases.by_tap ? nullptr : bias_of<T>(parameters);
        parts.push_back(operands);
    }
    return parts;
}

template <class T>
class ByTap {
  public:
    ByTap(const PhasesExecution& e, const TransposedParameters& parameters, const Operands<T>& io, int slots_used)
        : f_(e.forward.shape),
          t_(e.tiling),
          products_(e.gemm, operands_of_parts(e, parameters, io), slots_used),
          sums_(e, bias_of<T>(parameters), io.y, io.y_batch) {}

    // Tasks are in the order image, group, depth, band.
    void task(std::int64_t index, const BlockWorkspace& workspace, int thread) const {
        const auto band = sums_.band(index % t_.bands.parts);
        index /= t_.bands.parts;
        const std::int64_t depth = index % f_.axis[0].input, group = index / f_.axis[0].input % f_.groups,
                           image = index / f_.axis[0].input / f_.groups;
        T* values = workspace.template get<T>(thread, block);
        if (band.last > band.first) {
            const Box rows{{depth, band.first, 0}, {depth + 1, band.last, f_.axis[2].output}};
            products_.compute(0, rows, image, group, 0, t_.parts[0].panels.parts, {values, t_.row}, thread);
        }
        sums_.store(values, band, image, group, depth, workspace.template get<ShiftedRow<T>>(thread, listed));
    }

  private:
    const ConvShape& f_;
    const TransposedTiling& t_;
    const GemmParts<T> products_;
    const TapSums<T> sums_;
};

// The phases of one image, by the GEMM path.
template <class T>
class GemmPhases {
  public:
    GemmPhases(const PhasesExecution& e, const TransposedParameters& parameters, const Operands<T>& io, int slots)
        : phases_(e.phases), t_(e.tiling), parts_(e.gemm, operands_of_parts(e, parameters, io), slots) {}

    // Tasks are in the order image, group, chunk, block.
    void task(std::int64_t index, const BlockWorkspace& workspace, const Assembly<T>& assembly, int thread) const {
        const ConvShape& s = phases_.parts[0].problem.shape;
        const Box places = t_.block(index % t_.blocks_of_map());
        index /= t_.blocks_of_map();
        const std::int64_t chunk = index % t_.chunks.parts, group = index / t_.chunks.parts % s.groups,
                           image = index / t_.chunks.parts / s.groups;
        const GemmTiling& tiling = t_.parts[0];
        const std::int64_t first = t_.chunks.begin(chunk), panels = t_.chunks.length(chunk);
        const std::int64_t begin = tiling.panels.begin(first) * tiling.unit,
                           end = std::min(tiling.panels.begin(first + panels) * tiling.unit, s.out_channels);
        T* values = workspace.template get<T>(thread, block);
        for (std::size_t i = 0; i < phases_.parts.size(); ++i) {
            const BlockOf<T> to{values + static_cast<std::int64_t>(i) * t_.part_elements, t_.row};
            parts_.compute(i, places, image, group, first, panels, to, thread);
        }
        assembly.store(values, places, image, group, begin, end);
    }

  private:
    const Phases& phases_;
    const TransposedTiling& t_;
    const GemmParts<T> parts_;
};

// The same by depthwise kernels, all channels at once.
template <class T>
class DepthwisePhases {
  public:
    DepthwisePhases(const PhasesExecution& e, const TransposedParameters& parameters, const Operands<T>& io, int slots)
        : forward_(e.forward),
          t_(e.tiling),
          kernels_(kernels_of<T>(*e.on->kernels)),
          channels_(e.forward.shape.groups * e.forward.shape.in_channels) {
        for (std::size_t i = 0; i < e.phases.parts.size(); ++i) {
            const PhasePart& part = e.phases.parts[i];
            Operands<T> operands = with_parameters(io, parameters.parts[i]);
            bias_ = operands.bias = bias_of<T>(parameters);
            operands.x = input_of_part(part, io.x);
            operands.y = nullptr;
            operands.residual = {};
            const bool any = part.problem.shape.in_channels > 0;
            parts_.push_back(any ? std::make_unique<DepthwiseBlocks<T>>(e.depthwise[i], operands, slots) : nullptr);
        }
    }

    // Tasks are in the order image, block.
    void task(std::int64_t index, const BlockWorkspace& workspace, const Assembly<T>& assembly, int thread) const {
        const std::int64_t image = index / t_.blocks_of_map();
        const Box places = t_.block(index % t_.blocks_of_map());
        T *values = workspace.template get<T>(thread, block), *pixels = workspace.template get<T>(thread, turned);
        const bool first = forward_.layout == Layout::channels_first;
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            T* part = values + static_cast<std::int64_t>(i) * t_.part_elements;
            if (!parts_[i]) {
                without_products(places, pixels, part);
            } else if (first) {
                parts_[i]->compute(places, image, {pixels, t_.turned_row}, thread);
                kernels_.transpose_sums(
                    {pixels, t_.turned_row, places.pixels(), {part, t_.row, nullptr, nullptr, 0, channels_, Activation::none, 0, 0}});
            } else {
                parts_[i]->compute(places, image, {part, t_.row}, thread);
            }
        }
        assembly.store(values, places, image, 0, 0, channels_);
    }

  private:
    void without_products(const Box& places, T* sums, T* to) const {
        std::fill_n(sums, places.pixels() * t_.turned_row, T(0));
        const ActivationSpec& a = forward_.activation;
        const PixelSums<T> finished{sums,
                                    t_.turned_row,
                                    places.pixels(),
                                    {to, t_.row, bias_, nullptr, 0, channels_, a.kind, static_cast<T>(a.a), static_cast<T>(a.b)}};
        if (forward_.layout == Layout::channels_first) {
            kernels_.transpose_sums(finished);
        } else {
            kernels_.finish_sums(finished);
        }
    }

    const Problem& forward_;
    const TransposedTiling& t_;
    const Kernels<T>& kernels_;
    const std::int64_t channels_;
    const T* bias_ = nullptr;
    std::vector<std::unique_ptr<DepthwiseBlocks<T>>> parts_;
};

constexpr std::int64_t most_workspace = 6 << 20;  // of a thread

}  // namespace

std::int64_t TransposedParameters::bytes() const {
    std::int64_t sum = 0;
    for (const Parameters& p : parts) sum += static_cast<std::int64_t>(p.weights->bytes());
    for (const std::shared_ptr<const Buffer>& b : {definition, bias}) sum += b ? static_cast<std::int64_t>(b->bytes()) : 0;
    if (bias_of_parts && bias_of_parts != bias) sum += static_cast<std::int64_t>(bias_of_parts->bytes());
    return sum;
}

// Of several phases: how they are computed.
void TransposedPlan::choose(const std::string& wanted) {
    const bool automatic = wanted == "auto" || wanted == "measure";
    const Candidate* best = nullptr;
    candidates_.reserve(algorithms().size());  // they stay where they are
    for (const AlgorithmEntry& entry : algorithms()) {
        if (automatic ? !entry.automatic : wanted != entry.name) continue;
        if (entry.algorithm == Algorithm::naive) {
            by_definition_ = true;
            return;
        }
        PhaseProspect prospect = prospect_of_phases(forward_, *on_, entry.algorithm);
        if (prospect.refusal.empty() && !empty(forward_.shape) &&
            bytes_of_thread(plan_phases(forward_, *on_, prospect.way)) > most_workspace) {
            prospect.refusal = "its workspace would be more than 6 MB a thread";
        }
        Candidate& c = candidates_.emplace_back(Candidate{entry.algorithm, prospect.refusal});
        c.cycles = prospect.way.cycles;
        if (!automatic && !c.refusal.empty()) {
            throw std::invalid_argument("algorithm=\"" + wanted + "\" cannot serve here: " + c.refusal);
        }
        if (c.refusal.empty() && (!best || c.cycles < best->cycles)) {
            best = &c;
            way_ = prospect.way;
        }
    }
    if (!best && !automatic) decide(forward_, *on_, wanted);  // no such name: it says which there are
    by_definition_ = !best;
    if (best) set_phases();
}

void TransposedPlan::set_phases() {
    execution_ = plan_phases(forward_, *on_, way_);
    if (!phases().parts.empty()) forward_.lane = phases().parts[0].problem.lane;  // for other shapes, too
}

// Best of three, of each way to compute the phases that serves, on tensors of the problem's own shape.
template <class T>
void TransposedPlan::measure(const WeightsView<T>& weights, int threads) {
    using Clock = std::chrono::steady_clock;
    const ConvShape& f = forward_.shape;
    const auto places = [](std::int64_t a, std::int64_t b, std::int64_t c) { return a * b * c; };
    const std::int64_t inputs = places(f.axis[0].output, f.axis[1].output, f.axis[2].output), channels = f.groups * f.out_channels;
    const std::int64_t outputs = places(f.axis[0].input, f.axis[1].input, f.axis[2].input) * f.groups * f.in_channels;
    const std::vector<T> x(static_cast<std::size_t>(f.batch * channels * inputs), T(1));
    std::vector<T> y(static_cast<std::size_t>(f.batch * outputs));
    const bool last = forward_.layout == Layout::channels_last;
    const std::int64_t pixel = last ? channels : 1, row = pixel * f.axis[2].output;
    Operands<T> io;
    io.x = {x.data(), channels * inputs, last ? 1 : inputs, {row * f.axis[1].output, row, pixel}};
    io.y = y.data();
    io.y_batch = outputs;
    double best = 0.0;
    for (Candidate& c : candidates_) {
        if (!c.refusal.empty()) continue;
        const TransposedPlan plan(forward_, *on_, entry_of(c.algorithm).name, weights, threads);
        for (int round = 0; round < 4; ++round) {  // the first one warms up
            const auto start = Clock::now();
            plan.run(f, plan.parameters_, io, threads);
            const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
            if (round == 1 || (round > 1 && seconds < c.measured_seconds)) c.measured_seconds = seconds;
        }
        if (best != 0.0 && c.measured_seconds >= best) continue;
        best = c.measured_seconds;
        way_ = plan.way_;
    }
    if (best != 0.0) set_phases();
}

// Decides, but of a single phase, which the plan of a convolution decides.
TransposedPlan::TransposedPlan(const Problem& forward, const Context& on, const std::string& algorithm)
    : forward_(forward), on_(&on), wanted_(algorithm) {
    if (one_phase(forward.shape)) {
        execution_.phases = phases_of(forward_, on, Arrangement::apart);
        by_definition_ = algorithm == "naive";
    } else {
        choose(algorithm);
    }
}

template <class T>
TransposedPlan::TransposedPlan(const Problem& forward, const Context& on, const std::string& algorithm, const WeightsView<T>& weights,
                               int threads)
    : TransposedPlan(forward, on, algorithm) {
    if (!one_phase(forward.shape)) {
        if (algorithm == "measure" && !empty(forward.shape)) measure(weights, threads);
        parameters_ = pack(weights, threads);
        return;
    }
    TransposedParameters packed;
    if (!by_definition_) {
        const Problem& p = phases().parts[0].problem;
        const Buffer taps = weights_of_part(forward_, phases(), phases().parts[0], weights.w);
        one_ = std::make_unique<ConvPlan>(p, on, algorithm, WeightsView<T>{view_of_part<T>(p.shape, taps)}, threads);
        packed.parts.push_back(one_->parameters());
    }
    parameters_ = finished(std::move(packed), weights);
}

TransposedPlan::TransposedPlan(const TransposedPlan& other, const ConvShape& forward, bool free_batch)
    : forward_(other.forward_),
      on_(other.on_),
      wanted_(other.wanted_),
      by_definition_(other.by_definition_),
      way_(other.way_),
      candidates_(other.candidates_) {
    forward_.shape = forward;
    forward_.free_batch = free_batch;
    parameters_ = other.parameters();
    const auto refuse_shape = [] {
        throw std::invalid_argument("x_shape must let the packed weights be shared, and does not: make another plan");
    };
    if (one_phase(forward) != one_phase(other.forward_.shape)) refuse_shape();
    if (by_definition_) return;
    if (one_phase(forward)) {
        execution_.phases = phases_of(forward_, *on_, Arrangement::apart);
    } else {
        if (!phases_serve(forward_, way_)) refuse_shape();
        set_phases();
    }
    if (phases().parts.size() != other.phases().parts.size()) refuse_shape();
    for (std::size_t i = 0; i < phases().parts.size(); ++i) {
        const PhasePart &part = phases().parts[i], &packed = other.phases().parts[i];
        for (std::size_t a = 0; a < 3; ++a) {
            const bool same = part.phase[a].taps == packed.phase[a].taps && part.phase[a].first_tap == packed.phase[a].first_tap;
            if (!same && packed.problem.shape.in_channels > 0) refuse_shape();
        }
        if (part.problem.shape.in_channels != packed.problem.shape.in_channels) refuse_shape();
        if (!other.one_ && !phases().planes &&
            format_of(plan_conv(part.problem, *on_, way_.algorithm)) != format_of(plan_conv(packed.problem, *on_, way_.algorithm)))
            refuse_shape();
    }
    if (other.one_) one_ = std::make_unique<ConvPlan>(*other.one_, phases().parts[0].problem.shape, free_batch);
}

template <class T>
TransposedParameters TransposedPlan::pack(const WeightsView<T>& weights, int threads) const {
    TransposedParameters parameters;
    for (std::size_t i = 0; i < phases().parts.size() && !by_definition_; ++i) {
        const PhasePart& part = phases().parts[i];
        Buffer taps = weights_of_part(forward_, phases(), part, weights.w);
        if (phases().planes) {
            parameters.parts.push_back(planes_parameters<T>(std::move(taps)));
            continue;
        }
        const WeightsView<T> view{view_of_part<T>(part.problem.shape, taps)};
        const Algorithm algorithm = part.problem.shape.in_channels > 0 ? way_.algorithm : Algorithm::gemm;
        parameters.parts.push_back(one_ ? one_->pack(view, threads)
                                        : pack_parameters(plan_conv(part.problem, *on_, algorithm), view, threads));
    }
    return finished(std::move(parameters), weights);
}

// With the bias; and where a weight is not finite, all of them as they are: a product that an algorithm makes up, with a zero beside x,
// would be NaN.
template <class T>
TransposedParameters TransposedPlan::finished(TransposedParameters parameters, const WeightsView<T>& weights) const {
    const ConvShape& f = forward_.shape;
    const auto finite = [](const Parameters& part) { return std::isfinite(part.largest_weight); };
    if (by_definition_ || !std::all_of(parameters.parts.begin(), parameters.parts.end(), finite)) {
        parameters.parts.clear();
        parameters.definition = std::make_shared<const Buffer>(copy_of_weights(f, weights.w));
    }
    if (weights.bias) {
        parameters.bias = std::make_shared<const Buffer>(pack_bias(f.groups * f.in_channels, weights.bias, weights.bias_stride));
        parameters.bias_of_parts = repeated_bias<T>(forward_, phases(), parameters.bias);
    }
    return parameters;
}

TransposedParameters TransposedPlan::parameters() const {
    const std::lock_guard lock(mutex_);
    return parameters_;
}

void TransposedPlan::set_parameters(TransposedParameters parameters) {
    const std::lock_guard lock(mutex_);
    if (!parameters.bias) {
        parameters.bias = parameters_.bias;
        parameters.bias_of_parts = parameters_.bias_of_parts;
    }
    parameters_ = std::move(parameters);
    if (one_ && !parameters_.parts.empty()) one_->set_parameters(parameters_.parts[0]);
}

std::string TransposedPlan::algorithm() const {
    if (by_definition_) return entry_of(Algorithm::naive).name;
    return entry_of(one_ ? one_->decision().algorithm : way_.algorithm).name;
}

template <class T>
void TransposedPlan::run_phases(const Problem& forward, const TransposedParameters& parameters, const Operands<T>& io, int threads) const {
    const PhasesExecution& e = execution_;
    const std::int64_t tasks = forward.shape.batch * e.tiling.tasks;
    const int used = worthwhile_threads(forward, *on_, threads), slots = slots_of(tasks, used);
    count_kernel_run(*on_->kernels);
    const BlockWorkspace workspace(sizes(e.forward, e.tiling), slots);
    if (e.phases.by_tap) {
        const ByTap<T> by_tap(e, parameters, io, slots);
        parallel_for(tasks, used, [&](std::int64_t task, int thread) { by_tap.task(task, workspace, thread); });
        return;
    }
    if (e.phases.planes) {
        Operands<T> operands = with_parameters(io, parameters.parts[0]);
        operands.bias = bias_of<T>(parameters);
        const TransposedPlanesRun<T> planes(e, operands);
        parallel_for(tasks, used, [&](std::int64_t task, int thread) { planes.task(task, workspace.template get<T>(thread, block)); });
        return;
    }
    const bool gemm = way_.algorithm == Algorithm::gemm;
    const std::int64_t channels = (gemm ? 1 : forward.shape.groups) * forward.shape.in_channels;
    const Assembly<T> assembly(e, channels, io);
    const auto run = [&](const auto& by) {
        parallel_for(tasks, used, [&](std::int64_t task, int thread) { by.task(task, workspace, assembly, thread); });
    };
    if (gemm) {
        run(GemmPhases<T>(e, parameters, io, slots));
    } else {
        run(DepthwisePhases<T>(e, parameters, io, slots));
    }
}

template <class T>
void TransposedPlan::run(const ConvShape& shape, const TransposedParameters& parameters, Operands<T> io, int threads) const {
    if (empty(shape)) return;
    Problem forward = forward_;
    forward.shape = shape;
    forward.free_batch = false;
    if (parameters.definition) {
        count_naive_run();
        io.w = parameters.definition->as<const T>();
        io.bias = parameters.bias ? parameters.bias->as<const T>() : nullptr;
        run_naive_transposed(forward, *on_, io, threads);
        return;
    }
    if (!one_) {
        run_phases(forward, parameters, io, threads);
        return;
    }
    const PhasePart& part = phases().parts[0];
    io.x = input_of_part(part, io.x);
    ConvShape one = part.problem.shape;
    one.batch = shape.batch;
    Parameters packed = parameters.parts[0];
    packed.bias = parameters.bias;
    one_->run(one, packed, io, threads);
}

std::int64_t TransposedPlan::workspace_bytes(int threads) const {
    if (empty(forward_.shape) || parameters().definition) return 0;
    if (one_) return one_->workspace_bytes(threads);
    const std::int64_t tasks = forward_.shape.batch * execution_.tiling.tasks;
    const int slots = forward_.free_batch ? threads : slots_of(tasks, worthwhile_threads(forward_, *on_, threads));
    return bytes_of_thread(execution_) * slots;
}

std::string TransposedPlan::explain(int threads) const {
    const Footprint footprint{threads, workspace_bytes(threads), packed_bytes()};
    if (by_definition_ || parameters().definition) {
        const char* reason = !by_definition_      ? "a weight is not finite, and must meet no zero that an algorithm puts beside x"
                             : wanted_ == "naive" ? "asked for by name"
                                                  : "the stride makes too many phases";
        return explain_transposed_definition(forward_, reason, footprint);
    }
    if (one_) return explain_one_phase(forward_, one_->execution(), one_->decision(), footprint);
    return explain_phases({forward_, algorithm(), wanted_, candidates_}, execution_, footprint);
}

template TransposedPlan::TransposedPlan(const Problem&, const Context&, const std::string&, const WeightsView<float>&, int);
template TransposedPlan::TransposedPlan(const Problem&, const Context&, const std::string&, const WeightsView<double>&, int);
template TransposedParameters TransposedPlan::pack(const WeightsView<float>&, int) const;
template TransposedParameters TransposedPlan::pack(const WeightsView<double>&, int) const;
template void TransposedPlan::run(const ConvShape&, const TransposedParameters&, Operands<float>, int) const;
template void TransposedPlan::run(const ConvShape&, const TransposedParameters&, Operands<double>, int) const;

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/transposed_phases.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "algorithms/depthwise.hpp"
#include "algorithms/gemm.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/tap_sums.hpp"
#include "algorithms/transposed_planes.hpp"
#include "algorithms/transposed_weights.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

const void* bias_of_parts(const Parameters& parameters) {
    return parameters.bias_of_parts ? parameters.bias_of_parts->as<const void>() : nullptr;
}

enum Slot : std::size_t { block, turned, listed, slots };
using BlockWorkspace = Workspace<slots>;

BlockWorkspace::Sizes sizes(const Problem& forward, const TransposedTiling& t) {
    const std::int64_t rows = t.sums_row > 0 ? TapSums<double>::most_rows(forward.shape) : 0;
    return {t.block_elements * size_of(forward.dtype), t.turned_elements * size_of(forward.dtype),
            rows * static_cast<std::int64_t>(sizeof(ShiftedRow<double>))};
}

// Of each phase, or of all taps, what the GEMM path computes from.
std::vector<Operands> operands_of_parts(const PhasesExecution& e, const Parameters& parameters, const Operands& io) {
    std::vector<Operands> parts;
    for (std::size_t i = 0; i < e.phases.parts.size(); ++i) {
        Operands operands = with_parameters(io, parameters.parts[i]);
        operands.x = input_of_part(e.phases.parts[i], io.x);
        operands.bias = e.phases.by_tap ? nullptr : bias_of_parts(parameters);
        parts.push_back(operands);
    }
    return parts;
}

template <class T>
class ByTap {
  public:
    ByTap(const PhasesExecution& e, const Parameters& parameters, const Operands& io, int slots_used)
        : f_(e.forward.shape),
          t_(e.tiling),
          products_(gemm_of_phases(e.gemm, operands_of_parts(e, parameters, io), slots_used)),
          sums_(e, static_cast<const T*>(bias_of_parts(parameters)), static_cast<T*>(io.y), io.y_batch) {}

    // Tasks are in the order image, group, depth, band.
    void task(std::int64_t index, const BlockWorkspace& workspace, int thread) const {
        const auto band = sums_.band(index % t_.bands.parts);
        index /= t_.bands.parts;
        const std::int64_t depth = index % f_.axis[0].input, group = index / f_.axis[0].input % f_.groups,
                           image = index / f_.axis[0].input / f_.groups;
        T* values = workspace.template get<T>(thread, block);
        if (band.last > band.first) {
            const Box rows{{depth, band.first, 0}, {depth + 1, band.last, f_.axis[2].output}};
            products_[0]->compute({rows, image, group, 0, t_.parts[0].panels.parts, nullptr, {values, t_.row}}, thread);
        }
        sums_.store(values, band, image, group, depth, workspace.template get<ShiftedRow<T>>(thread, listed));
    }

  private:
    const ConvShape& f_;
    const TransposedTiling& t_;
    const std::vector<std::unique_ptr<const GemmBlocks>> products_;
    const TapSums<T> sums_;
};

// Puts the phases of a block together.
template <class T>
class Assembly {
  public:
    // channels: of a group, as blocks have them.
    Assembly(const PhasesExecution& e, std::int64_t channels, const OperandsOf<T>& io)
        : layout_(e.forward.layout),
          all_channels_(io.channels_of_y(e.forward.shape.groups * e.forward.shape.in_channels)),
          channels_(channels),
          phases_(e.phases),
          t_(e.tiling),
          kernels_(kernels_of<T>(*e.on->kernels)),
          y_(io.y),
          y_batch_(io.y_batch) {
        for (std::size_t a = 0; a < 3; ++a) size_[a] = e.forward.shape.axis[a].input;
        plane_ = size_[0] * size_[1] * size_[2];
    }

    // block: what the parts have computed, channels begin ... end of the parts' results in a group.
    void store(const T* block, const Box& places, std::int64_t image, std::int64_t group, std::int64_t begin, std::int64_t end) const {
        T* y = y_ + image * y_batch_;
        const bool last = layout_ == Layout::channels_last;
        std::array<std::int64_t, 3> m{};
        for (m[0] = places.begin[0]; m[0] < places.end[0]; ++m[0]) {
            for (m[1] = places.begin[1]; m[1] < places.end[1]; ++m[1]) {
                const std::int64_t row = ((m[0] - places.begin[0]) * places.length(1) + m[1] - places.begin[1]) * places.length(2);
                m[2] = places.begin[2];
                if (last) {
                    store_pixels(block, row, m, places.length(2), y, group, begin, end);
                } else {
                    store_rows(block + row, m, places.length(2), y, group, begin, end);
                }
            }
        }
    }

  private:
    // Where output m of phase r stands on an axis, or -1.
    std::int64_t place(std::size_t a, std::int64_t m, std::int64_t r) const {
        const std::int64_t o = m * phases_.stride[a] + r - phases_.shift[a];
        return o >= 0 && o < size_[a] ? o : -1;
    }

    // Channels first: rows of y, of one or more phases along the width.
    void store_rows(const T* block, const std::array<std::int64_t, 3>& m, std::int64_t n, T* y, std::int64_t group, std::int64_t begin,
                    std::int64_t end) const {
        const std::int64_t along = phases_.count[2];
        const auto row_of = [&](std::int64_t channel, std::int64_t r0, std::int64_t r1) -> T* {
            const std::int64_t d = place(0, m[0], r0), h = place(1, m[1], r1);
            if (d < 0 || h < 0) return nullptr;
            return y + (group * channels_ + channel) * plane_ + (d * size_[1] + h) * size_[2];
        };
        if (phases_.merged) {
            for (std::int64_t c = begin; c < end;) {
                const std::int64_t phase = c % phases_.all(), r = phase % along, rows = std::min(along - r, end - c);
                T* to = row_of(c / phases_.all(), phase / along / phases_.count[1], phase / along % phases_.count[1]);
                if (to) store_row(block + (c - begin) * t_.row, t_.row, r, rows, m[2], n, to);
                c += rows;
            }
            return;
        }
        for (std::int64_t c = begin; c < end; ++c) {
            const T* part = block + (c - begin) * t_.row;
            for (std::int64_t r0 = 0; r0 < phases_.count[0]; ++r0) {
                for (std::int64_t r1 = 0; r1 < phases_.count[1]; ++r1, part += along * t_.part_elements) {
                    if (T* to = row_of(c, r0, r1)) store_row(part, t_.part_elements, 0, along, m[2], n, to);
                }
            }
        }
    }

    // Phases first, first + 1, ... of n places of a row.
    void store_row(const T* from, std::int64_t step, std::int64_t first, std::int64_t rows, std::int64_t m, std::int64_t n, T* to) const {
        const std::int64_t stride = phases_.stride[2], end = m + n;
        const auto one_by_one = [&](std::int64_t i) {
            for (std::int64_t r = 0; r < rows; ++r) {
                const std::int64_t o = place(2, i, first + r);
                if (o >= 0) to[o] = from[r * step + i - m];
            }
        };
        if (rows != stride) {
            for (std::int64_t i = m; i < end; ++i) one_by_one(i);
            return;
        }
        std::int64_t i = m, whole = end;
        if (i * stride < phases_.shift[2]) one_by_one(i++);
        if (whole > i && whole * stride - phases_.shift[2] > size_[2]) one_by_one(--whole);
        if (whole > i) kernels_.interleave({from + i - m, step, rows, whole - i, to + i * stride - phases_.shift[2]});
    }

    // Channels last: pixels of y, a run of channels each.
    void store_pixels(const T* block, std::int64_t row, const std::array<std::int64_t, 3>& m, std::int64_t n, T* y, std::int64_t group,
                      std::int64_t begin, std::int64_t end) const {
        std::int64_t phase = 0;
        for (std::int64_t r0 = 0; r0 < phases_.count[0]; ++r0) {
            for (std::int64_t r1 = 0; r1 < phases_.count[1]; ++r1) {
                const std::int64_t d = place(0, m[0], r0), h = place(1, m[1], r1);
                for (std::int64_t r2 = 0; r2 < phases_.count[2]; ++r2, ++phase) {
                    // Of the phase's channels, those that the block has.
                    const std::int64_t first = phases_.merged ? std::max(begin, phase * channels_) : begin;
                    const std::int64_t count = (phases_.merged ? std::min(end, (phase + 1) * channels_) : end) - first;
                    if (d < 0 || h < 0 || count <= 0) continue;
                    const T* from = block + (phases_.merged ? 0 : phase * t_.part_elements) + row * t_.row + first - begin;
                    T* to = y + (d * size_[1] + h) * size_[2] * all_channels_ + group * channels_ +
                            (phases_.merged ? first - phase * channels_ : first);
                    for (std::int64_t i = 0; i < n; ++i, from += t_.row) {
                        const std::int64_t o = place(2, m[2] + i, r2);
                        if (o >= 0) std::copy_n(from, count, to + o * all_channels_);
                    }
                }
            }
        }
    }

    const Layout layout_;
    const std::int64_t all_channels_, channels_;
    const Phases& phases_;
    const TransposedTiling& t_;
    const Kernels<T>& kernels_;
    T* y_;
    std::int64_t y_batch_, plane_ = 0;
    std::array<std::int64_t, 3> size_{};
};

// The phases of one image, by the GEMM path.
template <class T>
class GemmPhases {
  public:
    GemmPhases(const PhasesExecution& e, const Parameters& parameters, const Operands& io, int slots)
        : phases_(e.phases), t_(e.tiling), parts_(gemm_of_phases(e.gemm, operands_of_parts(e, parameters, io), slots)) {}

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
            const ResultBlock to{values + static_cast<std::int64_t>(i) * t_.part_elements, t_.row};
            parts_[i]->compute({places, image, group, first, panels, nullptr, to}, thread);
        }
        assembly.store(values, places, image, group, begin, end);
    }

  private:
    const Phases& phases_;
    const TransposedTiling& t_;
    const std::vector<std::unique_ptr<const GemmBlocks>> parts_;
};

// The same by depthwise kernels, all channels at once.
template <class T>
class DepthwisePhases {
  public:
    DepthwisePhases(const PhasesExecution& e, const Parameters& parameters, const Operands& io, int slots)
        : forward_(e.forward),
          t_(e.tiling),
          kernels_(kernels_of<T>(*e.on->kernels)),
          channels_(e.forward.shape.groups * e.forward.shape.in_channels),
          bias_(static_cast<const T*>(bias_of_parts(parameters))) {
        for (std::size_t i = 0; i < e.phases.parts.size(); ++i) {
            const PhasePart& part = e.phases.parts[i];
            Operands operands = with_parameters(io, parameters.parts[i]);
            operands.bias = bias_;
            operands.x = input_of_part(part, io.x);
            operands.y = nullptr;
            operands.residual = {};
            const bool any = part.problem.shape.in_channels > 0;
            parts_.push_back(any ? depthwise_blocks(e.depthwise[i], operands, slots) : nullptr);
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
    const T* const bias_;
    std::vector<std::unique_ptr<const DepthwiseBlocks>> parts_;
};

template <class T>
void run(const PhasesExecution& e, const Problem& forward, const Parameters& parameters, const Operands& io, int threads) {
    const std::int64_t tasks = forward.shape.batch * e.tiling.tasks;
    const int used = worthwhile_threads(forward, *e.on, threads), slots = slots_of(tasks, used);
    const BlockWorkspace workspace(sizes(e.forward, e.tiling), slots);
    if (e.phases.by_tap) {
        const ByTap<T> by_tap(e, parameters, io, slots);
        parallel_for(tasks, used, [&](std::int64_t task, int thread) { by_tap.task(task, workspace, thread); });
        return;
    }
    if (e.phases.planes) {
        Operands operands = with_parameters(io, parameters.parts[0]);
        operands.bias = bias_of_parts(parameters);
        const TransposedPlanesRun<T> planes(e, typed<T>(operands));
        parallel_for(tasks, used, [&](std::int64_t task, int thread) { planes.task(task, workspace.template get<T>(thread, block)); });
        return;
    }
    const bool gemm = e.depthwise.empty();
    const Assembly<T> assembly(e, (gemm ? 1 : forward.shape.groups) * forward.shape.in_channels, typed<T>(io));
    const auto run_tasks = [&](const auto& by) {
        parallel_for(tasks, used, [&](std::int64_t task, int thread) { by.task(task, workspace, assembly, thread); });
    };
    if (gemm) {
        run_tasks(GemmPhases<T>(e, parameters, io, slots));
    } else {
        run_tasks(DepthwisePhases<T>(e, parameters, io, slots));
    }
}

}  // namespace

void run_phases(const PhasesExecution& e, const Problem& forward, const Parameters& parameters, const Operands& io, int threads) {
    count_kernel_run(*e.on->kernels);
    with_real(forward.dtype, [&](auto zero) { run<decltype(zero)>(e, forward, parameters, io, threads); });
}

std::int64_t bytes_of_phases(const PhasesExecution& e) {
    std::int64_t bytes = BlockWorkspace::bytes_per_thread(sizes(e.forward, e.tiling));
    if (!e.gemm.empty()) bytes += bytes_of_gemm_phases(e.gemm);
    for (const DepthwiseExecution& part : e.depthwise) {
        if (part.problem.shape.in_channels > 0) bytes += bytes_of_depthwise_blocks(part);
    }
    return bytes;
}

}  // namespace npconv

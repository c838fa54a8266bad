// SPDX-License-Identifier: BSD-3-Clause
// Tiling in plan/depthwise_tiling.hpp, the kernels in kernels/depthwise_planes.inl.
#include "algorithms/depthwise_planes.hpp"

#include <algorithm>

#include "algorithms/bordered_row.hpp"
#include "algorithms/epilogue.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { copy, sums, residual_copy, slots_of_arrays };
using PlanesWorkspace = Workspace<slots_of_arrays>;

PlanesWorkspace::Sizes sizes(const Problem& p, const DepthwiseTiling& t) {
    PlanesWorkspace::Sizes bytes{};
    bytes[copy] = padded_rows(p, t.longest(1)) * padded_columns(p, t.lanes, t.longest(2)) * size_of(p.dtype);
    if (p.shape.axis[0].kernel > 1) bytes[sums] = t.together * t.longest(1) * t.longest(2) * size_of(p.dtype);
    bytes[residual_copy] = t.longest(1) * t.longest(2) * size_of(p.dtype);
    return bytes;
}

template <class T>
class PlanesRun {
  public:
    PlanesRun(const DepthwiseExecution& e, const OperandsOf<T>& io, const PlanesWorkspace& workspace)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          kernels_(depthwise_kernels_of<T>(e.kernels())),
          size_(static_cast<std::size_t>(s_.axis[2].kernel / 2 - 1)),
          step_(static_cast<std::size_t>(t_.step - 1)),
          workspace_(workspace),
          epilogue_(p_, io),
          bordered_(p_.border != Border::zeros && s_.padded()),
          in_place_(!bordered_ && io.finite_weights && planes_in_place(p_, *e.on) && io.x.spatial[2] == 1) {}

    // LOOP 1: tasks in the order image, chunk, block.
    void task(std::int64_t index, int thread) const {
        const Box pixels = t_.block(index % t_.blocks());
        index /= t_.blocks();
        const std::int64_t chunk = index % t_.chunks.parts, image = index / t_.chunks.parts;
        compute(pixels, image, t_.chunks.begin(chunk), t_.chunks.length(chunk), {}, thread);
    }

    void compute(const Box& pixels, std::int64_t image, std::int64_t channel, std::int64_t channels, const ResultBlock& to,
                 int thread) const {
        const auto& axis = s_.axis;
        DepthwisePlanes<T> d{};
        d.first_row = axis[1].at(pixels.begin[1], 0);
        d.first_column = axis[2].at(pixels.begin[2], 0);
        d.rows = pixels.length(1);
        d.columns = pixels.length(2);
        d.y_row = d.residual_row = axis[2].output;
        d.w_channel = s_.taps();
        const T* x = io_.x.data + image * io_.x.batch;
        const std::int64_t plane = d.rows * axis[2].output;  // neighbours in y, or a part of a row
        const bool several = in_place_ && t_.multiplier == 1 && epilogue_.residual_in_place();
        const std::int64_t most = !several ? 1 : axis[0].kernel > 1 ? t_.together : channels;
        for (std::int64_t c = channel, end = channel + channels; c < end; c += most) {  // LOOP 2
            const std::int64_t n = std::min(most, end - c);
            for (std::int64_t depth = pixels.begin[0]; depth < pixels.end[0]; ++depth) {  // LOOP 3
                const std::int64_t first = (depth * axis[1].output + pixels.begin[1]) * axis[2].output + pixels.begin[2];
                DepthwisePlanes<T> one = d;
                one.w = io_.w + c * s_.taps();
                one.x = x + c / t_.multiplier * io_.x.channel;
                one.output = epilogue_.output(image, c, n, first, d.rows * d.columns, workspace_.template get<T>(thread, residual_copy));
                if (to.values) {
                    one.output.y = static_cast<T*>(to.values) + c * to.stride + (depth - pixels.begin[0]) * plane;
                    one.output.y_stride = to.stride;
                }
                sum_planes(one, depth, thread);
            }
        }
    }

  private:
    // All planes of taps of a plane of outputs. x: plane 0, w: of plane 0.
    void sum_planes(const DepthwisePlanes<T>& all, std::int64_t depth, int thread) const {
        const Axis& a = s_.axis[0];
        const bool whole = bordered_ || !io_.finite_weights;  // a plane of zeros is one, too
        const Inside taps = whole ? Inside{0, a.kernel} : inside(a.at(depth, 0), a.dilation, a.input, 0, a.kernel);
        if (taps.begin >= taps.end) return sum_nothing(all);
        T* kept = workspace_.template get<T>(thread, sums);
        for (std::int64_t t = taps.begin; t < taps.end; ++t) {
            DepthwisePlanes<T> one = all;
            if (t > taps.begin) {
                one.start = kept;
                one.start_channel = all.rows * all.columns;
                one.start_row = all.columns;
            }
            if (t < taps.end - 1) {
                Output<T> o{};
                o.y = kept;
                o.y_stride = all.rows * all.columns;
                o.channels = all.output.channels;
                one.output = o;
                one.y_row = all.columns;
            }
            sum_plane(one, depth, t, thread);
        }
    }

    void sum_plane(DepthwisePlanes<T> d, std::int64_t depth, std::int64_t t, int thread) const {
        const std::int64_t source = border_source(s_.axis[0].at(depth, t), s_.axis[0].input, p_.border);
        d.w += t * s_.axis[1].kernel * s_.axis[2].kernel;
        d.x = source < 0 ? nullptr : d.x + source * io_.x.spatial[0];
        if (in_place_) {
            read_in_place(d);
        } else {
            read_copy(d, workspace_.template get<T>(thread, copy));
        }
    }

    // No row is inside.
    void sum_nothing(DepthwisePlanes<T> d) const {
        d.first_row = d.input_rows = 0;
        run(kernels_.padded_planes, d);
    }

    void run(const DepthwisePlaneKernels<T> (&kernels)[depthwise_sizes][depthwise_strides], const DepthwisePlanes<T>& d) const {
        const DepthwisePlaneKernels<T>& kernel = kernels[size_][step_];
        (d.start ? kernel.continued : kernel.first)(d);
    }

    void read_in_place(DepthwisePlanes<T> d) const {
        d.x_row = io_.x.spatial[1];
        d.x_channel = io_.x.channel;
        d.input_rows = s_.axis[1].input;
        d.input_columns = s_.axis[2].input;
        run(kernels_.planes, d);
    }

    // With the columns of the border, and its rows unless they are zeros that meet finite weights: those are left out.
    void read_copy(DepthwisePlanes<T> d, T* to) const {
        const Axis& height = s_.axis[1];
        const std::int64_t all = padded_rows(p_, d.rows), columns = padded_columns(p_, t_.lanes, d.columns);
        const bool whole = bordered_ || !io_.finite_weights;
        const Inside in = whole ? Inside{0, all} : inside(d.first_row, 1, height.input, 0, all);
        for (std::int64_t i = in.begin; i < in.end; ++i) {
            const std::int64_t row = border_source(d.first_row + i, height.input, p_.border);
            const T* from = row < 0 || !d.x ? nullptr : d.x + row * io_.x.spatial[1];
            copy_bordered_row(from, io_.x.spatial[2], s_.axis[2], p_.border, d.first_column, columns, to + (i - in.begin) * columns);
        }
        d.x = to;
        d.x_row = columns;
        d.input_rows = in.end - in.begin;
        d.input_columns = columns;
        d.first_row = -in.begin;
        d.first_column = 0;
        run(kernels_.padded_planes, d);
    }

    const Problem& p_;
    const ConvShape& s_;
    const DepthwiseTiling& t_;
    const OperandsOf<T>& io_;
    const DepthwiseKernels<T>& kernels_;
    const std::size_t size_, step_;  // of the kernel, in its table
    const PlanesWorkspace& workspace_;
    const Epilogue<T> epilogue_;
    const bool bordered_, in_place_;
};

template <class T>
class PlaneBlocks final : public DepthwiseBlocks {
  public:
    PlaneBlocks(const DepthwiseExecution& e, const Operands& io, int threads)
        : channels_(e.tiling.channels),
          operands_(typed<T>(io)),
          workspace_(sizes(e.problem, e.tiling), threads),
          run_(e, operands_, workspace_) {}
    void compute(const Box& pixels, std::int64_t image, const ResultBlock& to, int thread) const override {
        run_.compute(pixels, image, 0, channels_, to, thread);
    }

  private:
    const std::int64_t channels_;
    const OperandsOf<T> operands_;
    const PlanesWorkspace workspace_;
    const PlanesRun<T> run_;
};

}  // namespace

std::int64_t bytes_of_depthwise_planes(const DepthwiseExecution& e) {
    return PlanesWorkspace::bytes_per_thread(sizes(e.problem, e.tiling));
}

void run_depthwise_planes(const DepthwiseExecution& e, const Operands& io, int threads, int slots) {
    with_real(e.problem.dtype, [&](auto zero) {
        const PlanesWorkspace workspace(sizes(e.problem, e.tiling), slots);
        const auto operands = typed<decltype(zero)>(io);
        const PlanesRun<decltype(zero)> run(e, operands, workspace);
        parallel_for(e.tiling.tasks, threads, [&](std::int64_t task, int thread) { run.task(task, thread); });
    });
}

std::unique_ptr<const DepthwiseBlocks> depthwise_plane_blocks(const DepthwiseExecution& e, const Operands& io, int threads) {
    return with_real(e.problem.dtype, [&](auto zero) -> std::unique_ptr<const DepthwiseBlocks> {
        return std::make_unique<PlaneBlocks<decltype(zero)>>(e, io, threads);
    });
}

}  // namespace npconv

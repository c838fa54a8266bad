// SPDX-License-Identifier: BSD-3-Clause
// Tiling in plan/depthwise_gradient_tiling.hpp, the kernel in kernels/tap_products.inl.
#include "algorithms/depthwise_gradient.hpp"

#include <algorithm>

#include "algorithms/depthwise_planes_gradient.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "kernels/registry.hpp"
#include "plan/depthwise_gradient_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/weight_gradient_tiling.hpp"

namespace npconv {
namespace {

DepthwiseGradientArrays::Sizes sizes(const Problem& p, const DepthwiseGradientTiling& t) {
    const std::int64_t element = size_of(p.dtype);
    DepthwiseGradientArrays::Sizes bytes{};
    bytes[window] = t.window_elements() * element;
    bytes[gradient] = t.rows * p.shape.axis[2].output * (t.planes ? 1 : t.lanes) * element;
    bytes[lane_sums] = t.planes ? p.shape.taps() * t.lanes * t.lanes * element : 0;
    bytes[offsets] = p.shape.taps() * static_cast<std::int64_t>(sizeof(std::int64_t));
    return bytes;
}

// Sums of all tasks: they are small, or there are no parts, and a task at a time needs them.
std::int64_t bytes_of_sums(const Problem& p, const DepthwiseGradientTiling& t, int slots_used) {
    const std::int64_t of_task = DepthwiseGradientArrays::rounded(t.sums_of_task(p.shape) * size_of(p.dtype));
    return of_task * (t.parts.parts > 1 ? t.tasks : slots_used);
}

// Of all tasks where a sum is cut in parts, else of the threads.
template <class T>
class SumsInParts {
  public:
    SumsInParts(const Problem& p, const DepthwiseGradientTiling& t, T* sums)
        : parts_(t.parts.parts),
          size_(t.sums_of_task(p.shape)),
          step_(DepthwiseGradientArrays::rounded(size_ * static_cast<std::int64_t>(sizeof(T))) / static_cast<std::int64_t>(sizeof(T))),
          sums_(sums) {}

    T* of(std::int64_t task, int thread) const { return sums_ + (parts_ > 1 ? task : thread) * step_; }

    // Those of a vector of channels, added in order, to the first one.
    const T* added(std::int64_t vector) const {
        T* first = sums_ + vector * parts_ * step_;
        for (std::int64_t i = 1; i < parts_; ++i) {
            for (std::int64_t j = 0; j < size_; ++j) first[j] += first[i * step_ + j];
        }
        return first;
    }

  private:
    std::int64_t parts_, size_, step_;
    T* sums_;
};

template <class T>
class DepthwiseGradient {
  public:
    DepthwiseGradient(const Execution<DepthwiseGradientTiling>& e, const WeightGradientOperands<T>& io,
                      const DepthwiseGradientArrays& arrays)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          arrays_(arrays),
          tap_products_(depthwise_kernels_of<T>(e.kernels()).tap_products),
          gather_(winograd_kernels_of<T>(e.kernels()).gather_channels) {
        row_ = t_.window[2] * t_.lanes;
        plane_ = t_.window[1] * row_;
        whole_gradient_ = s_.axis[1].output == 1 || io.grad.spatial[1] == s_.axis[2].output * io.grad.spatial[2];
    }

    // LOOP 2. Sums are [tap][channel of a group][lane].
    void compute(std::int64_t vector, std::int64_t part, T* sums, int thread) const {
        std::fill_n(sums, t_.sums_of_task(s_), T(0));
        std::int64_t* offset = arrays_.template get<std::int64_t>(thread, offsets);
        list_taps(offset);
        const std::int64_t rows_of_plane = ceil_div(s_.axis[1].output, t_.rows);
        for (std::int64_t b = t_.parts.begin(part), end = b + t_.parts.length(part); b < end && !call_stopped(); ++b) {
            const std::int64_t image = b / t_.blocks, block = b % t_.blocks;
            const std::int64_t row = block % rows_of_plane * t_.rows;
            add_block(vector, image, block / rows_of_plane, row, std::min(t_.rows, s_.axis[1].output - row), offset, sums, thread);
        }
    }

    // -> [output channel][channel of a group][tap].
    void store(std::int64_t vector, const T* sums) const {
        const std::int64_t taps = s_.taps();
        for (std::int64_t lane = 0; lane < channels(vector); ++lane) {
            T* out = io_.out + (vector * t_.lanes + lane) * t_.group * taps;
            for (std::int64_t i = 0; i < t_.group; ++i) {
                for (std::int64_t tap = 0; tap < taps; ++tap) {
                    out[i * taps + (p_.flip ? taps - 1 - tap : tap)] = sums[(tap * t_.group + i) * t_.lanes + lane];
                }
            }
        }
    }

  private:
    std::int64_t all_channels() const { return s_.groups * s_.out_channels; }
    int channels(std::int64_t vector) const {
        return static_cast<int>(std::min<std::int64_t>(t_.lanes, all_channels() - vector * t_.lanes));
    }

    // The first taps of the kernel's rows, which are cut in runs of equal length, as far as they are.
    void list_taps(std::int64_t* offset) const {
        for (std::int64_t d = 0; d < s_.axis[0].kernel; ++d) {
            for (std::int64_t h = 0; h < s_.axis[1].kernel; ++h) {
                for (std::int64_t w = 0; w < s_.axis[2].kernel; w += t_.taps_of_run) {
                    *offset++ = d * s_.axis[0].dilation * plane_ + h * s_.axis[1].dilation * row_ + w * s_.axis[2].dilation * t_.lanes;
                }
            }
        }
    }

    // Rows of outputs of one plane.
    void add_block(std::int64_t vector, std::int64_t image, std::int64_t depth, std::int64_t row, std::int64_t rows,
                   const std::int64_t* offset, T* sums, int thread) const {
        T* x = arrays_.template get<T>(thread, window);
        copy_window(vector, image, depth, row, rows, x);
        const TensorView<const T>& g = io_.grad;
        const T* from = g.data + image * g.batch + vector * t_.lanes * g.channel + depth * g.spatial[0] + row * g.spatial[1];
        TapProducts<T> p{};
        p.g = from;
        p.g_pixel = g.spatial[2];
        p.g_row = g.spatial[1];
        if (g.channel != 1) {
            T* copy = arrays_.template get<T>(thread, gradient);
            p.g_pixel = t_.lanes;
            p.g_row = s_.axis[2].output * t_.lanes;
            if (whole_gradient_) {
                gather(from, g, 1, rows * s_.axis[2].output, vector, copy, 0);
            } else {
                gather(from, g, rows, s_.axis[2].output, vector, copy, p.g_row);
            }
            p.g = copy;
        }
        p.x = x;
        p.x_pixel = s_.axis[2].stride * t_.lanes;
        p.x_row = rows > 1 ? s_.axis[1].stride * row_ : 0;
        p.rows = rows;
        p.columns = s_.axis[2].output;
        p.offset = offset;
        p.taps = static_cast<int>(t_.taps_of_run);
        p.tap_rows = s_.taps() / t_.taps_of_run;
        p.tap = s_.axis[2].dilation * t_.lanes;
        p.sum_step = t_.group * t_.lanes;
        p.group = t_.group;
        p.channels = channels(vector);
        p.sums = sums;
        tap_products_(p);
    }

    void gather(const T* from, const TensorView<const T>& a, std::int64_t rows, std::int64_t pixels, std::int64_t vector, T* to,
                std::int64_t to_row) const {
        gather_({from, a.spatial[1], a.spatial[2], a.channel, rows, pixels, channels(vector), to, to_row, nullptr});
    }

    // What rows of outputs meet, with the border.
    void copy_window(std::int64_t vector, std::int64_t image, std::int64_t depth, std::int64_t row, std::int64_t rows, T* to) const {
        const Axis& width = s_.axis[2];
        const T* x = io_.x.data + image * io_.x.batch + vector * t_.lanes * io_.x.channel;
        const std::int64_t first = width.at(0, 0), columns = t_.window[2];
        const std::int64_t count = (rows - 1) * s_.axis[1].stride + (s_.axis[1].kernel - 1) * s_.axis[1].dilation + 1;
        const Inside in = inside(first, 1, width.input, 0, columns);
        for (std::int64_t d = 0; d < t_.window[0]; ++d) {
            const std::int64_t source_plane = border_source(s_.axis[0].at(depth, 0) + d, s_.axis[0].input, p_.border);
            for (std::int64_t h = 0; h < count; ++h) {
                const std::int64_t source_row = border_source(s_.axis[1].at(row, 0) + h, s_.axis[1].input, p_.border);
                T* line = to + d * plane_ + h * row_;
                if (source_plane < 0 || source_row < 0) {
                    std::fill_n(line, row_, T(0));
                    continue;
                }
                const T* from = x + source_plane * io_.x.spatial[0] + source_row * io_.x.spatial[1];
                const auto one = [&](std::int64_t i) {
                    const std::int64_t w = border_source(first + i, width.input, p_.border);
                    if (w < 0) {
                        std::fill_n(line + i * t_.lanes, t_.lanes, T(0));
                    } else {
                        gather(from + w * io_.x.spatial[2], io_.x, 1, 1, vector, line + i * t_.lanes, 0);
                    }
                };
                for (std::int64_t i = 0; i < in.begin; ++i) one(i);
                if (in.end > in.begin) {
                    gather(from + (first + in.begin) * io_.x.spatial[2], io_.x, 1, in.end - in.begin, vector, line + in.begin * t_.lanes,
                           0);
                }
                for (std::int64_t i = std::max(in.end, in.begin); i < columns; ++i) one(i);
            }
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const DepthwiseGradientTiling& t_;
    const WeightGradientOperands<T>& io_;
    const DepthwiseGradientArrays& arrays_;
    void (*tap_products_)(const TapProducts<T>&);
    void (*gather_)(const ChannelVectors<T>&);
    bool whole_gradient_ = false;
    std::int64_t row_ = 0, plane_ = 0;
};

}  // namespace

template <class T>
void run_depthwise_gradient(const Execution<DepthwiseGradientTiling>& e, const WeightGradientOperands<T>& io, int threads) {
    const DepthwiseGradientTiling& t = e.tiling;
    const int used = e.threads(threads), slots_used = slots_of(t.tasks, used);
    const Buffer sums(static_cast<std::size_t>(bytes_of_sums(e.problem, t, slots_used)));
    const DepthwiseGradientArrays arrays(sizes(e.problem, t), slots_used);
    const SumsInParts<T> parts(e.problem, t, sums.as<T>());
    const auto run = [&](const auto& gradient) {
        parallel_for(t.tasks, used, [&](std::int64_t task, int thread) {
            const std::int64_t vector = task / t.parts.parts;
            T* into = parts.of(task, thread);
            gradient.compute(vector, task % t.parts.parts, into, thread);
            if (t.parts.parts == 1) gradient.store(vector, into);
        });
        if (t.parts.parts == 1) return;
        for (std::int64_t vector = 0; vector < t.vectors; ++vector) gradient.store(vector, parts.added(vector));
    };
    if (t.planes) {
        run(DepthwisePlanesGradient<T>(e, io, arrays));
    } else {
        run(DepthwiseGradient<T>(e, io, arrays));
    }
}

std::int64_t depthwise_gradient_workspace_bytes(const Execution<DepthwiseGradientTiling>& e, int threads) {
    const int slots_used = e.problem.free_batch ? threads : slots_of(e.tiling.tasks, e.threads(threads));
    return DepthwiseGradientArrays::bytes_per_thread(sizes(e.problem, e.tiling)) * slots_used +
           bytes_of_sums(e.problem, e.tiling, slots_used);
}

template void run_depthwise_gradient(const Execution<DepthwiseGradientTiling>&, const WeightGradientOperands<float>&, int);
template void run_depthwise_gradient(const Execution<DepthwiseGradientTiling>&, const WeightGradientOperands<double>&, int);

}  // namespace npconv

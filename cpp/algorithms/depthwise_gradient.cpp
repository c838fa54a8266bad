// SPDX-License-Identifier: BSD-3-Clause
// Tiling in plan/depthwise_gradient_tiling.hpp, the kernel in kernels/tap_products.inl.
#include "algorithms/depthwise_gradient.hpp"

#include <algorithm>

#include "core/border.hpp"
#include "core/interrupt.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/depthwise_gradient_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/weight_gradient_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { window, gradient, offsets, lane_sums, slots };
using Arrays = Workspace<slots>;

Arrays::Sizes sizes(const Problem& p, const DepthwiseGradientTiling& t) {
    const std::int64_t element = size_of(p.dtype);
    Arrays::Sizes bytes{};
    bytes[window] = t.window_elements() * element;
    bytes[gradient] = t.rows * p.shape.axis[2].output * (t.planes ? 1 : t.lanes) * element;
    bytes[lane_sums] = t.planes ? p.shape.taps() * t.lanes * t.lanes * element : 0;
    bytes[offsets] = p.shape.taps() * static_cast<std::int64_t>(sizeof(std::int64_t));
    return bytes;
}

// Sums of all tasks: they are small, or there are no parts, and a task at a time needs them.
std::int64_t bytes_of_sums(const Problem& p, const DepthwiseGradientTiling& t, int slots_used) {
    const std::int64_t of_task = Arrays::rounded(t.sums_of_task(p.shape) * size_of(p.dtype));
    return of_task * (t.parts.parts > 1 ? t.tasks : slots_used);
}

// Of all tasks where a sum is cut in parts, else of the threads.
template <class T>
class SumsInParts {
  public:
    SumsInParts(const Problem& p, const DepthwiseGradientTiling& t, T* sums)
        : parts_(t.parts.parts),
          size_(t.sums_of_task(p.shape)),
          step_(Arrays::rounded(size_ * static_cast<std::int64_t>(sizeof(T))) / static_cast<std::int64_t>(sizeof(T))),
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
    DepthwiseGradient(const Execution<DepthwiseGradientTiling>& e, const OperandsOf<T>& io, const Arrays& arrays)
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
            T* out = io_.y + (vector * t_.lanes + lane) * t_.group * taps;
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
    const OperandsOf<T>& io_;
    const Arrays& arrays_;
    void (*tap_products_)(const TapProducts<T>&);
    void (*gather_)(const ChannelVectors<T>&);
    bool whole_gradient_ = false;
    std::int64_t row_ = 0, plane_ = 0;
};

// With lane = pixel: a channel at a time, in place. Zeros beside the gradient meet values of x: where one is not finite, the result is not
// finite, which the caller looks for.
template <class T>
class DepthwisePlanesGradient {
  public:
    DepthwisePlanesGradient(const Execution<DepthwiseGradientTiling>& e, const OperandsOf<T>& io, const Arrays& arrays)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          arrays_(arrays),
          kernels_(kernels_of<T>(e.kernels())),
          depthwise_(depthwise_kernels_of<T>(e.kernels())),
          kernel_(depthwise_.plane_products[s_.axis[2].stride - 1]) {}

    // LOOP 2. Sums are [channel][tap].
    void compute(std::int64_t vector, std::int64_t part, T* sums, int thread) const {
        T* lanes = arrays_.template get<T>(thread, lane_sums);
        const std::int64_t taps = s_.taps(), first = t_.parts.begin(part), of_plane = ceil_div(s_.axis[1].output, t_.rows);
        const Block begin{first / t_.blocks, first % t_.blocks / of_plane, first % of_plane * t_.rows};
        const std::int64_t all = t_.parts.length(part), together = t_.images_together ? all : 1;
        std::fill_n(lanes, channels(vector) * taps * t_.lanes, T(0));
        for (std::int64_t c = 0; c < channels(vector); ++c) {
            Block block = begin;
            for (std::int64_t left = all; left > 0 && !call_stopped(); left -= together) {
                add_blocks(block, together, vector * t_.lanes + c, lanes + c * taps * t_.lanes, thread);
                next(block);
            }
        }
        depthwise_.sum_lanes(lanes, channels(vector) * taps, sums);
    }

    void store(std::int64_t vector, const T* sums) const {
        const std::int64_t taps = s_.taps();
        T* out = io_.y + vector * t_.lanes * taps;
        for (std::int64_t i = 0; i < channels(vector) * taps; ++i) out[p_.flip ? i / taps * taps + taps - 1 - i % taps : i] = sums[i];
    }

  private:
    std::int64_t channels(std::int64_t vector) const {
        return std::min<std::int64_t>(t_.lanes, s_.groups * s_.out_channels - vector * t_.lanes);
    }

    struct Block {
        std::int64_t image, depth, row;
    };

    // Without divisions.
    void next(Block& b) const {
        b.row += t_.rows;
        if (b.row < s_.axis[1].output) return;
        b.row = 0;
        if (++b.depth < s_.axis[0].output) return;
        b.depth = 0;
        ++b.image;
    }

    // Of images that follow each other.
    void add_blocks(const Block& block, std::int64_t images, std::int64_t channel, T* lanes, int thread) const {
        const Axis &height = s_.axis[1], &width = s_.axis[2];
        const std::int64_t first = block.row, depth = block.depth, image = block.image;
        const std::int64_t plane = s_.axis[0].at(depth, 0), rows = std::min(t_.rows, height.output - first);
        if (plane < 0 || plane >= s_.axis[0].input) return;
        const std::int64_t begin = std::clamp<std::int64_t>(height.at(first, 0), 0, height.input),
                           end = std::clamp<std::int64_t>(height.at(first + rows - 1, height.kernel - 1) + 1, begin, height.input);
        const TensorView<const T>&x = io_.x, &g = io_.grad;
        PlaneProducts<T> p{};
        p.x = x.data + image * x.batch + (s_.out_channels == 1 ? channel : channel / s_.out_channels) * x.channel + plane * x.spatial[0] +
              begin * x.spatial[1];
        p.x_row = x.spatial[1];
        p.x_rows = end - begin;
        p.x_columns = width.input;
        p.g = g.data + image * g.batch + channel * g.channel + depth * g.spatial[0] + first * g.spatial[1];
        p.g_row = g.spatial[1];
        p.g_rows = rows;
        p.g_columns = width.output;
        p.top = begin - height.at(first, 0);
        p.left = width.pad_before;
        p.sums = lanes;
        if (x.spatial[2] == 1 && g.spatial[2] == 1) {
            p.planes = images;
            p.x_plane = x.batch;
            p.g_plane = g.batch;
            kernel_(p);
            return;
        }
        T *x_copy = arrays_.template get<T>(thread, window), *g_copy = arrays_.template get<T>(thread, gradient);
        // In the order of the kernel: strips of columns, then images.
        p.planes = 1;
        for (std::int64_t j = 0; j < width.output; j += t_.lanes) {
            PlaneProducts<T> strip = p;
            strip.g_columns = std::min<std::int64_t>(t_.lanes, width.output - j);
            const std::int64_t from = std::clamp<std::int64_t>(width.at(j, 0), 0, width.input),
                               to = std::clamp<std::int64_t>(width.at(j + strip.g_columns - 1, width.kernel - 1) + 1, from, width.input);
            strip.x_columns = to - from;
            strip.left = from - width.at(j, 0);
            strip.x += from * x.spatial[2];
            strip.g += j * g.spatial[2];
            for (std::int64_t i = 0; i < images; ++i, strip.x += x.batch, strip.g += g.batch) {
                PlaneProducts<T> one = strip;
                if (x.spatial[2] != 1) copy(one.x, one.x_row, p.x_rows, strip.x_columns, x.spatial[2], x_copy);
                if (g.spatial[2] != 1) copy(one.g, one.g_row, p.g_rows, strip.g_columns, g.spatial[2], g_copy);
                kernel_(one);
            }
        }
    }

    // Rows whose neighbours are none in memory, to where they are.
    void copy(const T*& from, std::int64_t& row, std::int64_t rows, std::int64_t columns, std::int64_t step, T* to) const {
        for (std::int64_t r = 0; r < rows; ++r) kernels_.copy_every(from + r * row, step, columns, to + r * columns);
        from = to;
        row = columns;
    }

    const Problem& p_;
    const ConvShape& s_;
    const DepthwiseGradientTiling& t_;
    const OperandsOf<T>& io_;
    const Arrays& arrays_;
    const Kernels<T>& kernels_;
    const DepthwiseKernels<T>& depthwise_;
    void (*kernel_)(const PlaneProducts<T>&);
};

template <class T>
void run(const Execution<DepthwiseGradientTiling>& e, const OperandsOf<T>& io, int threads) {
    const DepthwiseGradientTiling& t = e.tiling;
    const int used = e.threads(threads), slots_used = slots_of(t.tasks, used);
    const Buffer sums(static_cast<std::size_t>(bytes_of_sums(e.problem, t, slots_used)));
    const Arrays arrays(sizes(e.problem, t), slots_used);
    const SumsInParts<T> parts(e.problem, t, sums.as<T>());
    const auto run_tasks = [&](const auto& gradient) {
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
        run_tasks(DepthwisePlanesGradient<T>(e, io, arrays));
    } else {
        run_tasks(DepthwiseGradient<T>(e, io, arrays));
    }
}

}  // namespace

void run_depthwise_gradient(const Execution<DepthwiseGradientTiling>& e, const Operands& io, int threads) {
    with_real(e.problem.dtype, [&](auto zero) { run(e, typed<decltype(zero)>(io), threads); });
}

std::int64_t depthwise_gradient_workspace_bytes(const Execution<DepthwiseGradientTiling>& e, int threads) {
    const int slots_used = e.problem.free_batch ? threads : slots_of(e.tiling.tasks, e.threads(threads));
    return Arrays::bytes_per_thread(sizes(e.problem, e.tiling)) * slots_used + bytes_of_sums(e.problem, e.tiling, slots_used);
}

}  // namespace npconv

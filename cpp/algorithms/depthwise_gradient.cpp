// SPDX-License-Identifier: BSD-3-Clause
// Tiling in plan/depthwise_gradient_tiling.hpp, the kernel in kernels/tap_products.inl.
#include "algorithms/depthwise_gradient.hpp"

#include <algorithm>

#include "core/border.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/depthwise_gradient_tiling.hpp"
#include "plan/gemm_tiling.hpp"
#include "plan/weight_gradient_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { window, gradient, offsets, slots };
using Arrays = Workspace<slots>;

Arrays::Sizes sizes(const Problem& p, const DepthwiseGradientTiling& t) {
    const std::int64_t element = size_of(p.dtype);
    Arrays::Sizes bytes{};
    bytes[window] = t.window_elements() * element;
    bytes[gradient] = t.rows * p.shape.axis[2].output * t.lanes * element;
    bytes[offsets] = p.shape.taps() * static_cast<std::int64_t>(sizeof(std::int64_t));
    return bytes;
}

// Sums of all tasks: they are small, or there are no parts, and a task at a time needs them.
std::int64_t bytes_of_sums(const Problem& p, const DepthwiseGradientTiling& t, int slots_used) {
    const std::int64_t of_task = Arrays::rounded(t.sums_of_task(p.shape) * size_of(p.dtype));
    return of_task * (t.parts.parts > 1 ? t.tasks : slots_used);
}

template <class T>
class DepthwiseGradient {
  public:
    DepthwiseGradient(const Problem& p, const DepthwiseGradientTiling& t, const WeightGradientOperands<T>& io, const Arrays& arrays,
                      T* sums)
        : p_(p), s_(p.shape), t_(t), io_(io), arrays_(arrays), sums_(sums) {
        sums_step_ = Arrays::rounded(t.sums_of_task(s_) * static_cast<std::int64_t>(sizeof(T))) / static_cast<std::int64_t>(sizeof(T));
        row_ = t.window[2] * t.lanes;
        plane_ = t.window[1] * row_;
    }

    // LOOP 1
    void task(std::int64_t number, int thread) const {
        const std::int64_t part = number % t_.parts.parts, vector = number / t_.parts.parts;
        T* sums = sums_ + (t_.parts.parts > 1 ? number : thread) * sums_step_;
        std::fill_n(sums, t_.sums_of_task(s_), T(0));
        std::int64_t* offset = arrays_.template get<std::int64_t>(thread, offsets);
        list_taps(offset);
        const std::int64_t rows_of_plane = ceil_div(s_.axis[1].output, t_.rows);
        for (std::int64_t b = t_.parts.begin(part), end = b + t_.parts.length(part); b < end; ++b) {
            const std::int64_t image = b / t_.blocks, block = b % t_.blocks;
            const std::int64_t row = block % rows_of_plane * t_.rows;
            add_block(vector, image, block / rows_of_plane, row, std::min(t_.rows, s_.axis[1].output - row), offset, sums, thread);
        }
        if (t_.parts.parts == 1) store(vector, sums);
    }

    // Of a sum in parts, those of a vector of channels: added in order, to the first one.
    void add_parts(std::int64_t vector) const {
        T* first = sums_ + vector * t_.parts.parts * sums_step_;
        for (std::int64_t i = 1; i < t_.parts.parts; ++i) {
            const T* more = first + i * sums_step_;
            for (std::int64_t j = 0; j < t_.sums_of_task(s_); ++j) first[j] += more[j];
        }
        store(vector, first);
    }

  private:
    std::int64_t all_channels() const { return s_.groups * s_.out_channels; }
    int channels(std::int64_t vector) const {
        return static_cast<int>(std::min<std::int64_t>(t_.lanes, all_channels() - vector * t_.lanes));
    }

    // Taps in the order of the weights; those of a flipped kernel from its end.
    void list_taps(std::int64_t* offset) const {
        const std::int64_t taps = s_.taps();
        std::int64_t n = 0;
        for (std::int64_t d = 0; d < s_.axis[0].kernel; ++d) {
            for (std::int64_t h = 0; h < s_.axis[1].kernel; ++h) {
                for (std::int64_t w = 0; w < s_.axis[2].kernel; ++w, ++n) {
                    offset[p_.flip ? taps - 1 - n : n] =
                        d * s_.axis[0].dilation * plane_ + h * s_.axis[1].dilation * row_ + w * s_.axis[2].dilation * t_.lanes;
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
            gather(from, g, rows, s_.axis[2].output, vector, copy, p.g_row);
            p.g = copy;
        }
        p.x = x;
        p.x_pixel = s_.axis[2].stride * t_.lanes;
        p.x_row = s_.axis[1].stride * row_;
        p.rows = rows;
        p.columns = s_.axis[2].output;
        p.offset = offset;
        p.taps = s_.taps();
        p.group = t_.group;
        p.channels = channels(vector);
        p.sums = sums;
        depthwise_kernels_of<T>(*p_.kernels).tap_products(p);
    }

    void gather(const T* from, const TensorView<const T>& a, std::int64_t rows, std::int64_t pixels, std::int64_t vector, T* to,
                std::int64_t to_row) const {
        winograd_kernels_of<T>(*p_.kernels)
            .gather_channels({from, a.spatial[1], a.spatial[2], a.channel, rows, pixels, channels(vector), to, to_row, nullptr});
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

    // Sums [tap][channel of a group][lane] -> [output channel][channel of a group][tap].
    void store(std::int64_t vector, const T* sums) const {
        const std::int64_t taps = s_.taps();
        for (std::int64_t lane = 0; lane < channels(vector); ++lane) {
            T* out = io_.out + (vector * t_.lanes + lane) * t_.group * taps;
            for (std::int64_t i = 0; i < t_.group; ++i) {
                for (std::int64_t tap = 0; tap < taps; ++tap) out[i * taps + tap] = sums[(tap * t_.group + i) * t_.lanes + lane];
            }
        }
    }

    const Problem& p_;
    const ConvShape& s_;
    const DepthwiseGradientTiling& t_;
    const WeightGradientOperands<T>& io_;
    const Arrays& arrays_;
    T* sums_;
    std::int64_t sums_step_ = 0, row_ = 0, plane_ = 0;
};

}  // namespace

template <class T>
void run_depthwise_gradient(const Problem& p, const WeightGradientOperands<T>& io, int threads) {
    const DepthwiseGradientTiling t = tile_depthwise_gradient(p);
    const int used = worthwhile_threads(p, threads), slots_used = slots_of(t.tasks, used);
    const Buffer sums(static_cast<std::size_t>(bytes_of_sums(p, t, slots_used)));
    const Arrays arrays(sizes(p, t), slots_used);
    const DepthwiseGradient<T> gradient(p, t, io, arrays, sums.as<T>());
    parallel_for(t.tasks, used, [&](std::int64_t task, int thread) { gradient.task(task, thread); });
    if (t.parts.parts > 1) parallel_for(t.vectors, 1, [&](std::int64_t vector, int) { gradient.add_parts(vector); });
}

std::int64_t depthwise_gradient_workspace_bytes(const Problem& p, int threads) {
    const auto bytes = [&](std::int64_t batch) {
        Problem images = p;
        images.shape.batch = batch;
        const DepthwiseGradientTiling t = tile_depthwise_gradient(images);
        const int slots_used = p.free_batch ? threads : slots_of(t.tasks, worthwhile_threads(p, threads));
        return Arrays::bytes_per_thread(sizes(images, t)) * slots_used + bytes_of_sums(images, t, slots_used);
    };
    if (!p.free_batch) return bytes(p.shape.batch);
    return std::max(bytes(1), bytes(weight_gradient_limits().enough_tasks));
}

template void run_depthwise_gradient(const Problem&, const WeightGradientOperands<float>&, int);
template void run_depthwise_gradient(const Problem&, const WeightGradientOperands<double>&, int);

}  // namespace npconv

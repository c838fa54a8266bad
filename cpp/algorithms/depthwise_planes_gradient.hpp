// SPDX-License-Identifier: BSD-3-Clause
// The gradient of depthwise weights with lane = pixel: a channel at a time, in place. Zeros beside the gradient meet values of x: where one
// is not finite, the result is not finite, which the caller looks for.
#pragma once
#include <algorithm>
#include <cstdint>

#include "algorithms/weight_gradient.hpp"
#include "core/interrupt.hpp"
#include "core/split.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/depthwise_gradient_tiling.hpp"

namespace npconv {

enum DepthwiseGradientSlot : std::size_t { window, gradient, offsets, lane_sums, slots };
using DepthwiseGradientArrays = Workspace<slots>;

template <class T>
class DepthwisePlanesGradient {
  public:
    DepthwisePlanesGradient(const Execution<DepthwiseGradientTiling>& e, const WeightGradientOperands<T>& io,
                            const DepthwiseGradientArrays& arrays)
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
        T* out = io_.out + vector * t_.lanes * taps;
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
    const WeightGradientOperands<T>& io_;
    const DepthwiseGradientArrays& arrays_;
    const Kernels<T>& kernels_;
    const DepthwiseKernels<T>& depthwise_;
    void (*kernel_)(const PlaneProducts<T>&);
};

}  // namespace npconv

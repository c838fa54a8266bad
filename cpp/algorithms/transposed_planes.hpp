// SPDX-License-Identifier: BSD-3-Clause
// Transposed depthwise convolution of planes: tasks for the kernels of kernels/transposed_planes.inl, tiling in plan/transposed_tiling.hpp.
#pragma once
#include <algorithm>
#include <cstdint>

#include "algorithms/operands.hpp"
#include "kernels/registry.hpp"
#include "plan/executions.hpp"

namespace npconv {

template <class T>
class TransposedPlanesRun {
  public:
    // io: with packed weights and bias.
    TransposedPlanesRun(const PhasesExecution& e, const OperandsOf<T>& io)
        : p_(e.forward),
          f_(p_.shape),
          t_(e.tiling),
          io_(io),
          kernel_(depthwise_kernels_of<T>(*e.on->kernels)
                      .transposed_planes[static_cast<std::size_t>(f_.axis[2].kernel - least_transposed_taps)]) {}

    // Tasks are in the order image, chunk, band. rows: room for the rows of x that a band meets, if the elements of a row are not adjacent.
    void task(std::int64_t index, T* rows) const {
        const Axis &height = f_.axis[1], &width = f_.axis[2];
        const std::int64_t band = index % t_.bands.parts;
        index /= t_.bands.parts;
        const std::int64_t chunk = index % t_.chunks.parts, image = index / t_.chunks.parts;
        const std::int64_t channel = t_.chunks.begin(chunk), channels = t_.chunks.length(chunk), plane = height.input * width.input;
        TransposedPlanes<T> k{};
        k.begin = t_.bands.begin(band);
        k.end = k.begin + t_.bands.length(band);
        k.columns = width.input;
        k.top = height.pad_before;
        k.left = width.pad_before;
        k.input_columns = width.output;
        // Whole pairs of rows: the kernel asks for no others.
        k.input_begin = std::clamp<std::int64_t>((k.begin + k.top) / 2 - (height.kernel - 1) / 2, 0, height.output);
        k.input_end = std::clamp<std::int64_t>((k.end - 1 + k.top) / 2 + 1, k.input_begin, height.output);
        k.x_row = io_.x.spatial[1];
        k.x_channel = io_.x.channel;
        k.w_channel = height.kernel * width.kernel;
        k.output.y_stride = f_.axis[0].input * plane;
        k.output.activation = p_.activation.kind;
        k.output.a = static_cast<T>(p_.activation.a);
        k.output.b = static_cast<T>(p_.activation.b);
        const bool copied = io_.x.spatial[2] != 1 && k.input_end > k.input_begin;
        const std::int64_t together = copied ? 1 : channels;
        for (std::int64_t c = channel; c < channel + channels; c += together) {
            k.w = io_.w + c * k.w_channel;
            k.output.bias = io_.bias ? io_.bias + c : nullptr;
            k.output.channels = together;
            for (std::int64_t depth = 0; depth < f_.axis[0].input; ++depth) {
                k.x = io_.x.data + image * io_.x.batch + c * io_.x.channel + depth * io_.x.spatial[0] + k.input_begin * io_.x.spatial[1];
                k.output.y = io_.y + image * io_.y_batch + (c * f_.axis[0].input + depth) * plane + k.begin * width.input;
                if (copied) copy_rows(k, rows);
                kernel_(k);
            }
        }
    }

  private:
    void copy_rows(TransposedPlanes<T>& k, T* to) const {
        const T* from = k.x;
        k.x = to;
        k.x_row = k.input_columns;
        for (std::int64_t i = k.input_begin; i < k.input_end; ++i, from += io_.x.spatial[1], to += k.input_columns) {
            for (std::int64_t j = 0; j < k.input_columns; ++j) to[j] = from[j * io_.x.spatial[2]];
        }
    }

    const Problem& p_;
    const ConvShape& f_;
    const TransposedTiling& t_;
    const OperandsOf<T> io_;
    void (*kernel_)(const TransposedPlanes<T>&);
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// The destination of finished sums, with bias, residual and activation. All algorithms share it.
#pragma once
#include <cstdint>

#include "algorithms/operands.hpp"
#include "kernels/table.hpp"
#include "plan/problem.hpp"

namespace npconv {

template <class T>
class Epilogue {
  public:
    Epilogue(const Problem& p, const OperandsOf<T>& io)
        : p_(p), io_(io), flat_residual_(io.residual.data ? p.shape.flat_step(io.residual.spatial) : 0) {}

    // The output of `channels` channels from `channel` on (counted over all groups) of `pixels` pixels from `first` on, which are adjacent
    // in y. copy: room for their residual, if it cannot be read in place.
    Output<T> output(std::int64_t image, std::int64_t channel, std::int64_t channels, std::int64_t first, std::int64_t pixels,
                     T* copy) const {
        const ConvShape& s = p_.shape;
        const bool last = p_.layout == Layout::channels_last;
        const std::int64_t all_channels = io_.channels_of_y(s.groups * s.out_channels);
        Output<T> o{};
        if (io_.y) o.y = io_.y + image * io_.y_batch + (last ? first * all_channels + channel : channel * s.pixels() + first);
        o.y_stride = last ? all_channels : s.pixels();
        o.channels = channels;
        o.bias = io_.bias ? io_.bias + channel : nullptr;
        if (io_.residual.data) find_residual(image, channel, first, pixels, copy, o);
        o.activation = p_.activation.kind;
        o.a = static_cast<T>(p_.activation.a);
        o.b = static_cast<T>(p_.activation.b);
        return o;
    }

    // Is the residual read in place for all pixels?
    bool residual_in_place() const {
        if (!io_.residual.data) return true;
        return p_.layout == Layout::channels_last ? io_.residual.channel == 1 && flat_residual_ != 0 : flat_residual_ == 1;
    }

  private:
    // Sets the residual of the output: in place, or a dense copy in the order of the output.
    void find_residual(std::int64_t image, std::int64_t channel, std::int64_t first, std::int64_t pixels, T* copy, Output<T>& o) const {
        const bool last = p_.layout == Layout::channels_last;
        const TensorView<const T>& r = io_.residual;
        const T* base = r.data + image * r.batch + channel * r.channel;
        if (residual_in_place()) {
            o.residual = base + first * flat_residual_;
            o.residual_stride = last ? flat_residual_ : r.channel;
            return;
        }
        const std::int64_t pixel_stride = last ? o.channels : 1, channel_stride = last ? 1 : pixels;
        for (std::int64_t i = 0; i < pixels; ++i) {
            const auto c = p_.shape.coordinates(first + i);
            const T* from = base + c[0] * r.spatial[0] + c[1] * r.spatial[1] + c[2] * r.spatial[2];
            for (std::int64_t j = 0; j < o.channels; ++j) copy[i * pixel_stride + j * channel_stride] = from[j * r.channel];
        }
        o.residual = copy;
        o.residual_stride = last ? o.channels : pixels;
    }

    const Problem& p_;
    const OperandsOf<T>& io_;
    std::int64_t flat_residual_;  // elements between pixels of the residual if they are the same everywhere, else 0
};

}  // namespace npconv

// SPDX-License-Identifier: BSD-3-Clause
// Timing of calls: "measure" times the candidates on dense tensors of the problem's shape.
#pragma once
#include <algorithm>
#include <chrono>

#include "algorithms/operands.hpp"
#include "core/buffer.hpp"
#include "plan/problem.hpp"

namespace npconv {

class Rehearsal {
  public:
    // adjoint: the call is a transposed convolution, and p is the convolution whose adjoint it is.
    explicit Rehearsal(const Problem& p, bool adjoint = false) {
        const ConvShape& s = p.shape;
        std::array<std::int64_t, 3> in{}, out{};
        for (std::size_t a = 0; a < 3; ++a) {
            in[a] = adjoint ? s.axis[a].output : s.axis[a].input;
            out[a] = adjoint ? s.axis[a].input : s.axis[a].output;
        }
        const std::int64_t channels = s.groups * (adjoint ? s.out_channels : s.in_channels), inputs = in[0] * in[1] * in[2];
        operands.y_batch = s.groups * (adjoint ? s.in_channels : s.out_channels) * out[0] * out[1] * out[2];
        x_ = Buffer(static_cast<std::size_t>(s.batch * channels * inputs * size_of(p.dtype)));
        y_ = Buffer(static_cast<std::size_t>(s.batch * operands.y_batch * size_of(p.dtype)));
        with_real(p.dtype, [&](auto zero) { std::fill_n(x_.as<decltype(zero)>(), s.batch * channels * inputs, decltype(zero)(1)); });
        const bool last = p.layout == Layout::channels_last;
        const std::int64_t pixel = last ? channels : 1, row = pixel * in[2];
        operands.x = {x_.as<const void>(), channels * inputs, last ? 1 : inputs, {row * in[1], row, pixel}};
        operands.y = y_.as<void>();
    }

    Operands operands;

    // Seconds of a call: the best of three, after one warm-up.
    template <class F>
    static double time(const F& call) {
        using Clock = std::chrono::steady_clock;
        double least = 0.0;
        for (int round = 0; round < 4; ++round) {
            const auto start = Clock::now();
            call();
            const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
            if (round == 1 || (round > 1 && seconds < least)) least = seconds;
        }
        return least;
    }

  private:
    Buffer x_, y_;
};

}  // namespace npconv

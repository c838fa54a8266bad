// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/naive.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "algorithms/gemm_packing.hpp"
#include "algorithms/kernel_runs.hpp"
#include "core/border.hpp"
#include "core/parallel.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

using Wide = long double;  // of the C library, so that this shares nothing with the vector code

constexpr Wide pi = 3.141592653589793238462643383279502884L;

Wide sigmoid(Wide v) {
    // Of the two forms the one whose exponential is at most 1: nothing overflows.
    const Wide e = std::exp(-std::fabs(v));
    return v < 0 ? e / (1 + e) : 1 / (1 + e);
}

// The limit at minus infinity is 0, where the product of the definition would be NaN.
Wide times_weight(Wide v, Wide weight) { return weight == 0 ? 0 : v * weight; }

Wide activated(const ActivationSpec& spec, Wide v) {
    switch (spec.kind) {
        case Activation::none: return v;
        case Activation::clip: return v < spec.a ? spec.a : v > spec.b ? spec.b : v;
        case Activation::leaky_relu: return v < 0 ? spec.a * v : v;
        case Activation::sigmoid: return sigmoid(v);
        case Activation::tanh: return std::tanh(v);
        case Activation::silu: return times_weight(v, sigmoid(v));
        case Activation::hardswish: return v <= -3 ? 0 : v >= 3 ? v : v * (v + 3) / 6;
        case Activation::gelu: return times_weight(v, std::erfc(-v / std::sqrt(Wide(2))) / 2);
        case Activation::gelu_tanh: return times_weight(v, sigmoid(2 * std::sqrt(2 / pi) * (v + 0.044715L * v * v * v)));
    }
    return std::numeric_limits<Wide>::quiet_NaN();
}

// Limits and slope as the other algorithms have them: rounded to the dtype.
template <class T>
ActivationSpec rounded(ActivationSpec activation) {
    activation.a = static_cast<double>(static_cast<T>(activation.a));
    activation.b = static_cast<double>(static_cast<T>(activation.b));
    return activation;
}

// Rounded first: the activation of the number that the other algorithms see, too.
template <class T>
T finished(const ActivationSpec& activation, double sum) {
    return static_cast<T>(activated(activation, static_cast<Wide>(static_cast<T>(sum))));
}

// The element of x that output o meets by tap t, or -1.
std::int64_t met(const Axis& forward, std::int64_t o, std::int64_t t) {
    const std::int64_t at = o + forward.pad_before - t * forward.dilation;
    return at >= 0 && at % forward.stride == 0 && at / forward.stride < forward.output ? at / forward.stride : -1;
}

// The place of x that an output meets by a tap; nothing where that is a zero of the border.
std::optional<std::array<std::int64_t, 3>> met_by(const Problem& p, const std::array<std::int64_t, 3>& output, std::int64_t tap) {
    const auto& axis = p.shape.axis;
    const std::int64_t width = axis[2].kernel, height = axis[1].kernel;
    const std::array<std::int64_t, 3> k{tap / width / height, tap / width % height, tap % width};
    std::array<std::int64_t, 3> place{};
    for (std::size_t a = 0; a < 3; ++a) {
        place[a] = border_source(axis[a].at(output[a], k[a]), axis[a].input, p.border);
        if (place[a] < 0) return {};
    }
    return place;
}

template <class T>
const T* at(const T* data, const TensorView<const T>& view, const std::array<std::int64_t, 3>& place) {
    return data + place[0] * view.spatial[0] + place[1] * view.spatial[1] + place[2] * view.spatial[2];
}

template <class T>
void straight(const Problem& p, const Context& on, const OperandsOf<T>& io, int threads) {
    const ConvShape& s = p.shape;
    const std::int64_t channels = s.groups * s.out_channels, pixels = s.pixels();
    const std::int64_t taps = s.in_channels == 0 ? 0 : s.taps();
    const bool last = p.layout == Layout::channels_last;
    const std::int64_t channels_of_y = io.channels_of_y(channels);
    const ActivationSpec activation = rounded<T>(p.activation);
    const int used = worthwhile_threads(p, on, threads);
    parallel_for(s.batch * channels, used, [&](std::int64_t task, int) {
        const std::int64_t image = task / channels, channel = task % channels;
        const T* x = io.x.data + image * io.x.batch + channel / s.out_channels * s.in_channels * io.x.channel;
        const T* w = io.w + channel * s.k();
        for (std::int64_t pixel = 0; pixel < pixels && !call_stopped(); ++pixel) {
            const auto o = s.coordinates(pixel);
            double sum = 0.0;
            for (std::int64_t tap = 0; tap < taps; ++tap) {
                const auto place = met_by(p, o, tap);
                const T* from = place ? at(x, io.x, *place) : nullptr;
                for (std::int64_t c = 0; c < s.in_channels; ++c) {
                    sum += (from ? static_cast<double>(from[c * io.x.channel]) : 0.0) * static_cast<double>(w[tap * s.in_channels + c]);
                }
            }
            if (io.bias) sum += static_cast<double>(io.bias[channel]);
            if (io.residual.data) {
                const TensorView<const T>& r = io.residual;
                sum += static_cast<double>(*at(r.data + image * r.batch + channel * r.channel, r, o));
            }
            io.y[image * io.y_batch + (last ? pixel * channels_of_y + channel : channel * pixels + pixel)] = finished<T>(activation, sum);
        }
    });
}

template <class T>
void transposed(const Problem& p, const Context& on, const OperandsOf<T>& io, int threads) {
    const ConvShape& s = p.shape;
    const std::int64_t channels = s.groups * s.in_channels, taps = s.taps();
    const std::int64_t depth = s.axis[0].input, height = s.axis[1].input, width = s.axis[2].input, pixels = depth * height * width;
    const bool last = p.layout == Layout::channels_last;
    const std::int64_t channels_of_y = io.channels_of_y(channels);
    const ActivationSpec activation = rounded<T>(p.activation);
    parallel_for(s.batch * channels, worthwhile_threads(p, on, threads), [&](std::int64_t task, int) {
        const std::int64_t image = task / channels, channel = task % channels, group = channel / s.in_channels;
        const T* x = io.x.data + image * io.x.batch + group * s.out_channels * io.x.channel;
        const T* w = io.w + (group * s.out_channels * s.in_channels + channel % s.in_channels) * taps;
        for (std::int64_t pixel = 0; pixel < pixels && !call_stopped(); ++pixel) {
            const std::array<std::int64_t, 3> o{pixel / width / height, pixel / width % height, pixel % width};
            double sum = 0.0;
            std::int64_t tap = 0;
            for (std::int64_t d = 0; d < s.axis[0].kernel; ++d) {
                for (std::int64_t h = 0; h < s.axis[1].kernel; ++h) {
                    for (std::int64_t v = 0; v < s.axis[2].kernel; ++v, ++tap) {
                        const std::int64_t i = met(s.axis[0], o[0], d), j = met(s.axis[1], o[1], h), k = met(s.axis[2], o[2], v);
                        if (i < 0 || j < 0 || k < 0) continue;
                        const T* from = at(x, io.x, {i, j, k});
                        const T* weight = w + (p.flip ? taps - 1 - tap : tap);
                        for (std::int64_t c = 0; c < s.out_channels; ++c) {
                            sum += static_cast<double>(from[c * io.x.channel]) * static_cast<double>(weight[c * s.in_channels * taps]);
                        }
                    }
                }
            }
            if (io.bias) sum += static_cast<double>(io.bias[channel]);
            io.y[image * io.y_batch + (last ? pixel * channels_of_y + channel : channel * pixels + pixel)] = finished<T>(activation, sum);
        }
    });
}

template <class T>
void weight_gradient(const Problem& p, const Context& on, const OperandsOf<T>& io, int threads) {
    const ConvShape& s = p.shape;
    const std::int64_t taps = s.taps();
    parallel_for(s.groups * s.out_channels * s.in_channels, worthwhile_threads(p, on, threads), [&](std::int64_t task, int) {
        const std::int64_t out = task / s.in_channels, channel = out / s.out_channels * s.in_channels + task % s.in_channels;
        for (std::int64_t tap = 0; tap < taps; ++tap) {
            double sum = 0.0;
            for (std::int64_t image = 0; image < s.batch && !call_stopped(); ++image) {
                const T* x = io.x.data + image * io.x.batch + channel * io.x.channel;
                const T* g = io.grad.data + image * io.grad.batch + out * io.grad.channel;
                for (std::int64_t pixel = 0; pixel < s.pixels() && !call_stopped(); ++pixel) {
                    const auto o = s.coordinates(pixel);
                    const auto place = met_by(p, o, tap);
                    sum += (place ? static_cast<double>(*at(x, io.x, *place)) : 0.0) * static_cast<double>(*at(g, io.grad, o));
                }
            }
            io.y[task * taps + (p.flip ? taps - 1 - tap : tap)] = static_cast<T>(sum);
        }
    });
}

template <class T>
void input_gradient(const Problem& p, const Context& on, const OperandsOf<T>& io, int threads) {
    const ConvShape& s = p.shape;
    const std::int64_t channels = s.groups * s.in_channels, taps = s.taps();
    const std::int64_t inputs = s.axis[0].input * s.axis[1].input * s.axis[2].input;
    const std::int64_t step = p.layout == Layout::channels_last ? channels : 1;
    parallel_for(s.batch * channels, worthwhile_threads(p, on, threads), [&](std::int64_t task, int) {
        const std::int64_t image = task / channels, channel = task % channels, group = channel / s.in_channels;
        T* y = io.y + image * io.y_batch + channel * (step == 1 ? inputs : 1);
        for (std::int64_t i = 0; i < inputs; ++i) y[i * step] = T(0);
        const T* g = io.x.data + image * io.x.batch + group * s.out_channels * io.x.channel;
        const T* w = io.w + (group * s.out_channels * s.in_channels + channel % s.in_channels) * taps;
        for (std::int64_t pixel = 0; pixel < s.pixels() && !call_stopped(); ++pixel) {
            const auto o = s.coordinates(pixel);
            const T* from = at(g, io.x, o);
            for (std::int64_t tap = 0; tap < taps; ++tap) {
                const auto place = met_by(p, o, tap);
                if (!place) continue;
                T& sum_of = y[(((*place)[0] * s.axis[1].input + (*place)[1]) * s.axis[2].input + (*place)[2]) * step];
                const T* weight = w + (p.flip ? taps - 1 - tap : tap);
                double sum = 0.0;
                for (std::int64_t c = 0; c < s.out_channels; ++c) {
                    sum += static_cast<double>(from[c * io.x.channel]) * static_cast<double>(weight[c * s.in_channels * taps]);
                }
                sum_of = static_cast<T>(static_cast<double>(sum_of) + sum);
            }
        }
    });
}

// The definition takes every tap, whatever the magnitudes.
template <class T>
double pack_taps(const Problem& p, const TensorView<const T>& w, T* to) {
    const ConvShape& s = p.shape;
    const KBlock all = order_k(s, s.k(), s.k()).block(0);
    for (std::int64_t o = 0; o < s.groups * s.out_channels; ++o, to += s.k()) {
        for_each_tap(p, w, all, [&](std::int64_t offset, std::int64_t place) {
            const T* from = w.data + o * w.batch + offset;
            for (std::int64_t c = 0; c < s.in_channels; ++c) to[place + c] = from[c * w.channel];
        });
    }
    return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void convolve(const NaiveExecution& e, const Operands& io, int threads) {
    count_naive_run();
    with_real(e.problem.dtype, [&](auto zero) { straight(e.problem, *e.on, typed<decltype(zero)>(io), threads); });
}

std::int64_t workspace_bytes(const NaiveExecution&, double, int) { return 0; }

PackedWeights pack(const NaiveExecution& e, const AnyView& w, int) {
    const ConvShape& s = e.problem.shape;
    return packed_by(e.problem.dtype, s.groups * s.out_channels * s.k(),
                     [&]<class T>(T* to) { return pack_taps(e.problem, typed<T>(w), to); });
}

void set_format(const NaiveExecution& e, PackedFormat& format) {
    const ConvShape& s = e.problem.shape;
    format.k = order_k(s, s.k(), s.k());
}

void run_naive_transposed(const Problem& p, const Context& on, const Operands& io, int threads) {
    with_real(p.dtype, [&](auto zero) { transposed(p, on, typed<decltype(zero)>(io), threads); });
}

void run_naive_input_gradient(const Problem& p, const Context& on, const Operands& io, int threads) {
    with_real(p.dtype, [&](auto zero) { input_gradient(p, on, typed<decltype(zero)>(io), threads); });
}

void run_naive_weight_gradient(const Problem& p, const Context& on, const Operands& io, int threads) {
    with_real(p.dtype, [&](auto zero) { weight_gradient(p, on, typed<decltype(zero)>(io), threads); });
}

}  // namespace npconv

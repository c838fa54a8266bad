// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/stage.hpp"

#include <algorithm>
#include <cstring>

#include "core/border.hpp"
#include "kernels/registry.hpp"
#include "plan/copy_form.hpp"

namespace npconv {
namespace {

template <class T>
void copy_run(const T* from, std::int64_t n, T* to) {
    constexpr std::int64_t step = 4, call = 64;  // short runs are many: no call for them
    if (n >= call) {
        std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
    } else if (n >= step) {
        for (std::int64_t i = 0; i < n - step; i += step) std::memcpy(to + i, from + i, step * sizeof(T));
        std::memcpy(to + n - step, from + n - step, step * sizeof(T));
    } else {
        for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
    }
}

template <class T>
void copy_strided(const Kernels<T>& kernels, const T* from, std::int64_t step, std::int64_t n, T* to) {
    if (step == 1) {
        copy_run(from, n, to);
    } else {
        kernels.copy_every(from, step, n, to);
    }
}

constexpr std::int64_t most_columns = 64;
constexpr auto column_number = [] {
    std::array<std::int64_t, most_columns> places{};
    for (std::size_t i = 0; i < most_columns; ++i) places[i] = static_cast<std::int64_t>(i);
    return places;
}();

constexpr std::int64_t few_channels = 3;  // which are picked one after the other

// Pixels, `step` apart, whose channels are neighbours, to rows of channels.
template <class T>
void turn_pixels(const Kernels<T>& kernels, const T* from, std::int64_t step, std::int64_t n, std::int64_t channels, T* to,
                 std::int64_t row) {
    for (std::int64_t i = 0; i < n; i += kernels.lanes) {
        const std::int64_t pixels = std::min<std::int64_t>(kernels.lanes, n - i);
        for (std::int64_t c = 0; c < channels; c += most_columns) {
            kernels.pack_vectors({from + i * step + c, step, pixels, pixels, std::min(most_columns, channels - c), column_number.data(),
                                  to + c * row + i, row});
        }
    }
}

template <class T>
class Staging {
  public:
    Staging(const Problem& p, const Kernels<T>& kernels, const TensorView<const T>& x, const Extents& e, const Box& pixels, const KBlock& k)
        : p_(p), kernels_(kernels), x_(x), e_(e), k_(k) {
        for (std::size_t a = 0; a < 3; ++a) first_[a] = p.shape.axis[a].at(pixels.begin[a], k.tap_begin[a]);
        of_row_ = of_piece(first_[2]);
    }

    void channels_first(T* to) const {
        if (x_.channel == 1 && x_.spatial[2] != 1 && k_.channels() > few_channels) {
            for_each_row([&](std::int64_t row, const T* from) { turn_row(from, to + row * e_.row); });
            return;
        }
        for (std::int64_t c = k_.channel_begin; c < k_.channel_end; ++c, to += e_.channel_stride) {
            for_each_row([&](std::int64_t row, const T* from) { copy_row(from ? from + c * x_.channel : nullptr, to + row * e_.row); });
        }
    }

    void channels_last(T* to) const {
        for_each_row([&](std::int64_t row, const T* from) {
            T* begin = to + row * e_.stride[1];
            if (!from) {
                std::fill_n(begin, e_.stride[1], T(0));
            } else {
                copy_pixels(from + k_.channel_begin * x_.channel, begin);
            }
        });
    }

  private:
    // f(number of the row in the copy, the row of the input, or null where it is in the zero border)
    template <class F>
    void for_each_row(const F& f) const {
        const auto& axis = p_.shape.axis;
        std::int64_t row = 0;
        for (std::int64_t d = 0; d < e_.axis[0].extent(); ++d) {
            const std::int64_t depth = border_source(e_.axis[0].source(first_[0], d), axis[0].input, p_.border);
            for (std::int64_t h = 0; h < e_.axis[1].extent(); ++h, ++row) {
                const std::int64_t height = border_source(e_.axis[1].source(first_[1], h), axis[1].input, p_.border);
                f(row, depth < 0 || height < 0 ? nullptr : x_.data + depth * x_.spatial[0] + height * x_.spatial[1]);
            }
        }
    }

    // What of a piece of a row is in the input, which takes divisions.
    Inside of_piece(std::int64_t first) const {
        return inside(first, e_.axis[2].source_step, p_.shape.axis[2].input, 0, e_.axis[2].length);
    }

    // Of a piece that begins at `first`: its first element in the input, and the step to the next one there. Only where there are any:
    // with steps and borders of up to 2^63 the products of the others are no numbers of 64 bits.
    const T* first_inside(const T* from, std::int64_t first, const Inside& in) const {
        return from + (first + in.begin * e_.axis[2].source_step) * x_.spatial[2];
    }
    std::int64_t step_of(const Inside& in) const { return in.end - in.begin > 1 ? e_.axis[2].source_step * x_.spatial[2] : 1; }

    // One channel's row.
    void copy_row(const T* from, T* to) const {
        const AxisCopy& a = e_.axis[2];
        if (!from) {
            std::fill_n(to, e_.row, T(0));
            return;
        }
        std::int64_t first = first_[2];
        for (std::int64_t piece = 0; piece < a.pieces; ++piece, first += a.piece_step, to += a.length) {
            const Inside in = piece == 0 ? of_row_ : of_piece(first);
            border(from, first, 0, in.begin, to);
            if (in.end > in.begin) copy_strided(kernels_, first_inside(from, first, in), step_of(in), in.end - in.begin, to + in.begin);
            border(from, first, in.end, a.length, to);
        }
        for (std::int64_t i = a.extent(); i < e_.row; ++i) *to++ = T(0);
    }

    // A row of pixels whose channels are neighbours, to rows of channels.
    void turn_row(const T* from, T* to) const {
        const AxisCopy& a = e_.axis[2];
        const std::int64_t channels = k_.channels();
        std::int64_t first = first_[2];
        T* piece_to = to;
        for (std::int64_t piece = 0; from && piece < a.pieces; ++piece, first += a.piece_step, piece_to += a.length) {
            const Inside in = piece == 0 ? of_row_ : of_piece(first);
            if (in.end > in.begin) {
                turn_pixels(kernels_, first_inside(from, first, in) + k_.channel_begin, step_of(in), in.end - in.begin, channels,
                            piece_to + in.begin, e_.channel_stride);
            }
            for (std::int64_t c = 0; c < channels; ++c) {
                border(from + k_.channel_begin + c, first, 0, in.begin, piece_to + c * e_.channel_stride);
                border(from + k_.channel_begin + c, first, in.end, a.length, piece_to + c * e_.channel_stride);
            }
        }
        const std::int64_t done = from ? a.extent() : 0;
        for (std::int64_t c = 0; c < channels; ++c) std::fill_n(to + c * e_.channel_stride + done, e_.row - done, T(0));
    }

    void border(const T* from, std::int64_t first, std::int64_t begin, std::int64_t end, T* to) const {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t source = border_source(first + i * e_.axis[2].source_step, p_.shape.axis[2].input, p_.border);
            to[i] = source < 0 ? T(0) : from[source * x_.spatial[2]];
        }
    }

    // A row of pixels with all channels of the block.
    void copy_pixels(const T* from, T* to) const {
        const AxisCopy& a = e_.axis[2];
        const Axis& axis = p_.shape.axis[2];
        const std::int64_t channels = k_.channels();
        const bool neighbours = x_.channel == 1 && x_.spatial[2] == channels && a.source_step == 1;
        const bool rows = x_.channel != 1 && x_.spatial[2] == 1;
        std::int64_t first = first_[2];
        for (std::int64_t piece = 0; piece < a.pieces; ++piece, first += a.piece_step) {
            const Inside in = inside(first, a.source_step, axis.input, 0, a.length);
            for (std::int64_t i = 0; i < a.length;) {
                if (i == in.begin && in.end > i && (neighbours || rows)) {
                    const T* begin = from + (first + i * a.source_step) * x_.spatial[2];
                    if (neighbours) {
                        copy_run(begin, (in.end - i) * channels, to);
                    } else {
                        transpose_rows(begin, a.source_step, in.end - i, to);
                    }
                    to += (in.end - i) * channels;
                    i = in.end;
                    continue;
                }
                const std::int64_t source = border_source(first + i * a.source_step, axis.input, p_.border);
                if (source < 0) {
                    std::fill_n(to, channels, T(0));
                } else {
                    copy_strided(kernels_, from + source * x_.spatial[2], x_.channel, channels, to);
                }
                to += channels;
                ++i;
            }
        }
    }

    // n pixels of a row, each step-th, which are neighbours in x channel by channel.
    void transpose_rows(const T* from, std::int64_t step, std::int64_t n, T* to) const {
        constexpr std::int64_t most = most_columns;  // pixels at a time
        const std::int64_t channels = k_.channels(), lanes = kernels_.lanes;
        constexpr std::int64_t most_lanes = 16;
        T picked[most_lanes * most];
        for (std::int64_t i = 0; i < n; i += most, from += most * step, to += most * channels) {
            const std::int64_t pixels = std::min(most, n - i);
            for (std::int64_t c = 0; c < channels; c += lanes) {
                const std::int64_t width = std::min(lanes, channels - c);
                const T* row = from + c * x_.channel;
                PackedRows<T> rows{row, x_.channel, width, width, pixels, column_number.data(), to + c, channels};
                if (step != 1) {
                    for (std::int64_t r = 0; r < width; ++r) kernels_.copy_every(row + r * x_.channel, step, pixels, picked + r * most);
                    rows.from = picked;
                    rows.from_stride = most;
                }
                kernels_.pack_vectors(rows);
            }
        }
    }

    const Problem& p_;
    const Kernels<T>& kernels_;
    const TensorView<const T>& x_;
    const Extents& e_;
    const KBlock& k_;
    std::array<std::int64_t, 3> first_{};  // input coordinates of the block's first pixel and tap
    Inside of_row_{};                      // of the first piece of a row, the same for all of them
};

// Pixels of a flat map: one row for each channel, from however many rows of the input.
template <class T>
void stage_flat(const Problem& problem, const Kernels<T>& kernels, const TensorView<const T>& x, const Box& pixels, const KBlock& k,
                std::int64_t row_length, T* to) {
    const ConvShape& s = problem.shape;
    const std::int64_t flat_step = s.flat_step(x.spatial);  // pixels that are evenly apart are one run; else each row is one
    const std::int64_t width = flat_step != 0 ? s.pixels() : s.axis[2].output, step = flat_step != 0 ? flat_step : x.spatial[2];
    // f(pointer to the first pixel of a run, its length, its place in the row)
    const auto for_each_run = [&](const auto& f) {
        for (std::int64_t p = pixels.begin[2]; p < pixels.end[2];) {
            const auto o = s.coordinates(p);
            const std::int64_t n = std::min(pixels.end[2] - p, width - p % width);
            f(x.data + o[0] * x.spatial[0] + o[1] * x.spatial[1] + o[2] * x.spatial[2], n, p - pixels.begin[2]);
            p += n;
        }
    };
    const std::int64_t channels = k.channels(), done = pixels.length(2);
    if (x.channel == 1 && step != 1 && channels > few_channels) {
        for_each_run([&](const T* from, std::int64_t n, std::int64_t place) {
            turn_pixels(kernels, from + k.channel_begin, step, n, channels, to + place, row_length);
        });
    } else {
        for (std::int64_t c = 0; c < channels; ++c) {
            for_each_run([&](const T* from, std::int64_t n, std::int64_t place) {
                copy_strided(kernels, from + (k.channel_begin + c) * x.channel, step, n, to + c * row_length + place);
            });
        }
    }
    for (std::int64_t c = 0; c < channels; ++c) std::fill_n(to + c * row_length + done, row_length - done, T(0));
}

}  // namespace

std::int64_t staged_elements(const ConvShape& s, const GemmTiling& t) {
    const std::array<std::int64_t, 3> taps{t.k.taps[0].longest(), t.k.taps[1].longest(), t.k.taps[2].longest()};
    return staged_elements(s, form_of(t), t.longest_block(), taps, t.k.channels.longest());
}

template <class T>
Source<T> stage(const Problem& p, const Kernels<T>& kernels, const CopyForm& form, const TensorView<const T>& x, const Box& pixels,
                const KBlock& k, T* to) {
    Source<T> source;
    source.data = to;
    if (form.flat) {
        source.steps.k = flat_row(form, pixels.pixels());
        source.steps.pixel = {0, 0, 1};
        stage_flat(p, kernels, x, pixels, k, source.steps.k, to);
        return source;
    }
    const Extents e =
        extents(p.shape, form, {pixels.length(0), pixels.length(1), pixels.length(2)}, {k.taps(0), k.taps(1), k.taps(2)}, k.channels());
    const Staging<T> staging(p, kernels, x, e, pixels, k);
    if (form.order == Layout::channels_last) {
        staging.channels_last(to);
    } else {
        staging.channels_first(to);
    }
    source.steps.k = e.channel_stride;
    for (std::size_t a = 0; a < 3; ++a) {
        const AxisCopy& axis = e.axis[a];
        source.steps.pixel[a] = axis.pixel_step * e.stride[a];
        source.steps.tap[a] = {axis.tap_scale, axis.phases, axis.length * e.stride[a],
                               (axis.pieces > 1 && axis.phases == 1 ? axis.length : 1) * e.stride[a]};
    }
    return source;
}

template Source<float> stage(const Problem&, const Kernels<float>&, const CopyForm&, const TensorView<const float>&, const Box&,
                             const KBlock&, float*);
template Source<double> stage(const Problem&, const Kernels<double>&, const CopyForm&, const TensorView<const double>&, const Box&,
                              const KBlock&, double*);

}  // namespace npconv

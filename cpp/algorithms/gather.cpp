// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/gather.hpp"

#include <algorithm>

#include "core/border.hpp"
#include "plan/split.hpp"

namespace npconv {
namespace {

// The pixels of one output row that a tap finds inside the input: [begin, end) of the row's pixels o0 .. o0+n-1.
struct Inside {
    std::int64_t begin, end;
};

Inside inside_of_row(const Axis& a, std::int64_t tap, std::int64_t o0, std::int64_t n) {
    const std::int64_t first = a.at(o0, tap);
    // first + i * stride >= 0  and  first + i * stride <= input - 1
    const std::int64_t begin = first >= 0 ? 0 : ceil_div(-first, a.stride);
    const std::int64_t end = first >= a.input ? 0 : (a.input - 1 - first) / a.stride + 1;
    const std::int64_t b = std::min(begin, n);
    return {b, std::clamp(end, b, n)};
}

// Copies `channels` values of n pixels. Channels that are neighbours in memory and in the panel are copied as runs.
template <class T>
void copy_pixels(const T* from, std::int64_t pixel_step, std::int64_t channel_step, std::int64_t n, std::int64_t channels,
                 const PanelLayout& to, T* panel) {
    if (to.k_stride == 1) {
        for (std::int64_t i = 0; i < n; ++i, from += pixel_step, panel += to.pixel_stride) {
            if (channel_step == 1) {
                std::copy_n(from, channels, panel);
            } else {
                for (std::int64_t c = 0; c < channels; ++c) panel[c] = from[c * channel_step];
            }
        }
        return;
    }
    for (std::int64_t c = 0; c < channels; ++c, from += channel_step, panel += to.k_stride) {
        if (pixel_step == 1) {
            std::copy_n(from, n, panel);
        } else {
            for (std::int64_t i = 0; i < n; ++i) panel[i] = from[i * pixel_step];
        }
    }
}

template <class T>
void zero_pixels(std::int64_t n, std::int64_t channels, const PanelLayout& to, T* panel) {
    const bool pixel_rows = to.k_stride == 1;
    const std::int64_t rows = pixel_rows ? n : channels, length = pixel_rows ? channels : n;
    for (std::int64_t r = 0; r < rows; ++r) std::fill_n(panel + r * (pixel_rows ? to.pixel_stride : to.k_stride), length, T(0));
}

}  // namespace

std::array<std::int64_t, 3> coordinates(const ConvShape& s, std::int64_t pixel) {
    const std::int64_t w = s.axis[2].output, h = s.axis[1].output;
    return {pixel / w / h, pixel / w % h, pixel % w};
}

std::array<std::int64_t, 3> tap_coordinates(const ConvShape& s, std::int64_t tap) {
    const std::int64_t w = s.axis[2].kernel, h = s.axis[1].kernel;
    return {tap / w / h, tap / w % h, tap % w};
}

bool inside(const ConvShape& s, std::int64_t pixel_begin, std::int64_t pixel_end) {
    std::array<std::int64_t, 3> low = coordinates(s, pixel_begin), high = coordinates(s, pixel_end - 1);
    // A block that leaves its row visits whole rows, one that leaves its slice whole slices.
    for (std::size_t a = 0; a < 2; ++a) {
        if (low[a] == high[a]) continue;
        for (std::size_t b = a + 1; b < 3; ++b) {
            low[b] = 0;
            high[b] = s.axis[b].output - 1;
        }
    }
    for (std::size_t a = 0; a < 3; ++a) {
        if (s.axis[a].at(low[a], 0) < 0 || s.axis[a].at(high[a], s.axis[a].kernel - 1) >= s.axis[a].input) return false;
    }
    return true;
}

template <class T>
void gather(const ConvShape& s, Border border, const TensorView<const T>& x, std::int64_t pixel_begin, std::int64_t pixel_end,
            std::int64_t k_begin, std::int64_t k_end, const PanelLayout& layout, T* panel) {
    const Axis& width = s.axis[2];
    const std::int64_t pixel_step = width.stride * x.spatial[2];
    for_each_k_run(s, k_begin, k_end, [&](const KRun& run) {
        const auto tap = tap_coordinates(s, run.tap);
        T* out = panel;
        for (std::int64_t pixel = pixel_begin; pixel < pixel_end;) {  // one output row, or what the block has of it
            const auto o = coordinates(s, pixel);
            const std::int64_t n = std::min(pixel_end - pixel, width.output - o[2]);
            const std::int64_t depth = border_source(s.axis[0].at(o[0], tap[0]), s.axis[0].input, border);
            const std::int64_t height = border_source(s.axis[1].at(o[1], tap[1]), s.axis[1].input, border);
            if (depth < 0 || height < 0) {
                zero_pixels(n, run.count, layout, out);
            } else {
                const T* row = x.data + run.first * x.channel + depth * x.spatial[0] + height * x.spatial[1];
                const Inside in = inside_of_row(width, tap[2], o[2], n);
                const auto fill_border = [&](std::int64_t begin, std::int64_t end) {
                    if (border == Border::zeros) {
                        if (begin < end) zero_pixels(end - begin, run.count, layout, out + begin * layout.pixel_stride);
                        return;
                    }
                    for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t source = border_source(width.at(o[2] + i, tap[2]), width.input, border);
                        copy_pixels(row + source * x.spatial[2], 0, x.channel, 1, run.count, layout, out + i * layout.pixel_stride);
                    }
                };
                fill_border(0, in.begin);
                if (in.begin < in.end) {
                    copy_pixels(row + width.at(o[2] + in.begin, tap[2]) * x.spatial[2], pixel_step, x.channel, in.end - in.begin, run.count,
                                layout, out + in.begin * layout.pixel_stride);
                }
                fill_border(in.end, n);
            }
            out += n * layout.pixel_stride;
            pixel += n;
        }
        panel += run.count * layout.k_stride;
    });
}

template void gather(const ConvShape&, Border, const TensorView<const float>&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                     const PanelLayout&, float*);
template void gather(const ConvShape&, Border, const TensorView<const double>&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                     const PanelLayout&, double*);

}  // namespace npconv

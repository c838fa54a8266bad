// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/scatter.hpp"

#include <algorithm>
#include <atomic>

#include "core/parallel.hpp"
#include "core/split.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 16 << 10;  // elements of x and y
constexpr Size least_part = 16 << 10;     // of a plane that threads share
constexpr Size channels_at_once = 32;

int threads_for(const PlacedShape& s, const PoolCall& call) {
    return s.batch * s.channels * (s.few + s.many) < worth_threads ? 1 : call.threads;
}

// Scatters every plane: put(y element, x element) in the order of x, for all places but -1. Of planes fewer than threads each thread takes a
// part, and leaves to the others what is not in it.
template <class X, class Put>
void scatter(const PlacedShape& s, const PoolCall& call, const X* x, const Size* places, X* y, Size y_batch, const Put& put) {
    const int threads = threads_for(s, call);
    if (call.layout == Layout::channels_last && s.channels > 1) {
        const EvenSplit blocks = split_by(s.channels, channels_at_once);
        const Size C = s.channels;
        parallel_for(s.batch * blocks.parts, threads, [&](Size task, int) {
            const Size image = task / blocks.parts, first = blocks.begin(task % blocks.parts), n = blocks.length(task % blocks.parts);
            X* to = y + image * y_batch + first;
            for (Size i = 0; i < s.many; ++i) std::fill_n(to + i * C, n, X(0));
            const X* from = x + image * s.few * C + first;
            const Size* at = places + image * s.few * C + first;
            for (Size i = 0; i < s.few; ++i) {
                for (Size c = 0; c < n; ++c) {
                    if (const Size place = at[i * C + c]; place >= 0) put(to[place * C + c], from[i * C + c]);
                }
            }
        });
        return;
    }
    const Size planes = s.batch * s.channels;
    const Size parts = planes >= threads ? 1 : std::clamp<Size>(s.many / least_part, 1, threads);
    const EvenSplit split(s.many, parts);
    parallel_for(planes * parts, threads, [&](Size task, int) {
        const Size plane = task / parts, begin = split.begin(task % parts), length = split.length(task % parts);
        X* to = y + plane / s.channels * y_batch + plane % s.channels * s.many + begin;
        std::fill_n(to, length, X(0));
        const X* from = x + plane * s.few;
        const Size* at = places + plane * s.few;
        for (Size i = 0; i < s.few; ++i) {
            const Size place = at[i] - begin;
            if (static_cast<std::uint64_t>(place) < static_cast<std::uint64_t>(length)) put(to[place], from[i]);
        }
    });
}

}  // namespace

std::optional<Size> bad_place(const PlacedShape& s, Size least, const PoolCall& call, const Size* places) {
    const Size n = s.batch * s.channels * s.few;
    const EvenSplit parts = split_by(n, 1 << 16);
    std::atomic<Size> bad{-1};
    std::atomic<bool> found{false};
    parallel_for(parts.parts, threads_for(s, call), [&](Size part, int) {
        Size low = 0, high = -1;
        for (Size i = parts.begin(part); i < parts.begin(part + 1); ++i) {
            low = std::min(low, places[i]);
            high = std::max(high, places[i]);
        }
        if (low >= least && high < s.many) return;
        bad = low < least ? low : high;
        found = true;
    });
    return found ? std::optional<Size>(bad) : std::nullopt;
}

template <class X>
void add_at_places(const PlacedShape& s, const PoolCall& call, const X* x, const Size* places, X* y, Size y_batch) {
    scatter(s, call, x, places, y, y_batch, [](X& to, X from) { to += from; });
}

template <class X>
void put_at_places(const PlacedShape& s, const PoolCall& call, const X* x, const Size* places, X* y, Size y_batch) {
    scatter(s, call, x, places, y, y_batch, [](X& to, X from) { to = from; });
}

template <class X>
void take_from_places(const PlacedShape& s, const PoolCall& call, const X* x, const Size* places, X* y) {
    const bool last = call.layout == Layout::channels_last;
    const Size channels = last ? s.channels : 1, images = last ? s.batch : s.batch * s.channels;
    const EvenSplit rows(s.few, std::clamp<Size>(s.few * channels / 4096, 1, s.few));
    parallel_for(images * rows.parts, threads_for(s, call), [&](Size task, int) {
        const Size image = task / rows.parts, part = task % rows.parts;
        const X* from = x + image * s.many * channels;
        for (Size i = rows.begin(part) * channels; i < rows.begin(part + 1) * channels; ++i) {
            const Size at = image * s.few * channels + i;
            y[at] = from[places[at] * channels + i % channels];
        }
    });
}

#define NPCONV_PUT(X) template void put_at_places(const PlacedShape&, const PoolCall&, const X*, const Size*, X*, Size);
NPCONV_PUT(float)
NPCONV_PUT(double)
NPCONV_PUT(std::int8_t)
NPCONV_PUT(std::uint8_t)
NPCONV_PUT(std::int16_t)
NPCONV_PUT(std::int32_t)
NPCONV_PUT(std::int64_t)
#undef NPCONV_PUT
template void add_at_places(const PlacedShape&, const PoolCall&, const float*, const Size*, float*, Size);
template void add_at_places(const PlacedShape&, const PoolCall&, const double*, const Size*, double*, Size);
template void take_from_places(const PlacedShape&, const PoolCall&, const float*, const Size*, float*);
template void take_from_places(const PlacedShape&, const PoolCall&, const double*, const Size*, double*);

}  // namespace npconv

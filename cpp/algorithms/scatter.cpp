// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/scatter.hpp"

#include <algorithm>
#include <atomic>

#include "core/parallel.hpp"
#include "core/split.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

constexpr Size worth_threads = 16 << 10;                     // elements of x and y
constexpr Size least_part = 16 << 10;                        // of a plane that threads share
constexpr Size channels_at_once = 64, fewest_channels = 16;  // of a task, channels last

int threads_for(const PlacedShape& s, const PoolCall& call) {
    return s.batch * s.channels * (s.few + s.many) < worth_threads ? 1 : call.threads;
}

constexpr Size ahead = 1024;  // elements that become zero at once, just ahead of the first that is written: it is in the cache then

// Makes pixels begin..end zero, of `channels` elements that stand `step` apart.
template <class X>
[[gnu::noinline]] void zero(X* y, Size begin, Size end, Size channels, Size step) {
    if (step == channels) {
        std::fill(y + begin * step, y + end * step, X(0));
    } else {
        for (Size i = begin; i < end; ++i) std::fill_n(y + i * step, channels, X(0));
    }
}

// Scatters every plane in the order of x, all places but those outside. Of planes fewer than threads each thread takes a part.
template <class X, class Put>
void scatter(const PlacedShape& s, const PoolCall& call, const X* x, const Size* places, X* y, Size y_batch, const Put& put) {
    const int threads = threads_for(s, call);
    const bool last = call.layout == Layout::channels_last && s.channels > 1;
    const Size wanted = std::max(ceil_div(s.channels, channels_at_once), ceil_div(threads, std::max<Size>(s.batch, 1)));
    const Size groups = last ? std::min(wanted, ceil_div(s.channels, fewest_channels)) : s.channels, planes = s.batch * groups;
    const Size parts = planes >= threads ? 1 : std::clamp<Size>(s.many / least_part, 1, threads);
    const EvenSplit split(s.many, parts), channels(s.channels, groups);
    parallel_for(planes * parts, threads, [&](Size task, int) {
        const Size plane = task / parts, image = plane / groups, group = plane % groups;
        const Size begin = split.begin(task % parts), length = split.length(task % parts);
        const Size first = last ? channels.begin(group) : group, n = last ? channels.length(group) : 1, step = last ? s.channels : 1;
        X* to = y + image * y_batch + (last ? first : first * s.many) + begin * step;
        const Size start = last ? image * s.few * step + first : plane * s.few;
        const X* from = x + start;
        const Size* at = places + start;
        Size zeroed = 0;
        const auto one = [&](Size place, Size stride, Size c, X value) {
            if (static_cast<std::uint64_t>(place) >= static_cast<std::uint64_t>(zeroed)) {
                if (place < 0 || place >= length) return;
                const Size end = std::min(length, place + ahead / n + 1);
                zero(to, zeroed, end, n, step);
                zeroed = end;
            }
            put(to[place * stride + c], value);
        };
        if (!last) {
            for (Size i = 0; i < s.few; ++i) one(at[i] - begin, 1, 0, from[i]);
        } else {
            for (Size i = 0; i < s.few; ++i, from += step, at += step) {
                for (Size c = 0; c < n; ++c) one(at[c] - begin, step, c, from[c]);
            }
        }
        zero(to, zeroed, length, n, step);
    });
}

}  // namespace

std::optional<Size> bad_place(const PlacedShape& s, Size least, const PoolCall& call, const Size* places) {
    const Size n = s.batch * s.channels * s.few;
    const EvenSplit parts = split_by(n, 1 << 16);
    std::atomic<Size> bad{n};
    const auto& within = pool_kernels_of<Size>(*call.kernels).within;
    parallel_for(parts.parts, threads_for(s, call), [&](Size part, int) {
        if (within(places + parts.begin(part), parts.length(part), least, s.many - 1)) return;
        for (Size first = bad; parts.begin(part) < first && !bad.compare_exchange_weak(first, parts.begin(part));) {
        }
    });
    for (Size i = bad; i < n; ++i) {
        if (places[i] < least || places[i] >= s.many) return places[i];
    }
    return std::nullopt;
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
            // Judged before; but another thread of the caller's may have written to them.
            const Size place = places[at];
            const bool there = static_cast<std::uint64_t>(place) < static_cast<std::uint64_t>(s.many);
            y[at] = there ? from[place * channels + i % channels] : X(0);
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

// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/scatter.hpp"

#include <algorithm>
#include <atomic>

#include "algorithms/pixels.hpp"
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

constexpr Size at_once = 512;  // elements of a copy

// f(element) with an integer of the size of dtype, for elements that are only copied.
template <class F>
void with_copied(DType dtype, const F& f) {
    switch (size_of(dtype)) {
        case 1: return f(std::uint8_t{});
        case 2: return f(std::uint16_t{});
        case 4: return f(std::uint32_t{});
        default: return f(std::uint64_t{});
    }
}

// Scatters every plane in the order of x, all places but those outside. Of planes fewer than threads each thread takes a part.
template <class X, class Put>
void scatter(const PlacedShape& s, const PoolCall& call, const TensorView<const X>& x, const PlacesView& places, X* y, Size y_batch,
             const Put& put) {
    if (s.batch * s.channels * s.many == 0) return;
    const int threads = threads_for(s, call);
    const bool last = call.layout == Layout::channels_last && (s.channels > 1 || s.pixel > 0);
    const Size wanted = std::max(ceil_div(s.channels, channels_at_once), ceil_div(threads, std::max<Size>(s.batch, 1)));
    const Size groups = last ? std::min(wanted, ceil_div(s.channels, fewest_channels)) : s.channels, planes = s.batch * groups;
    const Size parts = planes >= threads ? 1 : std::clamp<Size>(s.many / least_part, 1, threads);
    const EvenSplit split(s.many, parts), channels(s.channels, groups);
    const PixelRuns<X> values(x, s.few_sizes, s.channels, last);
    const PixelRuns<Size> where(places, s.few_sizes, s.channels, last);
    parallel_for(planes * parts, threads, [&](Size task, int) {
        const Size plane = task / parts, image = plane / groups, group = plane % groups;
        const Size begin = split.begin(task % parts), length = split.length(task % parts);
        const Size first = last ? channels.begin(group) : group, n = last ? channels.length(group) : 1;
        const Size step = !last ? 1 : s.pixel > 0 ? s.pixel : s.channels;
        X* to = y + image * y_batch + (last ? first : first * s.many) + begin * step;
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
        X copy_of_values[at_once];
        Size copy_of_places[at_once];
        const Size some = at_once / n;
        for (Size i = 0; i < s.few; i += some) {
            const Size count = std::min(some, s.few - i);
            const auto from = values.run(image, first, n, i, count, copy_of_values);
            const auto at = where.run(image, first, n, i, count, copy_of_places);
            if (n == 1) {
                for (Size k = 0; k < count; ++k) one(at.data[k * at.apart] - begin, step, 0, from.data[k * from.apart]);
                continue;
            }
            for (Size k = 0; k < count; ++k) {
                for (Size c = 0; c < n; ++c) one(at.data[k * at.apart + c] - begin, step, c, from.data[k * from.apart + c]);
            }
        }
        zero(to, zeroed, length, n, step);
    });
}

template <class X>
void take(const PlacedShape& s, const PoolCall& call, const TensorView<const X>& x, const PlacesView& places, X* y) {
    const bool last = call.layout == Layout::channels_last;
    const Size channels = last ? s.channels : 1, images = last ? s.batch : s.batch * s.channels;
    const EvenSplit rows(s.few, std::clamp<Size>(s.few * channels / 4096, 1, s.few)), groups = split_by(channels, channels_at_once);
    const PixelRuns<Size> where(places, s.few_sizes, channels, last);
    const Size step = flat_step(s.many_sizes, x.spatial, -1), height = s.many_sizes[1], width = s.many_sizes[2];
    parallel_for(images * rows.parts, threads_for(s, call), [&](Size task, int) {
        const Size image = task / rows.parts, part = task % rows.parts;
        const Size number = last ? image : image / s.channels, plane = last ? 0 : image % s.channels;
        Size copy[at_once];
        for (Size group = 0; group < groups.parts; ++group) {
            const Size first = groups.begin(group), n = groups.length(group), some = at_once / n;
            const X* from = x.data + number * x.batch + (plane + first) * x.channel;
            for (Size i = rows.begin(part); i < rows.begin(part + 1); i += some) {
                const Size count = std::min(some, rows.begin(part + 1) - i);
                const auto at = where.run(number, plane + first, n, i, count, copy);
                for (Size k = 0; k < count; ++k) {
                    X* to = y + (image * s.few + i + k) * channels + first;
                    for (Size c = 0; c < n; ++c) {
                        // Judged before; but another thread of the caller's may have written to them.
                        const Size place = at.data[k * at.apart + c];
                        const bool there = static_cast<std::uint64_t>(place) < static_cast<std::uint64_t>(s.many);
                        const Size offset = !there      ? 0
                                            : step >= 0 ? place * step
                                                        : place / width / height * x.spatial[0] + place / width % height * x.spatial[1] +
                                                              place % width * x.spatial[2];
                        to[c] = there ? from[offset + c * x.channel] : X(0);
                    }
                }
            }
        }
    });
}

}  // namespace

std::optional<Size> bad_place(const PlacedShape& s, Size least, const PoolCall& call, const PlacesView& places) {
    if (s.batch * s.channels * s.few == 0) return std::nullopt;
    const bool last = call.layout == Layout::channels_last && s.channels > 1;
    const PixelRuns<Size> where(places, s.few_sizes, s.channels, last);
    const EvenSplit groups = last ? split_by(s.channels, channels_at_once) : EvenSplit(s.channels, s.channels);
    const EvenSplit runs = split_by(s.few, std::max<Size>((1 << 16) / groups.longest(), 1));
    const Size tasks = s.batch * groups.parts * runs.parts;
    const auto& within = pool_kernels_of<Size>(*call.on->kernels).within;
    // body(the places of some pixels, how many) until it returns true.
    const auto any = [&](Size task, const auto& body) {
        const Size run = task % runs.parts, group = task / runs.parts % groups.parts, image = task / runs.parts / groups.parts;
        const Size first = groups.begin(group), n = groups.length(group);
        Size copy[at_once];
        const Size some = std::max<Size>(at_once / n, 1);
        for (Size i = runs.begin(run); i < runs.begin(run + 1); i += some) {
            const Size count = std::min(some, runs.begin(run + 1) - i);
            const auto at = where.run(image, first, n, i, count, copy);
            if (at.apart == n) {
                if (body(at.data, count * n)) return true;
                continue;
            }
            for (Size k = 0; k < count; ++k) {
                if (body(at.data + k * at.apart, n)) return true;
            }
        }
        return false;
    };
    std::atomic<Size> bad{tasks};
    parallel_for(tasks, threads_for(s, call), [&](Size task, int) {
        if (!any(task, [&](const Size* at, Size n) { return !within(at, n, least, s.many - 1); })) return;
        for (Size first = bad; task < first && !bad.compare_exchange_weak(first, task);) {
        }
    });
    std::optional<Size> place;
    for (Size task = bad; task < tasks && !place; ++task) {
        any(task, [&](const Size* at, Size n) {
            for (Size i = 0; i < n && !place; ++i) {
                if (at[i] < least || at[i] >= s.many) place = at[i];
            }
            return place.has_value();
        });
    }
    return place;
}

void add_at_places(const PlacedShape& s, const PoolCall& call, const AnyView& x, const PlacesView& places, void* y, Size y_batch) {
    with_real(call.dtype,
              [&]<class X>(X) { scatter(s, call, typed<X>(x), places, static_cast<X*>(y), y_batch, [](X& to, X from) { to += from; }); });
}

void put_at_places(const PlacedShape& s, const PoolCall& call, const AnyView& x, const PlacesView& places, void* y, Size y_batch) {
    with_copied(call.dtype,
                [&]<class X>(X) { scatter(s, call, typed<X>(x), places, static_cast<X*>(y), y_batch, [](X& to, X from) { to = from; }); });
}

void take_from_places(const PlacedShape& s, const PoolCall& call, const AnyView& x, const PlacesView& places, void* y) {
    with_copied(call.dtype, [&]<class X>(X) { take(s, call, typed<X>(x), places, static_cast<X*>(y)); });
}

}  // namespace npconv

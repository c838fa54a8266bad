// SPDX-License-Identifier: BSD-3-Clause
// A call of one register tile, whatever its lanes are: the tests speak of pixels and channels, and this of where they stand.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "compare.hpp"
#include "guarded.hpp"
#include "plan/problem.hpp"

namespace npconv::test {

// rows x vectors: pixels x vectors of channels, or channels x vectors of pixels. x is dense until a test arranges it otherwise:
// [pixel][k] or [vector of pixels][k][lanes]. An item is what has an offset of its own: a pixel, or a vector of pixels.
template <class T>
struct Call {
    Call(const Kernels<T>& kernels, Lane lane, int rows, int vectors, std::int64_t k, GuardPages side)
        : pixel_lanes(lane == Lane::pixel),
          kernel((pixel_lanes ? kernels.pixel_tile : kernels.channel_tile)[vectors - 1][rows - 1]),
          unit(pixel_lanes ? kernels.lanes : 1),
          items(pixel_lanes ? vectors : rows),
          pixels(items * unit),
          channels(pixel_lanes ? rows : vectors * kernels.lanes),
          depth(k),
          x(pixels * k, side),
          w(k * channels, side),
          sums(pixels * channels, side),
          at(items, side),
          place(items, side),
          segments{{0, 0, k}} {
        for (std::int64_t i = 0; i < items; ++i) {
            at[i] = i * unit * k;
            place[i] = i;
        }
    }

    T& input(std::int64_t pixel, std::int64_t k) const { return x[(pixel / unit * depth + k) * unit + pixel % unit]; }
    T& weight(std::int64_t k, std::int64_t channel) const { return w[k * channels + channel]; }
    // In `of`, which has room for any places of the items.
    T& sum(const Guarded<T>& of, std::int64_t pixel, std::int64_t channel) const {
        return of[(place[pixel / unit] * channels + channel) * unit + pixel % unit];
    }
    T& sum(std::int64_t pixel, std::int64_t channel) const { return sum(sums, pixel, channel); }

    template <class F>
    void fill(const F& f) {
        for (T& value : x) value = f();
        for (T& value : w) value = f();
    }

    // Without an output neither the numbers of pixels in y nor their counts may be looked at: they are null.
    GemmTile<T> tile(bool accumulate) const {
        GemmTile<T> t{};
        t.x = x.data();
        t.at = at.data();
        (pixel_lanes ? t.slot : t.index) = place.data();
        t.segment = segments.data();
        t.segments = static_cast<std::int64_t>(segments.size());
        t.k_stride = unit;
        t.w = w.data();
        t.sums = sums.data();
        t.accumulate = accumulate;
        return t;
    }

    void run(bool accumulate = false) const { run(tile(accumulate)); }
    void run(const GemmTile<T>& t) const {
        kernel(t);
        EXPECT_TRUE(x.canaries_intact() && w.canaries_intact() && sums.canaries_intact() && at.canaries_intact() &&
                    place.canaries_intact());
    }

    // The definition, on the dense x: one scalar at a time, each step rounded as the instruction set rounds it. A sum begins with its first
    // product: of -0 alone it is -0. It is added to `start`.
    T expected(std::int64_t pixel, std::int64_t channel, bool fused, T start = T(0)) const {
        T total = depth > 0 ? -T(0) : T(0);
        for (std::int64_t k = 0; k < depth; ++k) {
            const T a = input(pixel, k), b = weight(k, channel);
            total = fused ? std::fma(a, b, total) : total + a * b;
        }
        return start == T(0) ? total : start + total;
    }

    ::testing::AssertionResult right(bool fused, T start = T(0)) const { return right(sums, fused, start); }
    ::testing::AssertionResult right(const Guarded<T>& of, bool fused, T start = T(0)) const {
        for (std::int64_t p = 0; p < pixels; ++p) {
            for (std::int64_t c = 0; c < channels; ++c) {
                const T wanted = expected(p, c, fused, start), got = sum(of, p, c);
                if (!same(got, wanted)) {
                    return ::testing::AssertionFailure() << "pixel " << p << ", channel " << c << " is " << ::testing::PrintToString(got)
                                                         << ", expected " << ::testing::PrintToString(wanted);
                }
            }
        }
        return ::testing::AssertionSuccess();
    }

    bool pixel_lanes;
    void (*kernel)(const GemmTile<T>&);
    std::int64_t unit, items, pixels, channels, depth;
    Guarded<T> x, w, sums;
    Guarded<std::int64_t> at, place;
    std::vector<Segment> segments;
};

inline bool fuses(const KernelTable& table) { return std::string(table.isa) != "baseline"; }

// Calls f(table, kernels, lane, rows, vectors, side) for every tile there is, with the guard page on either side.
template <class T, class F>
void for_each_tile(const F& f) {
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for (const Lane lane : {Lane::channel, Lane::pixel}) {
            const bool pixel = lane == Lane::pixel;
            const GemmEntry& entry = entry_of<T>(table.entries->gemm);
            for (int v = 1; v <= (pixel ? entry.pixel_nv : entry.nv); ++v) {
                for (int m = 1; m <= (pixel ? entry.pixel_mr : entry.mr[v - 1]); ++m) {
                    SCOPED_TRACE(std::to_string(m) + (pixel ? " channels x " : " pixels x ") + std::to_string(v) +
                                 (pixel ? " vectors of pixels" : " vectors of channels"));
                    for (const GuardPages side : guard_sides) f(table, kernels, lane, m, v, side);
                }
            }
        }
    });
}

}  // namespace npconv::test
